#include "engine/cli/send_import.h"

#include "base/log.h"
#include "engine/intake/list_sample.h"

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

// In place of a sample, the hash of all of it: of what was read, or where that was interrupted of the file, which nobody has changed yet.
void SendImport::know_list(queue::Store& store, const Result<intake::ImportTotals>& totals) {
  const std::string& sample = campaign_.list_fingerprint;
  if (!intake::is_sample(sample)) return;
  Result<std::string> whole = std::string();
  if (totals.ok()) {
    whole = totals->fingerprint;
  } else if (const auto same = intake::is_list(source_.list.path, sample); same.ok() && *same) {
    whole = intake::hash_list(source_.list.path);
  }
  if (!whole.ok() || whole->empty()) return;
  const Status known = store.edit(campaign_.id, [&](queue::Campaign& record) { record.list_fingerprint = *whole; });
  if (!known) log_debug("campaign " + campaign_.id + ": " + known.error().message);
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
  know_list(**store, totals);
  if (!totals) return finish(totals.error());
  Status closed = (*store)->close_import(campaign_.id, *epoch, totals->read, totals->invalid,
                                         totals->duplicate);
  if (closed) on_queued_();
  finish(std::move(closed));
}

}  // namespace volley::cli
