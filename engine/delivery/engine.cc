#include "engine/delivery/engine.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "base/log.h"
#include "engine/delivery/event_of.h"
#include "engine/delivery/worker.h"

namespace volley::delivery {
namespace {

constexpr Duration kDrainLook = std::chrono::milliseconds(200);
constexpr Duration kSettlePatience = std::chrono::seconds(5);

void report(const Replay& replay) {
  for (const auto& path : replay.foreign) {
    log_warn(
        path +
        " is the journal of another queue: left alone; remove it once that queue needs it no more");
  }
  if (replay.damaged > 0) {
    log_warn(std::to_string(replay.damaged) +
             " journal records are damaged: their messages may be sent again");
  }
  size_t outcomes = 0;
  for (const auto& [lease, records] : replay.unsettled) outcomes += records.size();
  if (outcomes > 0)
    log_info(std::to_string(outcomes) +
             " outcomes of the last run were not settled: settling them");
}

}  // namespace

namespace {

bool sends_directly(const Settings& settings) {
  return !settings.relay && std::none_of(settings.routes.begin(), settings.routes.end(),
                                         [](const Route& route) { return route.domain == "*"; });
}

Status set_up(EngineShared& shared) {
  const Settings& settings = shared.settings;
  if (Status tls = shared.commons.set_up_tls(settings.ca_file); !tls) return tls;
  if (!settings.mta_sts || !sends_directly(settings)) return {};
  StsFetcherSettings fetcher;
  fetcher.dns = settings.dns;
  fetcher.counters = &shared.registry.new_shard();
  fetcher.ca_file = settings.ca_file;
  return shared.commons.sts.start(fetcher);
}

}  // namespace

struct Engine::Impl {
  EngineShared shared;
  std::vector<std::unique_ptr<Worker>> workers;
  bool draining = false, stopped = false;
  uint64_t held = 0;  // when looked last, and since when it is as much
  TimePoint held_since{};

  template <typename... Args>
  explicit Impl(Args&&... args) : shared(std::forward<Args>(args)...) {}

  // With shared.mutex. The queue may be slow: as long as it takes something, it is waited for.
  void look_at_queue(TimePoint now) {
    const uint64_t left = shared.board.held();
    if (shared.quiet == workers.size() && left == held && held_since != TimePoint{}) return;
    held = left;
    held_since = shared.quiet == workers.size() ? now : TimePoint{};
  }
  bool unsettled(TimePoint now) const {
    return !stopped && held_since != TimePoint{} && now - held_since >= kSettlePatience;
  }

  void stop() {
    if (stopped) return;
    stopped = true;
    shared.board.set_state("stopped");
    workers.front()->farewell();
    shared.abandon = true;
    for (auto& worker : workers) worker->stop();
    for (auto& worker : workers) worker->join();
    shared.commons.sts.stop();  // it posts to the loops
    shared.events.flush();      // so that the journals can go
    if (Status saved = shared.commons.memory.save(wall_now()); !saved)
      log_warn(saved.error().message);
  }
};

Engine::Engine(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Result<std::unique_ptr<Engine>> Engine::start(Settings settings, const queue::QueueUrl& queue,
                                              std::string engine_id, std::string dedupe_key,
                                              uint32_t partitions, const message::DkimKeyRing& keys,
                                              metrics::Registry& registry,
                                              metrics::EventLog& events) {
  settings.loops = std::max(1u, settings.loops);
  auto replay = read_journals(settings.data_directory + "/journal", queue_identity(dedupe_key));
  if (!replay.ok()) return replay.error();
  report(*replay);
  uint64_t last_event = 0;
  for (const Record& record : replay->unlogged) last_event = events.append(to_event(record));
  const std::vector<uint64_t> runs = replay->runs;

  auto impl = std::make_unique<Impl>(std::move(settings), queue, std::move(engine_id),
                                     std::move(dedupe_key), partitions, keys, registry, events,
                                     std::move(*replay));
  EngineShared& shared = impl->shared;
  shared.replayed_runs = runs;
  Memory& memory = shared.commons.memory;
  if (Status loaded = memory.load(shared.settings.data_directory + "/learned.json", wall_now());
      !loaded) {
    log_warn(loaded.error().message);
  }
  shared.replayed_events = last_event;
  shared.commons.pace.set_rate(shared.settings.rate, monotonic_now());
  if (Status ready = set_up(shared); !ready) return ready.error();
  for (unsigned loop = 0; loop < shared.settings.loops; ++loop) {
    auto worker = Worker::create(shared, loop);
    if (!worker.ok()) return worker.error();
    shared.workers.push_back(worker->get());
    impl->workers.push_back(std::move(*worker));
  }
  for (auto& worker : impl->workers) worker->start();
  return std::unique_ptr<Engine>(new Engine(std::move(impl)));
}

Engine::~Engine() {
  if (!impl_->stopped && !impl_->draining) drain(std::chrono::seconds(1));
  impl_->stop();
}

void Engine::wake() {
  for (auto& worker : impl_->workers) worker->wake();
}

bool Engine::drain(Duration limit) {
  EngineShared& shared = impl_->shared;
  if (impl_->stopped) return true;
  impl_->draining = true;
  shared.board.set_state("draining");
  for (auto& worker : impl_->workers) worker->drain();
  {
    std::unique_lock lock(shared.mutex);
    // A loop that cannot write its journal does not get done by waiting.
    const TimePoint deadline = monotonic_now() + limit;
    while (!shared.changed.wait_for(lock, kDrainLook,
                                    [&] { return shared.drained == impl_->workers.size(); })) {
      const TimePoint now = monotonic_now();
      impl_->look_at_queue(now);
      if (now >= deadline || impl_->unsettled(now) || !shared.board.trouble().empty()) return false;
    }
  }
  impl_->stop();
  return true;
}

Status log_journal(const std::string& data_directory, const std::string& dedupe_key,
                   metrics::EventLog& events) {
  auto replay = read_journals(data_directory + "/journal", queue_identity(dedupe_key));
  if (!replay.ok()) return replay.error();
  for (const Record& record : replay->unlogged) events.append(to_event(record));
  events.flush();
  if (const std::string trouble = events.trouble(); !trouble.empty())
    return Error{Errc::kIo, trouble};
  return {};
}

Status retire_journal(const std::string& data_directory, const std::string& dedupe_key) {
  auto replay = read_journals(data_directory + "/journal", queue_identity(dedupe_key));
  if (!replay.ok()) return replay.error();
  for (const std::string& path : replay->segments) {
    if (std::rename(path.c_str(), (path + ".old").c_str()) != 0)
      return Error{Errc::kIo, "cannot rename " + path + ": " + std::strerror(errno)};
  }
  return {};
}

bool Engine::unsettled() const { return impl_->unsettled(monotonic_now()); }
std::string Engine::trouble() const { return impl_->shared.board.trouble(); }
std::string Engine::status_json() const { return impl_->shared.board.json(); }

}  // namespace volley::delivery
