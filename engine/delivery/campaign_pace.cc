#include "engine/delivery/campaign_pace.h"

#include <algorithm>
#include <cmath>

namespace volley::delivery {
namespace {

constexpr int64_t kSecond = 1'000'000'000;
constexpr int64_t kBurstTime = kSecond / 10;
constexpr double kLongest = 1e16;  // ns, about four months: sums of it stay far from overflow

// Rounded up: a whole number of nanoseconds must not be faster than what was asked for.
int64_t interval_of(double rate) {
  if (!(rate > 0)) return 0;
  return static_cast<int64_t>(std::clamp(std::ceil(1e9 / rate), 1.0, kLongest));
}

// Messages in a tenth of a second; a nanosecond more for each undoes the rounding up.
int64_t burst_of(int64_t interval) {
  return std::max<int64_t>(1, (kBurstTime + kBurstTime / interval + 1) / interval);
}

int64_t ns(TimePoint t) { return t.time_since_epoch().count(); }

}  // namespace

double CampaignPace::rate() const {
  const int64_t interval = interval_.load(std::memory_order_relaxed);
  return interval == 0 ? 0 : 1e9 / static_cast<double>(interval);
}

void CampaignPace::set_rate(double per_second, TimePoint now) {
  const int64_t interval = interval_of(per_second);
  const int64_t before = interval_.exchange(interval, std::memory_order_relaxed);
  if (interval == before || interval == 0) return;
  const int64_t at = ns(now);
  if (before == 0) return full_at_.store(at, std::memory_order_relaxed);
  int64_t full_at = full_at_.load(std::memory_order_relaxed);
  int64_t changed = at;
  do {
    const int64_t burst = burst_of(before);
    const int64_t used = std::clamp<int64_t>((full_at - at + before - 1) / before, 0, burst);
    const int64_t missing = std::max<int64_t>(0, burst_of(interval) - (burst - used));
    changed = at + missing * interval;
  } while (!full_at_.compare_exchange_weak(full_at, changed, std::memory_order_relaxed));
}

TimePoint CampaignPace::take(TimePoint now) {
  const int64_t interval = interval_.load(std::memory_order_relaxed);
  if (interval == 0) return now;
  const int64_t at = ns(now);
  const int64_t slack = (burst_of(interval) - 1) * interval;
  int64_t full_at = full_at_.load(std::memory_order_relaxed);
  do {
    if (full_at - slack > at) return ask_again(full_at - slack, interval, at);
  } while (!full_at_.compare_exchange_weak(full_at, std::max(full_at, at) + interval,
                                           std::memory_order_relaxed));
  return now;
}

void CampaignPace::take_anyway(TimePoint now) {
  const int64_t interval = interval_.load(std::memory_order_relaxed);
  if (interval == 0) return;
  const int64_t at = ns(now);
  int64_t full_at = full_at_.load(std::memory_order_relaxed);
  while (!full_at_.compare_exchange_weak(full_at, std::max(full_at, at) + interval,
                                         std::memory_order_relaxed)) {
  }
}

void CampaignPace::give_back() {
  full_at_.fetch_sub(interval_.load(std::memory_order_relaxed), std::memory_order_relaxed);
}

// Nobody waits longer than a second: then a changed rate is seen, and a time that went unused does not matter.
TimePoint CampaignPace::ask_again(int64_t free_at, int64_t interval, int64_t now) {
  int64_t next = next_ask_.load(std::memory_order_relaxed);
  int64_t mine = free_at;
  do {
    mine = next < free_at || next >= free_at + kSecond ? free_at : next;
  } while (!next_ask_.compare_exchange_weak(next, mine + interval, std::memory_order_relaxed));
  return TimePoint(Duration(std::min(mine, now + kSecond)));
}

}  // namespace volley::delivery
