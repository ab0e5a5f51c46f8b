#include "engine/delivery/clock_watch.h"

#include <fmt/format.h>

#include <cstdlib>
#include <utility>

namespace volley::delivery {
namespace {

constexpr int64_t kLeapMs = 60'000;
constexpr int64_t kApartMs = 600'000;
constexpr int64_t kTogetherMs = kApartMs / 2;

std::string leapt(int64_t leap_ms) {
  return fmt::format(
      "the clock of the queue's host leapt by {} s: mail that waits for a retry is tried {}, "
      "nothing "
      "expires for it; set it by NTP, or restart the engine if it is right now",
      leap_ms / 1000, leap_ms > 0 ? "at once" : "that much later");
}

std::string apart(int64_t ahead_ms) {
  return fmt::format(
      "the clock of the queue's host is {} s {} of this machine's: no campaign starts or ends by "
      "its "
      "schedule until both agree, and one may stop by it; set them by NTP",
      std::abs(ahead_ms) / 1000, ahead_ms > 0 ? "ahead" : "behind");
}

}  // namespace

std::vector<ClockWatch::Word> ClockWatch::look(int64_t queue_ms, int64_t leap_ms, int64_t wall_ms) {
  std::vector<Word> words;
  if (queue_ms == 0) return words;
  if (std::abs(leap_ms - leap_ms_) >= kLeapMs) {
    leap_ms_ = leap_ms;
    if (leap_ms == 0) {
      words.push_back({false, "the clock of the queue's host is right again"});
    } else {
      words.push_back({true, leapt(leap_ms)});
    }
  }
  const int64_t ahead = queue_ms - wall_ms;
  const bool wrong = std::abs(ahead) > (wrong_ ? kTogetherMs : kApartMs);
  if (wrong == std::exchange(wrong_, wrong)) return words;
  if (wrong) {
    words.push_back({true, apart(ahead)});
  } else {
    words.push_back(
        {false,
         "the clocks of the queue's host and of this machine agree again: schedules are kept"});
  }
  return words;
}

}  // namespace volley::delivery
