// Rewriting the delivery event log while an engine writes it: lines are changed or dropped.
//
// Purpose  rewrite_events() passes every whole line of the log and its rotated files to `edit` (again, when the log is rotated
//          meanwhile) and puts files without the old bytes in the place of those that changed: whole or not at all, mode 0600.
//          They, and the lock, are given to the owner of the log, by root: the engine's own user goes on with them.
//          No other line is lost, doubled or moved. Returns how many lines were changed or dropped. A rotated file without a line
//          left goes when it is the oldest.
// Locking  One rewriter at a time, by a lock on `<log>.lock`, a file that stays, with the log's mode; the others wait. EventsLock is held by the writer while it writes and rotates, and here while a file changes its place, and for as long as
//          the log's own file is read: events wait in memory meanwhile. A writer that finds another file in the place of its own
//          goes on in that.
// Thread   Any; blocks on the disk. Errors: kNoInput, kIo; kTempFail: the last line is not whole, and would have to be changed
//          (the writer, or the next one's start, mends it).
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace volley::metrics {

enum class LineEdit { kKeep, kChange, kDrop };
// kChange: `changed` is the new line, without its newline. May be asked of the beginning of a line, too.
using EditLine = std::function<LineEdit(std::string_view line, std::string& changed)>;

Result<uint64_t> rewrite_events(const std::string& path, const EditLine& edit);

// Of the directory that the log is in; where it cannot be opened, nothing is locked.
class EventsLock {
 public:
  explicit EventsLock(const std::string& log_path);
  ~EventsLock();
  EventsLock(const EventsLock&) = delete;
  EventsLock& operator=(const EventsLock&) = delete;

 private:
  int fd_ = -1;
};

}  // namespace volley::metrics
