#include "engine/cli/retention.h"

#include <fmt/format.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "base/log.h"
#include "engine/cli/erasure.h"
#include "engine/cli/queue_row.h"
#include "metrics/event_reader.h"
#include "metrics/event_rewrite.h"

namespace volley::cli {
namespace {

constexpr Duration kEvery = std::chrono::hours(1);

bool older(std::string_view line, const std::string& before) {
  const std::string_view time = metrics::event_field(line, "time");
  return !time.empty() && time < before;
}

}  // namespace

struct Retention::Impl {
  std::unique_ptr<queue::Store> store;
  std::string data, events;
  int64_t retain_ms = 0;
  std::atomic<bool> stopping{false};
  std::mutex mutex;
  std::condition_variable wake;
  std::thread thread;

  void run() {
    while (!stopping) {
      if (Status done = round(); !done && !stopping) log_warn("[privacy] retain: " + done.error().message);
      std::unique_lock lock(mutex);
      wake.wait_for(lock, kEvery, [this] { return stopping.load(); });
    }
  }

  Status round() {
    auto now = store->now_ms();
    if (!now) return now.error();
    const int64_t before = *now - retain_ms;
    auto blotted = campaigns(before);
    if (!blotted) return blotted.error();
    if (Status sealed = store->seal_journals(); !sealed) return sealed;
    if (Status removed = remove_retired_journals(data); !removed) return removed;
    if (Status dropped = lines(time_text(before)); !dropped) return dropped;
    if (*blotted == 0 || stopping) return {};
    auto rewritten = rewrite_append_only_file(*store, [this] { return stopping.load(); });
    return rewritten ? Status() : rewritten.error();
  }

  Result<size_t> campaigns(int64_t before) {
    auto all = store->list();
    if (!all) return all.error();
    size_t blotted = 0;
    for (const queue::Campaign& c : *all) {
      const bool over = c.state == queue::CampaignState::kFinished || c.state == queue::CampaignState::kCancelled;
      if (stopping || !over || c.blotted_ms != 0 || c.finished_ms == 0 || c.finished_ms >= before) continue;
      Status done = store->blot(c.id);
      if (!done && done.error().code == Errc::kTempFail) continue;  // an engine has some of its mail yet
      if (!done) return done.error();
      remove_rejects(data, c);
      ++blotted;
      log_info(fmt::format("campaign {}: ended before [privacy] retain; its recipients are dropped, its counts stay", c.id));
    }
    return blotted;
  }

  Status lines(const std::string& before) {
    bool any = false;
    const Status read = metrics::each_event_line(events, [&](std::string_view line) {
      any = older(line, before);
      return false;
    });
    if (!read || !any) return read;
    auto dropped = metrics::rewrite_events(events, [&](std::string_view line, std::string&) {
      return !stopping && older(line, before) ? metrics::LineEdit::kDrop : metrics::LineEdit::kKeep;
    });
    return dropped ? Status() : dropped.error();
  }
};

Retention::Retention(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Retention::~Retention() {
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->stopping = true;
  }
  impl_->wake.notify_all();
  if (impl_->thread.joinable()) impl_->thread.join();
}

Result<std::unique_ptr<Retention>> Retention::open(const Settings& settings, const Workplace& place, std::string events) {
  if (!settings.retain) return std::unique_ptr<Retention>();
  auto impl = std::make_unique<Impl>();
  auto store = place.another_store();
  if (!store) return store.error();
  impl->store = std::move(*store);
  impl->data = place.data();
  impl->events = std::move(events);
  impl->retain_ms = std::chrono::duration_cast<std::chrono::milliseconds>(*settings.retain).count();
  impl->thread = std::thread([raw = impl.get()] { raw->run(); });
  return std::unique_ptr<Retention>(new Retention(std::move(impl)));
}

}  // namespace volley::cli
