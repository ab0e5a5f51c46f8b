// ReplayBook: what earlier runs left in their journals, until the last of it is in the queue.
//
// Purpose    Owners ask it, partition by partition, for the outcomes of leases that were in flight; once all are
//            settled (or the queue no longer knows the lease) and all events are in the event log, the old segments
//            are deleted.
// Ownership  Owns the Replay; the files are its to delete.
// Thread     Any (a mutex inside; used at start, at recovery, and once per recovered lease).
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <vector>

#include "engine/delivery/journal.h"

namespace volley::delivery {

class ReplayBook {
 public:
  explicit ReplayBook(Replay replay);

  // A copy: an owner that loses its partition before it has settled asks again.
  std::map<uint64_t, std::vector<Record>> of(uint32_t partition) const;  // lease -> records
  // True: this lease was in the book; say so in the journal.
  bool settled(uint32_t partition, uint64_t lease);
  // Recovery of the partition is over: what the queue did not name is settled. Returns those leases.
  std::vector<uint64_t> recovered_only(uint32_t partition, const std::set<uint64_t>& known);
  void events_logged();
  bool done() const;  // nothing left; files are gone

 private:
  void finish_if_done();

  mutable std::mutex mutex_;
  Replay replay_;
  bool events_logged_ = false;
};

}  // namespace volley::delivery
