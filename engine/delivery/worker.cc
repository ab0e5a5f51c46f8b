#include "engine/delivery/worker.h"

#include <algorithm>

#include "base/hash.h"
#include "base/log.h"
#include "base/net/work_pool.h"
#include "dns/resolver.h"

namespace volley::delivery {
namespace {

using namespace std::chrono_literals;

constexpr Duration kHousekeepingEvery = 1s;
constexpr Duration kDrainCheckEvery = 10ms;

unsigned loops_of(const Settings& settings) { return std::max(1u, settings.loops); }

}  // namespace

std::string queue_identity(std::string_view dedupe_key) {
  return to_hex(Sha256::of(dedupe_key)).substr(0, 32);
}

EngineShared::EngineShared(Settings settings_, queue::QueueUrl queue_, std::string engine_id_,
                           std::string dedupe_key_, uint32_t partitions_,
                           const message::DkimKeyRing& keys_, metrics::Registry& registry_,
                           metrics::EventLog& events_, Replay replay_)
    : settings(std::move(settings_)),
      queue(std::move(queue_)),
      engine_id(std::move(engine_id_)),
      dedupe_key(std::move(dedupe_key_)),
      queue_identity(delivery::queue_identity(dedupe_key)),
      partitions(partitions_),
      keys(keys_),
      registry(registry_),
      events(events_),
      commons(settings.max_connections),
      replay(std::move(replay_)),
      board(engine_id, settings.hostname, loops_of(settings), *commons.tls) {
  registry.on_scrape_series([tls = commons.tls] { return to_series(tls->counts()); });
}

Worker::Worker(EngineShared& shared, unsigned index)
    : shared_(shared),
      index_(index),
      loops_(loops_of(shared.settings)),
      shard_(shared.registry.new_shard()),
      housekeeping_(loop_, [this] { housekeeping(); }),
      drain_check_(loop_, [this] { look_whether_drained(); }) {}

Result<std::unique_ptr<Worker>> Worker::create(EngineShared& shared, unsigned index) {
  std::unique_ptr<Worker> w(new Worker(shared, index));
  const Settings& settings = shared.settings;
  auto journal = Journal::open(settings.data_directory + "/journal", index, shared.queue_identity);
  if (!journal.ok()) return journal.error();
  w->journal_ = std::move(*journal);
  auto resolver =
      dns::CaresResolver::create(w->loop_, settings.dns, Random::seed_from_system(), &w->shard_);
  if (!resolver.ok()) return resolver.error();
  w->resolver_ = std::move(*resolver);

  OwnerOptions options;
  options.loop = index;
  options.loops = w->loops_;
  options.partitions = shared.partitions;
  options.lease_ttl = settings.lease_ttl;
  options.recipients_in_memory = settings.recipients_in_memory;
  options.retry_wheel_ms =
      std::chrono::duration_cast<std::chrono::milliseconds>(settings.retry_wheel).count();
  options.singles_retry = settings.singles_retry;
  options.dedupe_key = shared.dedupe_key;
  options.seed = Random::seed_from_system();
  w->door_ = std::make_unique<queue::Door>(w->loop_, shared.queue, shared.engine_id, &w->shard_);
  w->router_ =
      std::make_unique<Router>(w->loop_, settings, *w->resolver_,
                               shared.commons.sts.running() ? &shared.commons.sts : nullptr, *w);
  w->sites_ = std::make_unique<SiteTable>(w->loop_, settings, *w->resolver_, shared.commons,
                                          shared.registry, w->shard_, *w,
                                          Random::seed_from_system(), index);
  w->owner_ = std::make_unique<PartitionOwner>(w->loop_, *w->door_, shared.keys, shared.controls,
                                               shared.replay, w->shard_, *w, std::move(options));
  if (index == 0) {
    w->history_ = std::make_unique<HistoryKeeper>(
        w->loop_, *w->door_, settings.history,
        [worker = w.get()](uint64_t had, uint64_t has) { worker->queue_forgot(had, has); });
    w->steward_ = std::make_unique<Steward>(w->loop_, *w->door_, w->owner_->campaigns(),
                                            shared.controls, shared.board, w->shard_, *w->history_,
                                            [raw = w.get()] { raw->seal_journals(); });
  }
  w->loop_.add_turn_hook(net::Phase::kJournal, *w);
  w->loop_.set_turn_observer([shard = &w->shard_](Duration worked) {
    (*shard)[metrics::Metric::kLoopTurns].add();
    if (worked > 10ms) (*shard)[metrics::Metric::kSlowTurns].add();
    (*shard)[metrics::Histogram::kLoopTurn].observe(worked);
  });
  return w;
}

Worker::~Worker() {
  loop_.remove_turn_hook(*this);
  steward_.reset();
  history_.reset();
  sites_.reset();
  door_.reset();  // from here on nobody answers the owner
  owner_.reset();
  router_.reset();
  resolver_.reset();
  if (journal_) let_go_of_journals();
}

void Worker::start() {
  loop_.post([this] {
    owner_->start();
    if (steward_) steward_->start();
    housekeeping();
  });
  thread_ = std::thread([this] { loop_.run(); });
}

void Worker::wake() {
  if (woken_.exchange(true)) return;
  loop_.post([this] {
    woken_ = false;
    owner_->wake();
  });
}

void Worker::drain() {
  loop_.post([this] {
    if (draining_) return;
    draining_ = true;
    owner_->stop();
    if (sites_) sites_->drain();
    look_whether_drained();
  });
}

// It was restored from a backup under us: what it offers was delivered in part. What is on the wire is finished.
void Worker::queue_forgot(uint64_t had, uint64_t has) {
  const std::string trouble = "it is older than what this engine did with it (its mark was " +
                              std::to_string(had) + ", is " + std::to_string(has) +
                              "): it was restored from a backup; nothing is sent until the engine "
                              "has been stopped and `volley queue reconcile` has made it good";
  log_error("the queue: " + trouble);
  shared_.board.queue_trouble(trouble);
  for (Worker* worker : shared_.workers) worker->drain();
}

void Worker::look_whether_drained() {
  if (drained_) return;
  const bool idle = !sites_ || sites_->idle();
  const std::lock_guard lock(shared_.mutex);
  if (idle && !quiet_) {
    quiet_ = true;
    ++shared_.quiet;
  }
  if (!idle || !owner_->stopped()) {
    drain_check_.set_after(kDrainCheckEvery);
    return;
  }
  drained_ = true;
  ++shared_.drained;
  shared_.changed.notify_all();
}

void Worker::farewell() {
  loop_.post([this] { door_->publish_status(shared_.board.json()); });
}

// Behind what was posted before, whose bytes leave at the end of the same turn.
void Worker::stop() {
  loop_.post([this] { loop_.stop(); });
}

void Worker::join() {
  if (thread_.joinable()) thread_.join();
}

void Worker::on_route(uint64_t id, const RouteAnswer& answer) { owner_->on_route(id, answer); }

std::optional<RouteAnswer> Worker::route(std::string_view domain, uint64_t ticket) {
  return router_->route(domain, ticket);
}

void Worker::on_progress(Work& work) {
  Portion portion = compose_portion(
      work, door_->queue_now_ms(),
      std::chrono::duration_cast<std::chrono::milliseconds>(shared_.settings.retry_wheel).count());
  if (work.owner_loop == index_) return owner_->on_progress(work.ticket, std::move(portion));
  Worker& owner = other(work.owner_loop);
  owner.loop_.post(
      [&owner, ticket = work.ticket, parcel = std::make_shared<Portion>(std::move(portion))] {
        owner.owner_->on_progress(ticket, std::move(*parcel));
      });
}

void Worker::on_returned(std::unique_ptr<Work> work) {
  if (work->owner_loop == index_) return owner_->on_returned(std::move(work));
  Worker& owner = other(work->owner_loop);
  auto parcel = std::make_shared<std::unique_ptr<Work>>(std::move(work));
  owner.loop_.post([&owner, parcel] { owner.owner_->on_returned(std::move(*parcel)); });
}

void Worker::lease_closed(uint32_t partition, uint64_t lease, unsigned loop) {
  journal_->settled(partition, lease);
  if (loop == index_) return;
  Worker& where = other(loop);
  where.loop_.post([&where, partition, lease] { where.journal_->settled(partition, lease); });
}

void Worker::seal_journals() {
  for (Worker* worker : shared_.workers) worker->loop_.post([worker] { worker->journal_->seal(); });
}

void Worker::look_again(const std::vector<std::string>& campaigns) {
  for (Worker* worker : shared_.workers) {
    worker->loop_.post([worker, campaigns] {
      for (const auto& id : campaigns) {
        if (worker->sites_) worker->sites_->campaign_changed(id);
      }
    });
  }
}

void Worker::campaign_changed(const queue::Campaign& record, bool resumed) {
  if (sites_) sites_->campaign_changed(record.id);
  if (!resumed) return;
  shared_.commons.brakes.forget_campaign(record.id);
  // Another loop may have missed that it was paused: it looks once a second.
  for (Worker* worker : shared_.workers) {
    worker->loop_.post([worker, id = record.id] {
      if (worker->sites_) worker->sites_->resume(id);
    });
  }
}

void Worker::on_pause_campaign(std::string_view campaign, std::string_view reason) {
  if (campaign.empty()) return;  // nobody's mail was met
  owner_->campaigns().pause(std::string(campaign), std::string(reason));
}

void Worker::on_site_news(const SiteNews& news) {
  for (unsigned rank = 0; rank < std::min(news.path->shares, loops_); ++rank) {
    const unsigned loop = (news.path->home_loop + rank) % loops_;
    if (loop == index_) continue;
    other(loop).loop_.post([&worker = other(loop), news] {
      if (worker.sites_) worker.sites_->hear(news);
    });
  }
}

void Worker::save_memory() {
  Memory& memory = shared_.commons.memory;
  if (saving_ || !memory.due(loop_.now())) return;
  saving_ = true;
  net::WorkPool::submit(
      loop_,
      [&memory] {
        if (Status saved = memory.save(wall_now()); !saved) log_warn(saved.error().message);
      },
      [this] { saving_ = false; });
}

// Of this run and of those before it, what is in the event log by now.
void Worker::let_go_of_journals() {
  journal_->logged(shared_.events.written());
  if (index_ != 0 || shared_.replayed_runs.empty() || shared_.events.written() < shared_.replayed_events) return;
  for (const uint64_t run : shared_.replayed_runs) journal_->replayed(run);
  shared_.replayed_runs.clear();
  shared_.replay.events_logged();
}

void Worker::housekeeping() {
  housekeeping_.set_after(kHousekeepingEvery);
  let_go_of_journals();
  if (index_ == 0) save_memory();
  LoopStatus status;
  status.connected = door_->connected();
  status.queue_error = door_->last_error();
  status.owner = owner_->snapshot();
  status.journal_bytes = journal_->bytes_written();
  status.journal_segments = journal_->segments();
  if (sites_) status.sites = sites_->snapshot();
  shard_[metrics::Metric::kQueueConnected].set(status.connected ? 1 : 0);
  shard_[metrics::Metric::kPartitionsOwned].set(status.owner.owned);
  shared_.board.put(index_, std::move(status));
}

}  // namespace volley::delivery
