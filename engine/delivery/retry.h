// Retry: when to try again.
//
// Purpose  Exponential from first_delay, doubling per attempt to max_delay, with jitter of 15 % either way so that what was
//          deferred together does not come back together. A receiver's hint ("try again in 10 minutes") raises the delay,
//          never beyond max_delay: that is the user's word.
// Units    Milliseconds; attempts are counted from 1. Thread: pure.
#pragma once

#include <cstdint>

#include "base/random.h"
#include "base/time.h"
#include "queue/campaign.h"

namespace volley::delivery {

// After the `attempt`-th failed. hint zero: none.
int64_t retry_delay_ms(const queue::RetryPolicy& policy, uint32_t attempt, Duration hint,
                       Random& random);

// Greylisting: it is the clock that counts, not our patience; no growth.
int64_t greylist_delay_ms(const queue::RetryPolicy& policy, Duration hint, Random& random);

// A message that may have arrived: late enough for the receiver to have made up its mind, with the usual growth after that.
int64_t in_doubt_delay_ms(const queue::RetryPolicy& policy, uint32_t attempt, Random& random);

// A connection's or a host's back-off: 1 s doubling to 60 s. failures from 1.
Duration connect_backoff(uint32_t failures, Random& random);

}  // namespace volley::delivery
