// Settlement of a work: from records to what the queue is told. Pure.
//
// Purpose    compose_portion() turns a work's fresh records into final outcomes and retry chunks, wherever the work
//            is; the owner merges portions and sends them. add_remainder() packs what was not tried, unchanged, for
//            the head of its list.
// Ownership  A Portion owns its bytes and may travel between loops.
// Units      Delays in milliseconds from now; queue_now_ms is Redis's time.
// Thread     Pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "engine/delivery/work.h"
#include "queue/door.h"

namespace volley::delivery {

struct Portion {
  std::vector<queue::FinalOutcome> outcomes;
  std::vector<queue::Retry> retries;
  std::vector<queue::Kept> kept;
  std::vector<uint64_t> numbers;                        // recipients final or moved
  std::vector<std::pair<uint64_t, std::string>> notes;  // last reply about each single message
  uint32_t deferrals = 0;

  bool empty() const { return numbers.empty(); }
  void merge(Portion&& later);
};

// Takes work.fresh. Deferred recipients are packed by the moment they are due, in steps of an eighth of their delay, wheel_ms at
// the finest, and keep all they carry.
Portion compose_portion(Work& work, int64_t queue_now_ms, int64_t wheel_ms);

// Everything still waiting, in order. Nothing may be in flight.
void add_remainder(const Work& work, queue::Settlement& settlement);

// Work made from a claimed chunk: `done` recipients are final already. kData: the chunk is corrupt.
Result<std::unique_ptr<Work>> make_work(uint32_t partition, uint64_t epoch,
                                        const queue::Claimed& claimed);

// Outcomes of an earlier life of this lease become states and fresh records; how many were news. now: what is left
// of a delay.
size_t apply_replay(Work& work, const std::vector<Record>& records, WallTime now);

queue::Outcome to_outcome(Verdict verdict);  // of a final one
bool is_final(Verdict verdict);

}  // namespace volley::delivery
