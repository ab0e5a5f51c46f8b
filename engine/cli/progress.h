// The progress display of `volley send`, on standard error.
//
// Purpose  On a terminal one line, redrawn; else a plain line now and then. Sent, deferred, bounced, left, rate, ETA.
// Units    Rate: delivered per second over the last 10 s, or since the start when that is shorter.
// Thread   The main thread. Formatting is pure: progress_line().
#pragma once

#include <deque>
#include <string>

#include "base/time.h"
#include "queue/types.h"

namespace volley::cli {

struct ProgressState {
  queue::Counts counts;
  double rate = 0;           // messages/s
  bool importing = false;
  double imported = 0;       // share of the list read, 0..1
};

// `width` columns for a terminal (bar included), 0 for a plain line.
std::string progress_line(const ProgressState& state, unsigned width);

class Progress {
 public:
  Progress();
  void show(ProgressState state, TimePoint now);
  void clear();              // before anything else is printed
  void last(ProgressState state, TimePoint now);  // the final numbers, left standing

 private:
  struct Sample {
    TimePoint at;
    uint64_t delivered;
  };
  bool terminal_;
  bool drawn_ = false;
  TimePoint last_plain_{};
  std::string last_text_;
  std::deque<Sample> samples_;
  ProgressState state_;
};

}  // namespace volley::cli
