// SiteBreaker: a site whose answers bounce everybody is not believed at once.
//
// Purpose    An outage, a misroute or a blocklist can look like a list of bounces: "no such user" for everybody, or a 5xx for
//            every message from one moment on. After 46 unknown recipients among the last 50 answers, or 20 refusals in a
//            row of a site that took mail before, the breaker opens: the path pauses, and until a message is taken again a
//            bounce needs a second opinion, the same code at another attempt.
// Counting   Answers that decide: messages taken, and 5xx that would bounce. Deferrals, and what speaks of the path (Brakes),
//            say nothing here. Unknown recipients neither lengthen nor end a row of refusals: they are judged before it is
//            looked who sends. An opening starts the counts again; each one without a success between pauses longer.
// Thread     One loop's; pure. The site's other loops are told by SiteNews.
#pragma once

#include <bitset>
#include <cstdint>

#include "base/time.h"

namespace volley::delivery {

class SiteBreaker {
 public:
  enum class Trip : uint8_t { kNone, kUnknownRecipients, kEverything };

  void taken();  // a message was accepted
  // A 5xx that would bounce. Anything but kNone: pause the path for `pause()`.
  Trip refused(bool unknown_recipient, TimePoint now);
  void open(TimePoint now);  // it is, on another loop
  // A bounce needs a second opinion.
  bool is_open(TimePoint now) const { return now < open_until_; }
  Duration pause() const { return pause_; }  // of the last trip
  uint32_t unknown() const { return unknown_seen_; }
  uint32_t in_a_row() const { return row_seen_; }

  static constexpr uint32_t kWindow = 50, kMostUnknown = 45, kInARow = 20, kTookBefore = 20;

 private:
  Trip trip(Trip why, TimePoint now);
  void add(bool unknown);

  std::bitset<kWindow> unknown_;  // of the last answers, a ring
  uint32_t next_ = 0, answers_ = 0;
  uint32_t row_ = 0, taken_ = 0;              // taken_ stops at kTookBefore
  uint32_t trips_ = 0;                        // without a success between
  uint32_t unknown_seen_ = 0, row_seen_ = 0;  // at the last trip
  Duration pause_{};
  TimePoint open_until_{};
};

}  // namespace volley::delivery
