#include "engine/sink/meter.h"

#include <algorithm>

namespace volley::sink {

Meter::Answer Meter::take(TimePoint now) {
  if (rate_ == 0 && day_ == 0) return Answer::kTaken;
  const std::lock_guard lock(mutex_);
  if (day_ > 0 && taken_ >= day_) return Answer::kUsedUp;
  if (rate_ > 0) {
    if (now > last_) {
      tokens_ =
          std::min(rate_, tokens_ + rate_ * std::chrono::duration<double>(now - last_).count());
      last_ = now;
    }
    if (tokens_ < 1) return Answer::kTooFast;
    --tokens_;
  }
  ++taken_;
  return Answer::kTaken;
}

}  // namespace volley::sink
