#include "engine/delivery/site_breaker.h"

#include <algorithm>

namespace volley::delivery {
namespace {

using std::chrono::hours;

constexpr Duration kFirstPause = std::chrono::minutes(15);
constexpr Duration kLongestPause = hours(4);
// For a site that nobody writes to any more; beyond the longest pause, and the retries after it.
constexpr Duration kStaysOpen = hours(24);
constexpr uint32_t kMostDoublings = 8;

}  // namespace

void SiteBreaker::add(bool unknown) {
  unknown_.set(next_, unknown);
  next_ = (next_ + 1) % kWindow;
  answers_ = std::min(answers_ + 1, kWindow);
}

void SiteBreaker::taken() {
  add(false);
  row_ = trips_ = 0;
  open_until_ = {};
  taken_ = std::min(taken_ + 1, kTookBefore);
}

SiteBreaker::Trip SiteBreaker::refused(bool unknown_recipient, TimePoint now) {
  add(unknown_recipient);
  if (!unknown_recipient && ++row_ >= kInARow && taken_ >= kTookBefore) {
    return trip(Trip::kEverything, now);
  }
  const bool all_there = answers_ == kWindow;
  if (all_there && unknown_.count() > kMostUnknown) return trip(Trip::kUnknownRecipients, now);
  return Trip::kNone;
}

SiteBreaker::Trip SiteBreaker::trip(Trip why, TimePoint now) {
  unknown_seen_ = static_cast<uint32_t>(unknown_.count());
  row_seen_ = row_;
  pause_ = std::min(kFirstPause * (1 << std::min(trips_, kMostDoublings)), kLongestPause);
  ++trips_;
  answers_ = row_ = 0;
  unknown_.reset();
  open(now);
  return why;
}

void SiteBreaker::open(TimePoint now) { open_until_ = now + kStaysOpen; }

}  // namespace volley::delivery
