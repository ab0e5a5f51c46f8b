// What is asked for each message: a timer that moves, a token. libuv's own timer is beside ours, which is made of it.
#include <uv.h>

#include <deque>
#include <memory>
#include <vector>

#include "base/net/loop.h"
#include "base/net/timer.h"
#include "bench/micro/sized.h"
#include "bench/replay/require.h"
#include "engine/delivery/limits.h"

namespace volley::bench {
namespace {

constexpr size_t kTimers = 10'000;  // as many as connections

void TimerMove(benchmark::State& state) {
  net::Loop loop;
  std::deque<net::Timer> timers;
  const TimePoint start = loop.now() + std::chrono::minutes(5);
  for (size_t i = 0; i < kTimers; ++i)
    timers.emplace_back(loop, [] {}).set(start + std::chrono::milliseconds(i));
  size_t i = 0;
  for (auto _ : state) {
    timers[i % kTimers].set(start + std::chrono::milliseconds(kTimers + i));
    ++i;
  }
  did(state, 1, 0);
}
BENCHMARK(TimerMove);

void TimerMoveLibUv(benchmark::State& state) {
  uv_loop_t loop;
  require(uv_loop_init(&loop) == 0, "no loop");
  std::vector<uv_timer_t> timers(kTimers);
  for (size_t i = 0; i < kTimers; ++i) {
    uv_timer_init(&loop, &timers[i]);
    uv_timer_start(
        &timers[i], [](uv_timer_t*) {}, 300'000 + i, 0);
  }
  size_t i = 0;
  for (auto _ : state) {
    uv_timer_start(
        &timers[i % kTimers], [](uv_timer_t*) {}, 300'000 + kTimers + i, 0);
    ++i;
  }
  for (uv_timer_t& timer : timers) uv_close(reinterpret_cast<uv_handle_t*>(&timer), nullptr);
  uv_run(&loop, UV_RUN_DEFAULT);
  uv_loop_close(&loop);
  did(state, 1, 0);
}
BENCHMARK(TimerMoveLibUv);

void LimiterToken(benchmark::State& state) {
  delivery::TokenBucket bucket;
  TimePoint now{std::chrono::hours(1)};
  bucket.set_rate(1000, now);
  for (auto _ : state) {
    now += std::chrono::microseconds(700);
    if (!bucket.take(now)) benchmark::DoNotOptimize(bucket.next(now));
  }
  did(state, 1, 0);
}
BENCHMARK(LimiterToken);

}  // namespace
}  // namespace volley::bench
