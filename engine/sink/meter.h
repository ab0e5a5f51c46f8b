// Meter: what a metered provider lets through: so many messages a second, so many a day.
//
// Purpose   The rate is a bucket that holds one second's worth, full at first. The day begins with the first message and does
//           not end while the sink runs. Only what is taken counts.
// Thread    Any.
#pragma once

#include <cstdint>
#include <mutex>

#include "base/time.h"

namespace volley::sink {

class Meter {
 public:
  enum class Answer : uint8_t { kTaken, kTooFast, kUsedUp };

  Meter(uint32_t per_second, uint64_t per_day)
      : rate_(per_second), day_(per_day), tokens_(per_second) {}  // 0: no limit
  Answer take(TimePoint now);

 private:
  const double rate_;
  const uint64_t day_;
  std::mutex mutex_;
  double tokens_;
  uint64_t taken_ = 0;
  TimePoint last_{};
};

}  // namespace volley::sink
