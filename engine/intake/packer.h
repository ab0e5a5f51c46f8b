// Packer: collects accepted rows per partition and writes them, grouped by domain, with a mark.
//
// Purpose    Rows come in the order of the list. When a partition's share of the buffers is used up, everything it has is packed
//            (slice_packer.h) and written, with the number of the last row seen as the mark: every row of that partition up to
//            there is in these calls or in earlier ones. Suppressed rows go with them as outcomes, after their events.
//            A share with few rows a domain would make small chunks. From the first one on, shares go to a temporary file
//            instead (row_spill.h), all of them, and at the end each partition is read back in slices and packed; not in
//            stream mode, where mail is to go out soon.
//            A slice that an earlier run has left half written is completed first, with the same end: until the rows up to there
//            have been seen, its partition waits.
// Memory     Limits' buffers over all partitions, reserved as they come into use, or a slice with 16 bytes a row; packed bytes of
//            a round beside them. A partition whose half-written slice has to be finished first holds all of that.
// Thread     One (the import's second). share_written() any.
// Errors     The Store's and the RowSpill's; kTempFail when `stop` said so. After an error nothing more may be added.
// Not for    who is accepted: importer.cc decides.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/intake/import_limits.h"
#include "engine/intake/row_batch.h"
#include "engine/intake/row_spill.h"
#include "engine/intake/slice_packer.h"
#include "queue/store.h"

namespace volley::intake {

struct PackerOptions {
  std::string campaign;
  queue::Lane lane = queue::Lane::kBulk;
  uint64_t epoch = 0;
  std::vector<queue::ImportMark> marks;  // where each partition is
  ImportLimits limits;
  bool stream = false;                   // rows are written soon, however small the chunks get
  std::string spill_directory;           // empty: the system's for temporary files
  const std::atomic<bool>* stop = nullptr;
  std::function<void()> on_flush;        // after each round
};

class Packer {
 public:
  static constexpr size_t kFullEnough = 64;  // rows a domain in a share; fewer are spilled

  Packer(queue::Store& store, metrics::EventLog* events, PackerOptions options);

  Status add(const PackedRow& row);
  // Rows up to this number were seen, added or not.
  void seen(uint64_t number) { seen_ = number; }
  Status flush();   // what can be written; stream mode
  Status finish();  // everything: the list has ended
  // Of what was spilled and waits for the list's end, 0..1. Negative: nothing was.
  double share_written() const { return share_written_.load(std::memory_order_relaxed); }

 private:
  bool must_wait(uint32_t index) const { return marks_[index].slice > seen_; }
  Status write_or_spill(uint32_t index);
  Status spill(uint32_t index);
  Status write_spilled();
  Status write_partition(uint32_t index);
  Status write_slice(uint32_t index, std::string& rows, uint64_t end);
  Result<int64_t> round_time();
  Status add_call(queue::ImportFlush flush, size_t row_bytes);
  Status write_round();

  queue::Store& store_;
  const PackerOptions options_;
  const size_t share_;
  std::vector<queue::ImportMark> marks_;  // where each partition will be after the calls made so far
  std::vector<std::string> rows_;         // by partition
  SlicePacker slice_;
  std::unique_ptr<RowSpill> spill_;
  std::vector<queue::ImportFlush> round_;
  size_t round_bytes_ = 0;
  int64_t round_time_ = 0;  // Unix ms, of Redis; 0: not asked since the last round
  uint64_t seen_ = 0;
  std::atomic<double> share_written_{-1};
};

}  // namespace volley::intake
