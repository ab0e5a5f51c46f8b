#include "engine/intake/importer.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <utility>

#include "engine/intake/dedupe.h"
#include "engine/intake/import_rules.h"
#include "engine/intake/import_writer.h"
#include "engine/intake/list_reader.h"
#include "engine/intake/list_sample.h"
#include "engine/intake/rejects.h"
#include "engine/intake/row_check.h"
#include "metrics/registry.h"

namespace volley::intake {
namespace {

using namespace std::chrono_literals;

constexpr size_t kBatchBytes = size_t{256} << 10;  // of rows handed over at once
constexpr Duration kStreamInterval = 200ms;
constexpr Duration kProgressInterval = 100ms;
constexpr uint64_t kRateFrom = 1000;              // rows before max_invalid says anything
constexpr size_t kMaxHeldBack = size_t{4} << 20;  // bytes of them, in stream mode

class ImportRun {
 public:
  ImportRun(queue::Store& store, const queue::Campaign& campaign, const ImportOptions& options,
            const SuppressionList& suppressed, std::vector<queue::ImportMark> marks)
      : campaign_(campaign),
        options_(options),
        suppressed_(suppressed),
        marks_(std::move(marks)),
        check_(store.dedupe_key()) {}

  Status open();
  Status read_all(ImportWriter& writer, const std::atomic<bool>& stop);
  void report(bool always, const ImportWriter& writer);
  const ImportTotals& totals() const { return totals_; }

 private:
  Status read_row(const Row& row);
  void accept(const Row& row);
  void reject(const Row& row, std::string_view reason);
  bool hand_over(ImportWriter& writer);
  Status check_end();
  void count();
  bool too_many_invalid() const;
  Error rate_error() const;

  const queue::Campaign& campaign_;
  const ImportOptions& options_;
  const SuppressionList& suppressed_;
  const std::vector<queue::ImportMark> marks_;
  std::unique_ptr<ListReader> reader_;
  RejectsWriter rejects_;
  RejectRate rate_;
  RowCheck check_;
  DedupeSet seen_;
  RowBatch batch_;
  ImportTotals totals_, counted_;
  uint64_t newly_suppressed_ = 0;  // not counted yet
  TimePoint next_report_{};
  double shown_ = 0;
};

Error changed_error(const std::string& path) {
  return Error{Errc::kData, path +
                                ": the list changed while it was read; nothing more is queued. "
                                "Restore it, or start anew with a new id"};
}

Status ImportRun::open() {
  const ListOptions& list = options_.list;
  Result<std::unique_ptr<ListReader>> reader = ListReader::open(list.path, list.encoding);
  if (!reader) return reader.error();
  reader_ = std::move(reader).value();
  if (!campaign_.columns.empty() && reader_->columns() != campaign_.columns) {
    return changed_error(list.path);
  }
  if (Status status = check_rejects_path(list.path, options_.rejects_path); !status) return status;
  return rejects_.open(options_.rejects_path);
}

Status ImportRun::read_all(ImportWriter& writer, const std::atomic<bool>& stop) {
  const size_t batch_bytes = std::min(kBatchBytes, options_.limits.buffers / 8);
  Row row;
  for (;;) {
    if (row.number % 256 == 0) {
      if (stop.load(std::memory_order_relaxed)) return stopped_error();
      report(false, writer);
    }
    Result<bool> more = reader_->next(row);
    if (!more.ok()) return more.error();
    if (!*more) break;
    if (Status status = read_row(row); !status) return status;
    const bool held_back =
        options_.stream && totals_.read < kRateFrom && batch_.bytes.size() < kMaxHeldBack;
    if (batch_.bytes.size() >= batch_bytes && !held_back && !hand_over(writer)) return {};
  }
  if (Status status = check_end(); !status) return status;
  hand_over(writer);
  return {};
}

Status ImportRun::read_row(const Row& row) {
  totals_.read = row.number;
  batch_.last_number = row.number;
  if (std::string_view reason = check_.check(row); !reason.empty()) {
    ++totals_.invalid;
    rate_.add(row.line, reason);
    reject(row, reason);
    if (options_.stream && totals_.read >= kRateFrom && too_many_invalid()) return rate_error();
  } else {
    accept(row);
  }
  return {};
}

void ImportRun::accept(const Row& row) {
  const Hash128 key = check_.key();
  if (!seen_.insert(key)) {
    ++totals_.duplicate;
    return reject(row, kDuplicate);
  }
  ++totals_.accepted;
  const bool suppressed = suppressed_.size() > 0 && suppressed_.contains(key);
  if (suppressed) ++totals_.suppressed;
  const std::string domain = queue::queue_domain(check_.domain(), row.number);
  PackedRow packed;
  packed.partition = queue::partition_of(domain, static_cast<uint32_t>(marks_.size()));
  packed.domain_hash = xxh64(domain);
  if (marks_[packed.partition].covers(row.number, packed.domain_hash))
    return;  // an earlier run has written it
  if (suppressed) ++newly_suppressed_;
  packed.number = row.number;
  packed.suppressed = suppressed;
  packed.domain = domain;
  packed.address = check_.address();
  batch_.add(packed, row.values);
}

void ImportRun::reject(const Row& row, std::string_view reason) {
  rejects_.add(row.line, reason, row.raw);
}

bool ImportRun::hand_over(ImportWriter& writer) {
  if (!writer.push(std::exchange(batch_, writer.spare()))) return false;
  batch_.last_number = totals_.read;
  return true;
}

// Before the last rows are handed over: what is found here still keeps them out of the queue.
Status ImportRun::check_end() {
  if (Status status = rejects_.finish(); !status) return status;
  if (options_.stream && rate_.invalid() > 0 && too_many_invalid()) return rate_error();
  totals_.fingerprint = reader_->fingerprint();
  const std::string& known = campaign_.list_fingerprint;
  if (known.empty()) return {};
  Result<std::string> read = totals_.fingerprint;
  if (is_sample(known)) read = reader_->sample();
  if (!read.ok()) return read.error();
  return *read == known ? Status() : changed_error(options_.list.path);
}

bool ImportRun::too_many_invalid() const {
  return rate_.exceeded(totals_.read, options_.list.max_invalid);
}

Error ImportRun::rate_error() const {
  return rate_.error(options_.list.path, totals_.read, options_.list.max_invalid,
                     options_.rejects_path);
}

void ImportRun::report(bool always, const ImportWriter& writer) {
  if (options_.metrics) count();
  if (!options_.progress) return;
  const TimePoint now = monotonic_now();
  if (!always && now < next_report_) return;
  next_report_ = now + kProgressInterval;
  const uint64_t total = reader_->bytes_total();
  double fraction =
      total == 0 ? 1 : static_cast<double>(reader_->bytes_read()) / static_cast<double>(total);
  fraction = std::min(fraction, 1.0);
  if (const double written = writer.share_written(); written >= 0) {
    fraction = (fraction + written) / 2;
  }
  shown_ =
      std::max(shown_, fraction);  // a list that begins to be spilled turns out to be more work
  options_.progress(totals_, shown_);
}

void ImportRun::count() {
  metrics::Shard& shard = *options_.metrics;
  shard[metrics::Metric::kImportedRows].add(totals_.accepted - counted_.accepted);
  shard[metrics::Metric::kRejectedRows].add(totals_.invalid - counted_.invalid);
  shard[metrics::Metric::kDuplicateRows].add(totals_.duplicate - counted_.duplicate);
  const bool bulk = campaign_.lane == queue::Lane::kBulk;
  shard[bulk ? metrics::Metric::kSuppressedBulk : metrics::Metric::kSuppressedTransactional].add(
      std::exchange(newly_suppressed_, 0));
  counted_ = totals_;
}

}  // namespace

Result<ImportTotals> run_import(queue::Store& store, const queue::Campaign& campaign,
                                uint64_t epoch, const ImportOptions& options,
                                const SuppressionList& suppressed, metrics::EventLog* events,
                                const std::atomic<bool>& stop) {
  Result<std::vector<queue::ImportMark>> marks = store.import_marks(campaign.id);
  if (!marks) return marks.error();
  PackerOptions packer;
  packer.campaign = campaign.id;
  packer.lane = campaign.lane;
  packer.epoch = epoch;
  packer.marks = *marks;
  packer.limits = options.limits;
  packer.stream = options.stream;
  packer.spill_directory = options.spill_directory;
  packer.stop = &stop;
  packer.on_flush = options.on_flush;
  ImportRun run(store, campaign, options, suppressed, std::move(marks).value());
  if (Status status = run.open(); !status) return status.error();
  ImportWriter writer(store, events, std::move(packer),
                      options.stream ? kStreamInterval : Duration::zero());
  Status read = run.read_all(writer, stop);
  if (!read) {
    run.report(true, writer);
    return read.error();
  }
  Status written = writer.finish(kProgressInterval, [&] { run.report(false, writer); });
  run.report(true, writer);
  if (!written) return written.error();
  return run.totals();
}

}  // namespace volley::intake
