#include "engine/intake/packer.h"

#include <algorithm>
#include <utility>

#include "base/time.h"
#include "metrics/event_log.h"

namespace volley::intake {

Packer::Packer(queue::Store& store, metrics::EventLog* events, PackerOptions options)
    : store_(store),
      events_(events),
      options_(std::move(options)),
      share_(options_.buffers / options_.partitions),
      partitions_(options_.partitions) {}

Status Packer::add(const PackedRow& row) {
  Partition& partition = partitions_[row.partition];
  if (partition.rows.size() + row.bytes.size() > share_ && !partition.entries.empty()) {
    std::vector<queue::ImportFlush> flushes;
    pack(row.partition, flushes);
    if (Status status = write(flushes); !status) return status;
  }
  if (partition.rows.capacity() < share_) partition.rows.reserve(share_);
  partition.entries.push_back({row.domain_hash, static_cast<uint32_t>(partition.rows.size())});
  partition.rows += row.bytes;
  seen_ = row.number;
  return {};
}

Status Packer::flush_all() {
  std::vector<queue::ImportFlush> flushes;
  size_t bytes = 0;
  for (uint32_t i = 0; i < partitions_.size(); ++i) {
    if (partitions_[i].entries.empty()) continue;
    bytes += partitions_[i].rows.size();
    pack(i, flushes);
    if (bytes < kFlushBytes) continue;
    if (Status status = write(flushes); !status) return status;
    flushes.clear();
    bytes = 0;
  }
  return flushes.empty() ? Status() : write(flushes);
}

// Everything the partition has; leaves it empty. In the long tail of small domains, where every row may be a chunk of its own,
// it takes several calls, cut where the list goes on, each with its own mark.
void Packer::pack(uint32_t index, std::vector<queue::ImportFlush>& flushes) {
  Partition& partition = partitions_[index];
  if (Result<int64_t> now = store_.now_ms(); now.ok()) enqueued_ms_ = *now;
  const size_t rows = partition.entries.size();
  const size_t step = count_domains(partition) + rows / 64 <= kMaxParts ? rows : kMaxParts;
  for (size_t begin = 0; begin < rows; begin += step) {
    const size_t end = std::min(rows, begin + step);
    uint64_t mark = seen_;
    if (end < rows) {
      mark = read_row(std::string_view(partition.rows).substr(partition.entries[end - 1].offset))
                 .number;
    }
    flushes.push_back(pack_rows(index, begin, end, mark));
  }
  partition.rows.clear();
  partition.entries.clear();
}

size_t Packer::count_domains(const Partition& partition) {
  hashes_.clear();
  for (const Entry& entry : partition.entries) hashes_.push_back(entry.domain_hash);
  std::sort(hashes_.begin(), hashes_.end());
  return static_cast<size_t>(std::unique(hashes_.begin(), hashes_.end()) - hashes_.begin());
}

queue::ImportFlush Packer::pack_rows(uint32_t index, size_t first, size_t last, uint64_t mark) {
  Partition& partition = partitions_[index];
  queue::ImportFlush flush;
  flush.partition = index;
  flush.mark = mark;
  std::vector<Entry>& entries = partition.entries;
  const auto at = [&](size_t i) { return entries.begin() + static_cast<ptrdiff_t>(i); };
  std::sort(at(first), at(last), [](const Entry& a, const Entry& b) {
    return a.domain_hash != b.domain_hash ? a.domain_hash < b.domain_hash : a.offset < b.offset;
  });
  for (size_t begin = first; begin < last;) {
    size_t end = begin + 1;
    while (end < last && entries[end].domain_hash == entries[begin].domain_hash) ++end;
    add_chunks(partition, begin, end, flush);
    begin = end;
  }
  return flush;
}

// Rows of one domain (or, once in a universe, of two with the same hash), cut into chunks of about the same size.
void Packer::add_chunks(const Partition& partition, size_t begin, size_t end,
                        queue::ImportFlush& flush) {
  const size_t count = end - begin;
  const size_t chunks = (count + queue::kMaxChunkRecipients - 1) / queue::kMaxChunkRecipients;
  const size_t per_chunk = (count + chunks - 1) / chunks;
  std::string_view domain;
  const auto close = [&] {
    if (builder_.size() == 0) return;
    const uint32_t recipients = builder_.size();
    flush.parts.push_back({std::string(domain), recipients, builder_.encode()});
  };
  for (size_t i = begin; i < end; ++i) {
    const PackedRow row =
        read_row(std::string_view(partition.rows).substr(partition.entries[i].offset));
    if (row.suppressed) {
      add_suppressed(row, flush);
      continue;
    }
    if (row.domain != domain || builder_.size() >= per_chunk ||
        builder_.raw_bytes() + row.bytes.size() > kMaxChunkBytes) {
      close();
    }
    domain = row.domain;
    unpack_values(row, values_);
    queue::Recipient recipient;
    recipient.number = row.number;
    recipient.address = row.address;
    recipient.values = values_;
    recipient.enqueued_ms = enqueued_ms_;
    builder_.add(recipient);
  }
  close();
}

void Packer::add_suppressed(const PackedRow& row, queue::ImportFlush& flush) {
  ++flush.suppressed;
  queue::FinalOutcome outcome;
  outcome.number = row.number;
  outcome.outcome = queue::Outcome::kSuppressed;
  outcome.address = row.address;
  flush.suppressed_outcomes.push_back(std::move(outcome));
  if (!events_) return;
  metrics::Event event;
  event.time = wall_now();
  event.kind = metrics::EventKind::kSuppressed;
  event.id = options_.campaign + "." + std::to_string(row.number) + ".0";
  event.campaign = options_.campaign;
  event.lane = queue::to_string(options_.lane);
  event.recipient = row.address;
  event.text = "on a suppression list";
  events_->append(event);
  has_events_ = true;
}

Status Packer::write(std::vector<queue::ImportFlush>& flushes) {
  if (std::exchange(has_events_, false)) events_->flush();
  Status status = store_.import(options_.campaign, options_.lane, options_.epoch, flushes);
  if (status.ok() && options_.on_flush) options_.on_flush();
  return status;
}

}  // namespace volley::intake
