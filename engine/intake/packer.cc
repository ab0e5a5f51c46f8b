#include "engine/intake/packer.h"

#include <algorithm>
#include <utility>

#include "engine/intake/import_rules.h"

namespace volley::intake {

Packer::Packer(queue::Store& store, metrics::EventLog* events, PackerOptions options)
    : store_(store),
      options_(std::move(options)),
      share_(options_.limits.buffers / options_.marks.size()),
      marks_(options_.marks),
      rows_(marks_.size()),
      slice_(events, options_.campaign, options_.lane, options_.limits) {}

Status Packer::add(const PackedRow& row) {
  std::string& rows = rows_[row.partition];
  if (rows.size() + row.bytes.size() > share_ && !rows.empty()) {
    if (Status status = write_or_spill(row.partition); !status) return status;
  }
  if (rows.capacity() < share_) rows.reserve(share_);
  rows += row.bytes;
  seen_ = row.number;
  return {};
}

// A share is full.
Status Packer::write_or_spill(uint32_t index) {
  if (spill_) return spill(index);
  if (options_.stream) {
    if (must_wait(index)) return {};  // its slice was small enough for an earlier run's memory
    if (Status status = write_partition(index); !status) return status;
    return write_round();
  }
  slice_.load(rows_[index], seen_, false);
  if (must_wait(index) || slice_.rows() < kFullEnough * slice_.domains()) {
    auto made = RowSpill::create(options_.spill_directory, static_cast<uint32_t>(marks_.size()));
    if (!made) return made.error();
    spill_ = std::move(made).value();
    share_written_ = 0;
    return spill(index);
  }
  if (Status status = write_partition(index); !status) return status;
  return write_round();
}

Status Packer::spill(uint32_t index) {
  if (Status status = spill_->append(index, rows_[index], seen_); !status) return status;
  rows_[index].clear();
  return {};
}

Status Packer::flush() {
  for (uint32_t i = 0; i < rows_.size(); ++i) {
    if (rows_[i].empty() || must_wait(i)) continue;
    if (Status status = write_partition(i); !status) return status;
  }
  return write_round();
}

Status Packer::finish() {
  if (spill_) return write_spilled();
  for (uint32_t i = 0; i < rows_.size(); ++i) {
    if (rows_[i].empty() && marks_[i].slice == 0) continue;
    if (Status status = write_partition(i); !status) return status;
  }
  return write_round();
}

// Partition by partition, in slices of about the same size: a short last one would be of small chunks.
Status Packer::write_spilled() {
  for (uint32_t i = 0; i < rows_.size(); ++i) {
    if (Status status = spill(i); !status) return status;
    rows_[i] = std::string();
  }
  const uint64_t total = spill_->bytes();
  uint64_t left = total;
  std::string rows;
  rows.reserve(
      std::min<uint64_t>(total, options_.limits.slice));  // growing by itself, it is there twice
  for (uint32_t i = 0; i < rows_.size(); ++i) {
    while (spill_->left(i) > 0 || !rows.empty() || marks_[i].slice > 0) {
      const uint64_t waiting = spill_->left(i) + rows.size();
      const uint64_t slices = waiting / (options_.limits.slice + 1) + 1;
      const uint64_t before = spill_->left(i);
      Status status = spill_->read(i, waiting / slices, marks_[i].slice, rows);
      if (!status) return status;
      const uint64_t end = spill_->left(i) == 0 ? seen_ : spill_->last_read(i);
      if (status = write_slice(i, rows, end); !status) return status;
      left -= before - spill_->left(i);
      share_written_ = 1 - static_cast<double>(left) / static_cast<double>(total);
    }
  }
  return write_round();
}

// Everything that waits in memory.
Status Packer::write_partition(uint32_t index) {
  std::string& rows = rows_[index];
  do {
    if (Status status = write_slice(index, rows, seen_); !status) return status;
  } while (!rows.empty());
  return {};
}

// The half written slice, or one up to `end`, or up to where it fits; takes its rows away.
Status Packer::write_slice(uint32_t index, std::string& rows, uint64_t end) {
  queue::ImportMark& at = marks_[index];
  const bool half_written = at.slice > 0;
  slice_.load(rows, half_written ? at.slice : end, !half_written);
  Result<int64_t> now = round_time();
  if (!now) return now.error();
  Status status = slice_.pack(index, at, *now, [this](queue::ImportFlush flush, size_t bytes) {
    return add_call(std::move(flush), bytes);
  });
  if (status) rows.erase(0, slice_.bytes());
  return status;
}

// Asked once between two rounds.
Result<int64_t> Packer::round_time() {
  if (round_time_ > 0) return round_time_;
  Result<int64_t> now = store_.now_ms();
  if (now) round_time_ = *now;
  return now;
}

Status Packer::add_call(queue::ImportFlush flush, size_t row_bytes) {
  round_.push_back(std::move(flush));
  round_bytes_ += row_bytes;
  return round_bytes_ < options_.limits.round ? Status() : write_round();
}

Status Packer::write_round() {
  if (round_.empty()) return {};
  if (options_.stop && options_.stop->load(std::memory_order_relaxed)) return stopped_error();
  Status status = store_.import(options_.campaign, options_.lane, options_.epoch, round_);
  round_.clear();
  round_bytes_ = 0;
  round_time_ = 0;
  if (status && options_.on_flush) options_.on_flush();
  return status;
}

}  // namespace volley::intake
