// ReplyQueue: replies that leave later, or a few bytes at a time, and never before the one ahead of them.
//
// Ownership Owns the bytes. Thread: one owner; the clock is an argument. Errors: none.
// Driver    push(), then a timer at due(), then take() what is due.
#pragma once

#include <deque>
#include <string>
#include <string_view>

#include "base/time.h"

namespace volley::sink {

class ReplyQueue {
 public:
  void push(std::string_view bytes, TimePoint due);
  // `step` bytes at `due`, and as many each `every` after that.
  void push_drip(std::string_view bytes, TimePoint due, size_t step, Duration every);
  std::string take(TimePoint now);
  TimePoint due() const { return items_.empty() ? kNever : items_.front().due; }
  bool empty() const { return items_.empty(); }

 private:
  struct Item {
    TimePoint due;
    std::string bytes;
    size_t step = 0;  // 0: all at once
    Duration every{};
    size_t gone = 0;
  };
  std::deque<Item> items_;
};

}  // namespace volley::sink
