// Packer: collects accepted rows per partition and writes a partition as a whole, with its mark.
//
// Purpose    Rows come in the order of the list. When a partition's share of the buffers is used up, everything it
//            has is grouped by domain, packed into chunks of at most 256 recipients and written in one call, with the
//            number of the last row seen as the mark: every row of that partition up to there is in this call or in
//            an earlier one. Suppressed rows go with the same call as outcomes, after their events.
// Memory     kBuffers over all partitions, reserved as they come into use; packed bytes of at most kFlushBytes beside
//            them.
// Thread     One (the import's second).
// Errors     The Store's. After an error nothing more may be added.
// Not for    who is accepted: importer.cc decides.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "engine/intake/row_batch.h"
#include "queue/chunk.h"
#include "queue/store.h"

namespace volley::metrics {
class EventLog;
}

namespace volley::intake {

struct PackerOptions {
  std::string campaign;
  queue::Lane lane = queue::Lane::kBulk;
  uint64_t epoch = 0;
  uint32_t partitions = 0;
  size_t buffers = size_t{40} << 20;
  std::function<void()> on_flush;
};

class Packer {
 public:
  static constexpr size_t kFlushBytes = size_t{4} << 20;       // rows in one round of calls
  static constexpr size_t kMaxChunkBytes = size_t{256} << 10;  // rows in one chunk, before packing
  static constexpr size_t kMaxParts = 1500;                    // chunks in one call: it blocks Redis meanwhile

  Packer(queue::Store& store, metrics::EventLog* events, PackerOptions options);

  Status add(const PackedRow& row);
  // Rows up to this number were seen, added or not.
  void seen(uint64_t number) { seen_ = number; }
  Status flush_all();

 private:
  struct Entry {
    uint64_t domain_hash = 0;
    uint32_t offset = 0;
  };
  struct Partition {
    std::string rows;
    std::vector<Entry> entries;
  };
  void pack(uint32_t index, std::vector<queue::ImportFlush>& flushes);
  size_t count_domains(const Partition& partition);
  queue::ImportFlush pack_rows(uint32_t index, size_t begin, size_t end, uint64_t mark);
  void add_chunks(const Partition& partition, size_t begin, size_t end, queue::ImportFlush& flush);
  void add_suppressed(const PackedRow& row, queue::ImportFlush& flush);
  Status write(std::vector<queue::ImportFlush>& flushes);

  queue::Store& store_;
  metrics::EventLog* const events_;
  const PackerOptions options_;
  const size_t share_;
  std::vector<Partition> partitions_;
  queue::ChunkBuilder builder_;
  std::vector<std::string_view> values_;
  std::vector<uint64_t> hashes_;
  uint64_t seen_ = 0;
  int64_t enqueued_ms_ = 0;
  bool has_events_ = false;
};

}  // namespace volley::intake
