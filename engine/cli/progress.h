// The progress display of `volley send`, on standard error.
//
// Purpose  On a terminal one line, redrawn; else a plain line now and then. Sent, deferred, bounced, left, rate, ETA.
// Units    Rate: delivered per second over the last 10 s, or since sending began when that is shorter, but
//          not over less than 1 s: outcomes are counted about once a second.
// Thread   The main thread. Pure: progress_line(), PlainLines.
#pragma once

#include <deque>
#include <optional>
#include <string>

#include "base/time.h"
#include "queue/types.h"

namespace volley::cli {

struct ProgressState {
  queue::Counts counts;
  double rate = 0;           // messages/s
  bool importing = false;
  double imported = 0;       // share of the list read, 0..1
  std::string waits_for;     // see standstill.h; shown while nothing moves
};

// `width` columns for a terminal (bar included), 0 for a plain line.
std::string progress_line(const ProgressState& state, unsigned width);

// When a log file or a pipe gets a line: the first at once, one when sending begins, then every 5 s for a minute, and every
// 10 s after that; what says nothing new is left out.
class PlainLines {
 public:
  std::optional<std::string> next(const ProgressState& state, TimePoint now);
  std::optional<std::string> last(const ProgressState& state);  // whatever the time

 private:
  std::optional<std::string> unless_known(const ProgressState& state);
  std::optional<TimePoint> first_;
  TimePoint printed_{};
  bool sending_ = false;
  std::string text_;
};

class Progress {
 public:
  Progress();
  void show(ProgressState state, TimePoint now);
  void clear();              // before anything else is printed, and at the end when there are no final numbers
  void last(const ProgressState& state);  // the final numbers, left standing

 private:
  struct Sample {
    TimePoint at;
    uint64_t delivered;
  };
  bool terminal_;
  bool drawn_ = false;
  PlainLines plain_;
  std::deque<Sample> samples_;
};

}  // namespace volley::cli
