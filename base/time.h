// The two clocks, as types that cannot be mixed.
//
// Purpose  TimePoint (monotonic) for every timeout, pace and lease; WallTime only for what people read: Date headers,
//          the event log, absolute schedules in the queue (and there Redis's own TIME counts, never a client's).
// Thread   Any. Pure code takes `now` as an argument and never calls a clock itself.
#pragma once

#include <chrono>
#include <cstdint>

namespace volley {

using Duration = std::chrono::nanoseconds;
using TimePoint = std::chrono::time_point<std::chrono::steady_clock, Duration>;
using WallTime = std::chrono::time_point<std::chrono::system_clock, std::chrono::milliseconds>;

inline constexpr TimePoint kNever = TimePoint::max();

inline TimePoint monotonic_now() { return std::chrono::steady_clock::now(); }
inline WallTime wall_now() {
  return std::chrono::time_point_cast<std::chrono::milliseconds>(std::chrono::system_clock::now());
}
inline int64_t to_ms(WallTime t) { return t.time_since_epoch().count(); }
inline WallTime from_ms(int64_t ms) { return WallTime(std::chrono::milliseconds(ms)); }

}  // namespace volley
