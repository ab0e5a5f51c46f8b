#include "engine/intake/slice_packer.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/time.h"
#include "metrics/event_log.h"

namespace volley::intake {
namespace {

// Where calls may be cut.
uint32_t upper(uint64_t domain_hash) { return static_cast<uint32_t>(domain_hash >> 32); }

// What it is to Redis, about.
size_t packed_bytes(const queue::ImportFlush& flush) {
  size_t bytes = 0;
  for (const queue::ImportFlush::Part& part : flush.parts) bytes += part.chunk.size();
  for (const queue::FinalOutcome& outcome : flush.suppressed_outcomes) {
    bytes += outcome.address.size();
  }
  return bytes;
}

// Everything of `part`, which goes on where `flush` ends, in the same call.
void append(queue::ImportFlush& flush, queue::ImportFlush part) {
  std::move(part.parts.begin(), part.parts.end(), std::back_inserter(flush.parts));
  std::move(part.suppressed_outcomes.begin(), part.suppressed_outcomes.end(),
            std::back_inserter(flush.suppressed_outcomes));
  flush.suppressed += part.suppressed;
}

}  // namespace

SlicePacker::SlicePacker(metrics::EventLog* events, std::string campaign, queue::Lane lane,
                         ImportLimits limits)
    : events_(events), campaign_(std::move(campaign)), lane_(lane), limits_(limits) {}

uint64_t SlicePacker::load(std::string_view rows, uint64_t end, bool may_be_shorter) {
  rows_ = rows;
  collect(end);
  if (const uint64_t fits = may_be_shorter ? fitting_end(end) : end; fits < end) {
    end = fits;
    collect(end);
  }
  end_ = end;
  return end;
}

void SlicePacker::collect(uint64_t end) {
  entries_.clear();
  bytes_ = 0;
  while (bytes_ < rows_.size()) {
    const PackedRow next = read_row(rows_.substr(bytes_));
    if (next.number > end) break;
    entries_.push_back({next.domain_hash, static_cast<uint32_t>(bytes_),
                        static_cast<uint32_t>(next.bytes.size())});
    bytes_ += next.bytes.size();
  }
  std::sort(entries_.begin(), entries_.end(), [](const Entry& a, const Entry& b) {
    return a.domain_hash != b.domain_hash ? a.domain_hash < b.domain_hash : a.offset < b.offset;
  });
}

// Before the first row that is one too many of its domain: rows of one hash are in the order of the list.
uint64_t SlicePacker::fitting_end(uint64_t end) const {
  size_t bytes = 0;
  for (size_t i = 0; i < entries_.size(); ++i) {
    const bool first = i == 0 || entries_[i].domain_hash != entries_[i - 1].domain_hash;
    bytes = first ? entries_[i].size : bytes + entries_[i].size;
    if (!first && bytes > limits_.domain_bytes) end = std::min(end, row(entries_[i]).number - 1);
  }
  return end;
}

size_t SlicePacker::end_of_hash(size_t begin) const {
  size_t end = begin + 1;
  while (end < entries_.size() &&
         upper(entries_[end].domain_hash) == upper(entries_[begin].domain_hash)) {
    ++end;
  }
  return end;
}

size_t SlicePacker::domains() const {
  size_t count = 0;
  for (size_t i = 0; i < entries_.size(); ++i) {
    if (i == 0 || entries_[i].domain_hash != entries_[i - 1].domain_hash) ++count;
  }
  return count;
}

PackedRow SlicePacker::row(const Entry& entry) const {
  return read_row(rows_.substr(entry.offset, entry.size));
}

Status SlicePacker::pack(uint32_t partition, queue::ImportMark& at, int64_t now_ms,
                         const Emit& emit) {
  queue::ImportFlush flush;
  size_t packed = 0, row_bytes = 0;
  const auto close = [&](uint32_t upto) {
    flush.partition = partition;
    flush.mark = end_;
    flush.upto = upto;
    flush.after = at;
    if (upto > 0) {
      at.slice = end_;
      at.upto = upto;
    } else {
      at = {.row = end_};
    }
    if (std::exchange(has_events_, false)) events_->flush();
    packed = 0;
    return emit(std::exchange(flush, {}), std::exchange(row_bytes, 0));
  };
  for (size_t begin = 0; begin < entries_.size();) {
    const size_t end = end_of_hash(begin);
    queue::ImportFlush group;
    add_chunks(begin, end, now_ms, group);
    const size_t bytes = packed_bytes(group);
    if (row_bytes > 0 && (flush.parts.size() + group.parts.size() > limits_.call_chunks ||
                          packed + bytes > limits_.call_bytes)) {
      if (Status status = close(upper(entries_[begin].domain_hash)); !status) return status;
    }
    append(flush, std::move(group));
    packed += bytes;
    for (; begin < end; ++begin) row_bytes += entries_[begin].size;
  }
  return close(0);
}

// Rows of one domain, or, now and then, of several whose hashes begin alike, cut into chunks of about the same size.
void SlicePacker::add_chunks(size_t begin, size_t end, int64_t now_ms, queue::ImportFlush& flush) {
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
    const PackedRow next = row(entries_[i]);
    if (next.suppressed) {
      add_suppressed(next, flush);
      continue;
    }
    if (next.domain != domain || builder_.size() >= per_chunk ||
        builder_.raw_bytes() + next.bytes.size() > kMaxChunkBytes) {
      close();
    }
    domain = next.domain;
    unpack_values(next, values_);
    queue::Recipient recipient;
    recipient.number = next.number;
    recipient.address = next.address;
    recipient.values = values_;
    recipient.enqueued_ms = now_ms;
    builder_.add(recipient);
  }
  close();
}

void SlicePacker::add_suppressed(const PackedRow& row, queue::ImportFlush& flush) {
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
  event.id = campaign_ + "." + std::to_string(row.number) + ".0";
  event.campaign = campaign_;
  event.lane = queue::to_string(lane_);
  event.recipient = row.address;
  event.text = "on a suppression list";
  events_->append(event);
  has_events_ = true;
}

}  // namespace volley::intake
