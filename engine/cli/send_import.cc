#include "engine/cli/send_import.h"

namespace volley::cli {

SendImport::SendImport(const Workplace& place, queue::Campaign campaign, Source source,
                       std::function<void()> on_queued)
    : place_(place),
      campaign_(std::move(campaign)),
      source_(std::move(source)),
      on_queued_(std::move(on_queued)) {
  thread_ = std::thread([this] { import(); });
}

SendImport::~SendImport() { stop(); }

void SendImport::stop() {
  stop_ = true;
  if (thread_.joinable()) thread_.join();
}

Status SendImport::result() const {
  const std::lock_guard lock(mutex_);
  return result_;
}

intake::ImportTotals SendImport::totals() const {
  const std::lock_guard lock(mutex_);
  return totals_;
}

double SendImport::share() const {
  const std::lock_guard lock(mutex_);
  return share_;
}

void SendImport::finish(Status status) {
  {
    const std::lock_guard lock(mutex_);
    result_ = std::move(status);
  }
  done_ = true;
}

void SendImport::import() {
  auto store = place_.another_store();
  if (!store) return finish(store.error());
  // Another shard than the rows': the Store is used by the thread that writes.
  (*store)->set_counters(&source_.registry->new_shard());
  auto epoch = (*store)->begin_import(campaign_.id);
  if (!epoch) return finish(epoch.error());
  intake::ImportOptions options;
  options.list = source_.list;
  options.rejects_path = source_.rejects_path;
  options.stream = campaign_.stream;
  options.spill_directory = place_.data();
  options.metrics = &source_.registry->new_shard();
  options.progress = [this](const intake::ImportTotals& totals, double fraction) {
    const std::lock_guard lock(mutex_);
    totals_ = totals;
    share_ = fraction;
  };
  if (campaign_.stream) options.on_flush = on_queued_;
  auto totals = intake::run_import(**store, campaign_, *epoch, options, *source_.suppressed,
                                   source_.events, stop_);
  if (!totals) return finish(totals.error());
  Status closed = (*store)->close_import(campaign_.id, *epoch, totals->read, totals->invalid,
                                         totals->duplicate);
  if (closed) on_queued_();
  finish(std::move(closed));
}

}  // namespace volley::cli
