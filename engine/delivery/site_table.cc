#include "engine/delivery/site_table.h"

#include <algorithm>
#include <unordered_map>

#include "base/log.h"
#include "base/net/timer.h"
#include "engine/delivery/site_runner.h"
#include "engine/delivery/tools.h"

namespace volley::delivery {
namespace {

constexpr Duration kTick = std::chrono::seconds(1);
constexpr Duration kForgetHosts = std::chrono::minutes(1);
constexpr double kSecondsAhead = 60;    // as much as a site can use in this time may wait here
constexpr double kLeastUnknown = 2048;  // for a site whose pace is not known yet
constexpr double kLeast = 256;
constexpr double kLeastPaced = 64;
constexpr int64_t kPlenty = 128;

}  // namespace

struct SiteTable::Impl final : Tools::Foreman, Preparer::Receiver, net::FlushEntry {
  struct Pause {
    std::string campaign, reason;
  };

  Impl(net::Loop& loop, const Settings& settings, dns::Resolver& resolver, Commons& commons,
       metrics::Registry& r, metrics::Shard& shard, Listener& l, uint64_t seed, unsigned loop_index)
      : registry(r),
        listener(l),
        tools(loop, settings, resolver, commons, shard, l, *this, *this, seed, loop_index),
        tick_timer(loop, [this] { tick(); }) {
    tools.tls = commons.tls_context.get();
  }

  // --- Foreman: everything is put off to on_flushed(), the end of the turn.
  void wake(SiteRunner& site) override {
    if (!site.woken) {
      site.woken = true;
      woken.push_back(&site);
    }
    tools.loop.request_flush(*this);
  }
  void wake_next() override {
    if (TurnTaker* next = tools.turns.next()) wake(static_cast<SiteRunner&>(*next));
  }
  void pause_campaign(std::string_view campaign, std::string_view reason) override {
    pauses.push_back({std::string(campaign), std::string(reason)});
    tools.loop.request_flush(*this);
  }
  void tell(SiteNews item) override {
    news.push_back(std::move(item));
    tools.loop.request_flush(*this);
  }
  bool on_flush() override { return true; }
  void on_flushed() override;

  void on_prepared(uint64_t id, std::vector<Preparer::Item> items) override {
    const auto work = works.find(id);
    if (work == works.end()) return;
    work->second->pool->prepared(*work->second, std::move(items));
    wake_site_of(*work->second);
  }
  void wake_site_of(ActiveWork& work) { work.pool->wake(); }

  void tick();
  void hand_back();
  SiteRunner& runner(const Path& path);
  SiteRunner* find(const Path& path) const {
    const auto found = sites.find(path.site);
    return found == sites.end() ? nullptr : found->second.get();
  }
  void arm() {
    if (!tick_timer.armed())
      tick_timer.set_after(std::min(kTick, tools.settings.progress_interval));
  }

  metrics::Registry& registry;
  Listener& listener;
  Tools tools;
  std::unordered_map<std::string, std::unique_ptr<SiteRunner>> sites;
  std::unordered_map<uint64_t, std::unique_ptr<ActiveWork>> works;
  std::vector<SiteRunner*> woken;
  std::vector<Pause> pauses;
  std::vector<SiteNews> news;
  net::Timer tick_timer;
  uint64_t last_work = 0;
  TimePoint hosts_swept{};
};

SiteRunner& SiteTable::Impl::runner(const Path& path) {
  auto& runner = sites[path.site];
  if (!runner) {
    runner = std::make_unique<SiteRunner>(tools, path.site, path.provider,
                                          registry.site(tools.shard, path.site));
  }
  return *runner;
}

void SiteTable::Impl::on_flushed() {
  const TimePoint now = tools.loop.now();
  std::vector<SiteRunner*> batch;
  batch.swap(woken);
  for (SiteRunner* site : batch) {
    site->woken = false;
    site->run(now);
  }
  // Last, since the Listener may hand in more work.
  std::vector<Pause> to_pause;
  to_pause.swap(pauses);
  for (const Pause& pause : to_pause) listener.on_pause_campaign(pause.campaign, pause.reason);
  std::vector<SiteNews> to_tell;
  to_tell.swap(news);
  for (const SiteNews& item : to_tell) listener.on_site_news(item);
  hand_back();
}

void SiteTable::Impl::hand_back() {
  for (ActiveWork* work : tools.ledger.take_returns()) {
    tools.ledger.leave(*work);
    const auto entry = works.extract(work->id);
    listener.on_returned(std::move(entry.mapped()->work));
  }
}

void SiteTable::Impl::tick() {
  const TimePoint now = tools.loop.now();
  for (auto site = sites.begin(); site != sites.end();) {
    site = site->second->tick(now) ? sites.erase(site) : std::next(site);
  }
  if (now - hosts_swept >= kForgetHosts) {
    tools.hosts.forget_stale(now);
    hosts_swept = now;
  }
  wake_next();
  const auto due = tools.ledger.take_progress(now - tools.settings.progress_interval);
  for (const uint64_t id : due) {
    const auto work = works.find(id);
    if (work == works.end() || work->second->over || work->second->work->fresh.empty()) continue;
    listener.on_progress(*work->second->work);
  }
  if (!works.empty() || !sites.empty()) arm();
}

SiteTable::SiteTable(net::Loop& loop, const Settings& settings, dns::Resolver& resolver,
                     Commons& commons, metrics::Registry& registry, metrics::Shard& shard,
                     Listener& listener, uint64_t seed, unsigned loop_index)
    : impl_(std::make_unique<Impl>(loop, settings, resolver, commons, registry, shard, listener,
                                   seed, loop_index)) {}

SiteTable::~SiteTable() = default;

void SiteTable::accept(std::unique_ptr<Work> work) {
  SiteRunner& runner = impl_->runner(*work->path);
  auto active = std::make_unique<ActiveWork>();
  active->id = ++impl_->last_work;
  active->work = std::move(work);
  active->pool = &runner.pool(active->work->path);
  ActiveWork& a = *active;
  impl_->works.emplace(a.id, std::move(active));
  const TimePoint now = impl_->tools.loop.now();
  if (a.work->claimed_at == TimePoint{}) a.work->claimed_at = now;
  impl_->tools.ledger.enter(a, now);
  a.pool->add(a);
  if (impl_->tools.draining || !a.work->campaign->sending()) impl_->tools.ledger.retire(a, 0);
  impl_->arm();
}

bool SiteTable::wants_more(const Path& path) const {
  if (impl_->tools.draining) return false;
  SiteRunner* const runner = impl_->find(path);
  if (runner == nullptr) return true;
  const TimePoint now = impl_->tools.loop.now();
  const Site& site = runner->site();
  const PathPool* pool = runner->find(path);
  if (site.paused(now) || site.connection_limit(now) == 0 || now < site.quota_until()) return false;
  if (pool != nullptr && pool->resting(now) && pool->slots() == 0) return false;
  const double rate = site.rate_limit();
  const double ahead = kSecondsAhead * (rate > 0 ? rate : site.rate(now));
  const double least = rate > 0 ? kLeastPaced : site.pace_known(now) ? kLeast : kLeastUnknown;
  const double usable = std::max(least, ahead);
  // What is held for its campaign's pace is in nobody's way.
  return static_cast<double>(site.waiting_now() - site.held) < usable;
}

bool SiteTable::has_plenty(const Path& path) const {
  SiteRunner* const runner = impl_->find(path);
  return runner != nullptr && runner->site().waiting_now() - runner->site().held >= kPlenty;
}

bool SiteTable::is_hungry(const Path& path) const {
  if (!serves(path) || !wants_more(path)) return false;
  SiteRunner* const runner = impl_->find(path);
  return runner == nullptr || runner->site().waiting_now() - runner->site().held < kPlenty;
}

bool SiteTable::serves(const Path& path) const {
  SiteRunner* const runner = impl_->find(path);
  return runner == nullptr || runner->site().connection_limit(impl_->tools.loop.now()) > 0;
}

void SiteTable::hear(const SiteNews& news) {
  if (impl_->tools.draining) return;
  const TimePoint now = impl_->tools.loop.now();
  SiteRunner& runner = impl_->runner(*news.path);
  runner.adopt(*news.path, now);
  Site& site = runner.site();
  if (!news.reply.empty()) site.note(news.reply);
  // Whether a campaign pauses is said where the reply was heard.
  static_cast<void>(site.act(news.action, now));
  if (news.pause > Duration{}) site.pause(news.pause, news.reason, now, news.until_resumed);
  switch (news.bounces) {
    case SiteNews::Bounces::kNoNews:
      break;
    case SiteNews::Bounces::kDoubted:
      site.breaker.open(news.pause, now);
      break;
    case SiteNews::Bounces::kBelieved:
      site.breaker.believe(now);
      break;
    case SiteNews::Bounces::kUsual:
      site.breaker.close();
      break;
  }
  impl_->wake(runner);
  impl_->arm();
}

void SiteTable::drain() {
  if (impl_->tools.draining) return;
  impl_->tools.draining = true;
  for (const auto& [name, site] : impl_->sites) {
    site->retire_all();
    site->quit_all();
    impl_->wake(*site);
  }
}

bool SiteTable::idle() const {
  return impl_->works.empty() && std::all_of(impl_->sites.begin(), impl_->sites.end(),
                                             [](const auto& s) { return s.second->slots() == 0; });
}

void SiteTable::campaign_changed(std::string_view campaign) {
  for (const auto& [name, site] : impl_->sites) site->retire_campaign(campaign);
}

void SiteTable::resume(std::string_view campaign) {
  for (const auto& [name, site] : impl_->sites) site->resume(campaign, impl_->tools.loop.now());
}

std::vector<SiteSnapshot> SiteTable::snapshot() const {
  std::vector<SiteSnapshot> all;
  const TimePoint now = impl_->tools.loop.now();
  for (const auto& [name, site] : impl_->sites) all.push_back(site->snapshot(now));
  return all;
}

}  // namespace volley::delivery
