#include "engine/delivery/site_runner.h"

#include <fmt/format.h>

#include <algorithm>

namespace volley::delivery {
namespace {

constexpr int64_t kUsualRestMs = 5000;
constexpr Duration kForgetAfter = std::chrono::minutes(10);

unsigned rank_of(const Path& path, unsigned loop, unsigned loops) {
  const unsigned all = std::max(1u, loops);
  return (loop + all - path.home_loop % all) % all;
}

int64_t ms_until(TimePoint when, TimePoint now) {
  return std::max<int64_t>(1, std::chrono::ceil<std::chrono::milliseconds>(when - now).count());
}

}  // namespace

SiteRunner::SiteRunner(Tools& tools, std::string name, std::string provider,
                       metrics::SiteCells& cells)
    : tools_(tools),
      site_(std::move(name), std::move(provider), cells),
      timer_(tools.loop, [this] { tools_.foreman.wake(*this); }),
      idle_since_(tools.loop.now()) {}

SiteRunner::~SiteRunner() { tools_.turns.leave(*this); }

void SiteRunner::adopt(const Path& path, TimePoint now) {
  site_.adopt(path, rank_of(path, tools_.loop_index, tools_.settings.loops), now);
}

PathPool& SiteRunner::pool(const std::shared_ptr<const Path>& path) {
  adopt(*path, tools_.loop.now());
  const auto known = by_key_.find(path->key);
  if (known != by_key_.end()) return *known->second;
  pools_.push_back(std::make_unique<PathPool>(tools_, *this, site_, path));
  by_key_.emplace(path->key, pools_.back().get());
  return *pools_.back();
}

const PathPool* SiteRunner::find(const Path& path) const {
  const auto known = by_key_.find(path.key);
  return known == by_key_.end() ? nullptr : known->second;
}

size_t SiteRunner::slots() const {
  size_t slots = 0;
  for (const auto& pool : pools_) slots += pool->slots();
  return slots;
}

void SiteRunner::run(TimePoint now) {
  token_at_ = token_at_ <= now ? kNever : token_at_;
  bool more = false;
  for (const auto& pool : pools_) {
    pool->reap();
    more = pool->fail_some(now) || more;
  }
  site_.refresh_gauges(now);
  look_around(now);
  if (!tools_.draining && !site_.paused(now)) {
    for (const auto& pool : pools_) {
      pool->lanes().release(now);
      if (pool->lanes().waiting() == 0) continue;
      pool->sign_ahead();
      pool->kick();
    }
    make_room(now);
    open(now);
    look_around(now);
  } else {
    tools_.turns.leave(*this);
  }
  if (tools_.turns.next() != this) tools_.foreman.wake_next();
  size_t closing = 0;
  for (const auto& pool : pools_) closing += pool->closing();
  yields_ = starving_ > closing ? starving_ - closing : 0;
  set_timer(now);
  if (more) tools_.foreman.wake(*this);
}

bool SiteRunner::yield_one() {
  if (yields_ == 0) return tools_.turns.make_room(*this);
  --yields_;
  return true;
}

void SiteRunner::look_around(TimePoint now) {
  starving_ = starving_transactional_ = 0;
  for (const auto& pool : pools_) {
    if (!pool->starving(now)) continue;
    ++starving_;
    starving_transactional_ += pool->lanes().transactional_waiting() > 0;
  }
}

// Too many connections for what the limit is now, or for the paths that have none.
void SiteRunner::make_room(TimePoint now) {
  const size_t limit = site_.connection_limit(now);
  const size_t used = slots();
  size_t closing = 0;
  for (const auto& pool : pools_) closing += pool->closing();
  const size_t excess = used > limit ? used - limit : 0;
  const size_t free = limit > used ? limit - used : 0;
  const size_t hungry = std::min(starving_, limit);
  size_t needed = excess + (hungry > free ? hungry - free : 0);
  needed -= std::min(needed, closing);
  size_t forced = std::max(excess, std::min(starving_transactional_, needed));
  forced -= std::min(forced, closing);
  const auto spare = [&](bool idle_only, bool for_urgent) {
    for (const auto& pool : pools_) {
      if (for_urgent && pool->lanes().transactional_waiting() > 0) continue;
      if (pool->spare(idle_only)) return true;
    }
    return false;
  };
  while (needed > 0 && spare(true, false)) {
    --needed;
    forced -= std::min<size_t>(forced, 1);
  }
  while (forced > 0 && spare(false, excess == 0)) --forced;
}

PathPool* SiteRunner::neediest(TimePoint now) {
  PathPool* best = nullptr;
  int best_class = 0;
  double best_need = 0;
  for (size_t i = 0; i < pools_.size(); ++i) {
    PathPool* pool = pools_[(next_ + i) % pools_.size()].get();
    if (!pool->wants_session(now)) continue;
    const bool urgent = pool->lanes().transactional_waiting() > 0;
    const bool starving = pool->slots() == 0;
    const int c = starving ? (urgent ? 4 : 2) : (urgent ? 3 : 1);
    const double need = starving ? 0
                                 : static_cast<double>(pool->lanes().waiting()) /
                                       static_cast<double>(pool->slots());
    if (c < best_class || (c == best_class && need <= best_need)) continue;
    best = pool;
    best_class = c;
    best_need = need;
  }
  return best;
}

void SiteRunner::open(TimePoint now) {
  const size_t limit = site_.connection_limit(now);
  for (size_t used = slots(); used < limit;) {
    PathPool* pool = neediest(now);
    if (pool == nullptr) break;
    if (!tools_.turns.may_open(*this)) return;
    next_ = (next_ + 1) % pools_.size();
    const size_t before = pool->slots();
    pool->open_one(now);
    used += pool->slots() - before;
  }
  tools_.turns.leave(*this);
}

void SiteRunner::wait_for_token(TimePoint now) {
  const TimePoint when = site_.token_at(now);
  if (when >= token_at_) return;
  token_at_ = when;
  wait_until(when);
}

void SiteRunner::wait_until(TimePoint when) {
  if (when < timer_.when()) timer_.set(when);
}

void SiteRunner::set_timer(TimePoint now) {
  TimePoint when = token_at_;
  if (site_.waiting_now() > 0) {
    if (site_.paused(now)) when = std::min(when, site_.paused_until());
    if (!site_.paused(now) && !site_.token(now)) when = std::min(when, site_.token_at(now));
    for (const auto& pool : pools_) {
      if (pool->resting(now) && pool->lanes().waiting() > 0)
        when = std::min(when, pool->rest_until());
      if (!tools_.draining && !site_.paused(now)) when = std::min(when, pool->lanes().held_until());
    }
  }
  if (when != timer_.when()) timer_.set(when);
}

int64_t SiteRunner::rest_ms(const PathPool& pool, TimePoint now) {
  TimePoint until = now;
  if (site_.paused(now)) until = site_.paused_until();
  until = std::max(until, site_.quota_until());
  if (pool.resting(now) && pool.slots() == 0) until = std::max(until, pool.rest_until());
  return until > now ? ms_until(until, now) : kUsualRestMs;
}

bool SiteRunner::tick(TimePoint now) {
  const Duration patience = tools_.settings.idle_return;
  const bool long_pause = (site_.paused(now) && site_.paused_until() - now >= patience) ||
                          site_.connection_limit(now) == 0 || site_.quota_until() - now >= patience;
  for (const auto& pool : pools_) {
    for (ActiveWork* work : pool->lanes().all()) {
      // One that is held will be wanted again: to claim it again and again costs more than it waits.
      const bool stuck = long_pause || (!work->held && now - work->moved >= patience);
      if (!work->returning && !work->work->campaign->sending()) {
        tools_.ledger.retire(*work, 0);
      } else if (!work->returning && stuck && work->work->waiting > 0 &&
                 work->work->in_flight == 0) {
        tools_.ledger.retire(*work, rest_ms(*pool, now));
      }
    }
  }
  std::erase_if(pools_, [&](const auto& pool) {
    const bool idle = pool->lanes().empty() && pool->slots() == 0 && !pool->resting(now);
    if (idle) by_key_.erase(pool->path().key);
    return idle;
  });
  if (!pools_.empty()) idle_since_ = now;
  if (site_.waiting_now() > 0) tools_.foreman.wake(*this);
  return pools_.empty() && !woken && !site_.learned(now) && now - idle_since_ >= kForgetAfter;
}

void SiteRunner::retire_all() {
  for (const auto& pool : pools_) {
    for (ActiveWork* work : pool->lanes().all()) tools_.ledger.retire(*work, 0);
  }
}

void SiteRunner::retire_campaign(std::string_view campaign) {
  for (const auto& pool : pools_) {
    for (ActiveWork* work : pool->lanes().all()) {
      if (work->work->destination.campaign != campaign || work->work->campaign->sending()) continue;
      tools_.ledger.retire(*work, 0);
    }
  }
}

void SiteRunner::quit_all() {
  for (const auto& pool : pools_) pool->quit_all();
}

void SiteRunner::resume(std::string_view campaign, TimePoint now) {
  const bool lifted = site_.resume(now);
  site_.breaker.resumed(campaign, lifted);
  if (!lifted) return;
  for (const auto& pool : pools_) pool->forget_failures();
  tools_.foreman.wake(*this);
}

std::string SiteRunner::what_holds(const CampaignControl& campaign) const {
  if (campaign.guard.canary() && campaign.guard.left() <= 0) return "canary of the campaign";
  if (campaign.pace.limited()) return fmt::format("campaign rate ({})", per_time(campaign.pace.rate()));
  return fmt::format("rate ({}, all campaigns together)", per_time(tools_.pace.rate()));
}

SiteSnapshot SiteRunner::snapshot(TimePoint now) {
  std::string connecting, held_by;
  for (const auto& pool : pools_) {
    if (const auto* held = pool->lanes().held(); held != nullptr && held_by.empty())
      held_by = what_holds(*held);
    if (connecting.empty()) connecting = pool->connecting(now);
  }
  if (waits)
    connecting = fmt::format("open connections ({}, all sites together)", tools_.turns.limit());
  return site_.snapshot(now, connecting, held_by);
}

}  // namespace volley::delivery
