// One-shot timer.
//
// Purpose   Calls back once, at or after a TimePoint: rounded up to the millisecond, never early,
// never from inside
//           set(). A time in the past fires in the next millisecond. set(kNever) is cancel().
// Ownership The callback may destroy the Timer or set it again. After cancel() or destruction
// nothing is called. Thread    The loop's.
#pragma once

#include <functional>

#include "base/time.h"

namespace volley::net {

class Loop;

class Timer {
 public:
  Timer(Loop& loop, std::function<void()> callback);
  ~Timer();
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  void set(TimePoint when);        // replaces an earlier time
  void set_after(Duration delay);  // from Loop::now()
  void cancel();
  bool armed() const;
  TimePoint when() const;  // kNever when not armed

 private:
  struct Handle;
  Handle* handle_;  // freed by the loop once closed
};

}  // namespace volley::net
