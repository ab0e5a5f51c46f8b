// CarryOver: reads an old segment back and picks the outcomes that somebody still needs.
//
// Purpose    The journal writes them again at its end, so that the old segment can go (journal.h). A slice at a time:
//            neither a turn nor memory pays for a whole segment.
// Ownership  Owns its file descriptor, for reading only. Deletes nothing.
// Thread     The loop's.
// Errors     A segment that cannot be read, or is not what was written, whole frames to its last byte: kIo. What was
//            handed out until then may stay where it is; the segment must, too.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/result.h"
#include "engine/delivery/journal_format.h"

namespace volley::delivery {

class CarryOver {
 public:
  CarryOver(std::string path, uint64_t bytes);  // of a segment that is written no more
  ~CarryOver();
  CarryOver(const CarryOver&) = delete;
  CarryOver& operator=(const CarryOver&) = delete;

  // Reads on by `slice` bytes; appends to `out`, as they are, the outcomes for which `keep` says so. `keep` may append
  // to `out` itself: that comes first. True: that was the end.
  Result<bool> step(uint64_t slice, const std::function<bool(const LeaseName&)>& keep,
                    std::string& out);

 private:
  Status read(uint64_t slice);
  Error failure(std::string_view why) const;

  std::string path_;
  uint64_t bytes_;
  uint64_t offset_ = kJournalMagicBytes;
  int fd_ = -1;
  std::string pending_;  // read, not looked at; at most a slice and a frame that is not whole
};

}  // namespace volley::delivery
