// SlicePacker: from the rows of one partition, in the order of the list, to calls of full chunks.
//
// Purpose    A slice is what is grouped at once: all rows of the partition from its mark to the slice's end. They are sorted by
//            domain and packed into chunks of at most 256 recipients. A call is bounded (import_limits.h), so a slice may take
//            several, in the order of the domains' hashes, cut between two of them: each says how far it comes (queue::ImportMark),
//            the last one moves the mark. Suppressed rows go with their call as outcomes, after their events.
// Ownership  Refers to the rows between load() and the end of pack(). Keeps one entry of 16 bytes a row.
// Thread     One.
// Errors     What `emit` says.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "engine/intake/import_limits.h"
#include "engine/intake/row_batch.h"
#include "queue/chunk.h"
#include "queue/store.h"

namespace volley::metrics {
class EventLog;
}

namespace volley::intake {

class SlicePacker {
 public:
  static constexpr size_t kMaxChunkBytes = size_t{256} << 10;  // rows in one chunk, before packing
  using Emit = std::function<Status(queue::ImportFlush flush, size_t row_bytes)>;

  SlicePacker(metrics::EventLog* events, std::string campaign, queue::Lane lane,
              ImportLimits limits);

  // The rows up to number `end`, or fewer, if the slice may be shorter: no domain has more than a call can take. Returns the end.
  uint64_t load(std::string_view rows, uint64_t end, bool may_be_shorter);
  size_t bytes() const { return bytes_; }  // of the rows in the slice: those at the front
  size_t rows() const { return entries_.size(); }
  size_t domains() const;
  // Calls in their order, from where the partition is (`at`, which goes along) to the end of the slice: at least one.
  Status pack(uint32_t partition, queue::ImportMark& at, int64_t now_ms, const Emit& emit);

 private:
  struct Entry {
    uint64_t domain_hash = 0;
    uint32_t offset = 0, size = 0;
  };
  void collect(uint64_t end);
  uint64_t fitting_end(uint64_t end) const;
  size_t end_of_hash(size_t begin) const;
  PackedRow row(const Entry& entry) const;
  void add_chunks(size_t begin, size_t end, int64_t now_ms, queue::ImportFlush& flush);
  void add_suppressed(const PackedRow& row, queue::ImportFlush& flush);

  metrics::EventLog* const events_;
  const std::string campaign_;
  const queue::Lane lane_;
  const ImportLimits limits_;
  std::string_view rows_;
  std::vector<Entry> entries_;
  uint64_t end_ = 0;
  size_t bytes_ = 0;
  queue::ChunkBuilder builder_;
  std::vector<std::string_view> values_;
  bool has_events_ = false;
};

}  // namespace volley::intake
