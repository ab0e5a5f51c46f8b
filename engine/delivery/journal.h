// Journal: the first record of every outcome, on the local disk.
//
// Purpose    An outcome is write()n here before the loop writes to that receiver again; settlement, counters and
//            event log derive from it and are replayed after a crash. One journal per loop:
//            <data>/journal/<loop>-<serial>.journal, mode 0600.
// Format     Segments of 8 MiB: a header (magic, version, queue's identity), then length-prefixed checksummed
//            records: outcome, settled(partition, lease), logged(sequence). A torn last record is the end of the
//            segment (journal_format.h).
// Ownership  Owns its files. A segment is deleted when all leases in it are settled and all its events are in the
//            event log, oldest first. A journal closed with nothing open leaves no file.
// Carrying   A lease that stays open for an hour must not keep an hour of segments. When there are more than
//  over      kJournalSegmentsKept, and more than twice what open leases need, the oldest is read back, a slice a turn,
//            and its outcomes of leases that are open now are written again at the end, byte for byte; it is deleted
//            once they are write()n. Twice, so that copies cost less than what is appended, and end by themselves.
//            A segment with an event that is not in the log waits: all behind it are not logged either, and needed.
// Sealing    seal() begins a new segment, and older ones are carried over whatever their number: what is settled and logged is
//            off the disk within some turns.
// Invariants Whatever is cut off at the end, at any byte, and whether or not the oldest segments are gone yet:
//            1. An outcome of an open lease is in a segment that exists. Twice is once: (run, sequence) names it.
//            2. settled comes behind all outcomes of its lease, copies too: a copy is made of an open lease only. So
//               what goes first never is the mark. It covers what is before it in its own run alone: a chunk that was
//               fenced and recovered goes on under the same lease, perhaps on another loop or in another process. What
//               is settled without a mark, the queue, which does not know the lease any more, says at recovery.
//            3. In its segment, a copy has a logged mark before it that covers it: every segment begins with what is
//               logged, earlier runs replayed included, and what is logged later is written before the copy.
// Thread     The loop's. append() buffers; flush() writes once a turn (Loop phase kJournal), no fsync: kill -9
//            loses nothing, power loss is covered by the queue.
// Errors     A full disk: flush() fails with kIo and keeps what is unwritten, copies too, and deletes nothing; delivery
//            must then stop writing to receivers until it succeeds. A segment that cannot be read back is logged, and
//            stays until its last lease is settled.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/delivery/work.h"

namespace volley::delivery {

inline constexpr uint64_t kJournalSegmentBytes = uint64_t{8} << 20;
inline constexpr size_t kJournalSegmentsKept = 4;  // with more, the oldest is carried over

class Journal {
 public:
  static Result<std::unique_ptr<Journal>> open(const std::string& directory, unsigned loop,
                                               std::string queue_identity,
                                               uint64_t segment_bytes = kJournalSegmentBytes);
  ~Journal();

  void append(const Record& record, uint64_t event_sequence);  // event_sequence: of the event log
  void settled(uint32_t partition,
               uint64_t lease);          // its outcomes are in the queue, the lease is closed
  void logged(uint64_t event_sequence);  // events up to here are in the event log
  void replayed(uint64_t run);  // all events of an earlier run (Replay::runs) are in the event log
  void seal();
  Status flush();
  uint64_t bytes_written() const;
  size_t segments() const;  // files it has now

 private:
  struct Impl;
  explicit Journal(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// What earlier runs left behind, over all loops.
struct Replay {
  std::map<std::pair<uint32_t, uint64_t>, std::vector<Record>> unsettled;  // (partition, lease)
  std::vector<Record> unlogged;                                            // events to write again
  std::vector<uint64_t> runs;                                              // whose events those are
  std::vector<std::string> segments;  // to delete once all is settled and logged
  std::vector<std::string> foreign;   // of another queue: left alone, reported
  uint64_t damaged = 0;               // records whose checksum was wrong
};
Result<Replay> read_journals(const std::string& directory, std::string_view queue_identity);

}  // namespace volley::delivery
