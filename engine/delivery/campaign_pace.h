// CampaignPace: how fast one campaign may go, or all of them together, over all sites and loops of this engine.
//
// Purpose  take() is asked once for each message, retries too, just before it is submitted. Never more than
//          burst + rate * time messages in any stretch of time; burst: a tenth of a second's worth, at least one (GCRA).
//          Who may not go is told when to ask again: those who ask in vain are told different times, an interval apart
//          within a second, so that ten thousand sites do not all come back for the same message.
// Units    messages/s; 0: no limit, and take() is one load.
// Thread   Any; lock-free. Pure: time is an argument. Loops whose clocks differ a little only get a little less.
// Not for  Sites' rates: TokenBucket in limits.h, which is one loop's.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/time.h"

namespace volley::delivery {

class CampaignPace {
 public:
  // The same rate again changes nothing. What could be sent at once before may still be, cut to the new burst.
  void set_rate(double per_second, TimePoint now);
  double rate() const;
  Duration interval() const { return Duration(interval_.load(std::memory_order_relaxed)); }
  bool limited() const { return interval_.load(std::memory_order_relaxed) != 0; }

  // `now`: this message may go, and is counted. Later: it may not; ask again then, at the latest a second from now.
  TimePoint take(TimePoint now);
  void take_anyway(TimePoint now);  // counted, and never refused: others wait for it
  void give_back();  // what was taken for a message that was not submitted after all

 private:
  TimePoint ask_again(int64_t free_at, int64_t interval, int64_t now);

  std::atomic<int64_t> interval_{0};  // ns between messages; 0: no limit
  std::atomic<int64_t> full_at_{0};   // when the whole burst will be there again
  std::atomic<int64_t> next_ask_{0};  // the time the next one who asks in vain is told
};

}  // namespace volley::delivery
