// volley queue reconcile: a queue and a data directory of which one was restored from a backup.
//
// Purpose  What the event log (the journal put into it first) knows as final, and the queue still has, becomes final in the queue;
//          then both are taken as they are, and the engine starts again. Says beforehand what that is.
// Matching An event is about a queued recipient when campaign, number and address are the same and it is not older than the
//          recipient's import: a campaign that was purged and imported anew shares no event with its namesake. The last one counts;
//          not when it bounced or expired, and the queue has tried it again since (volley campaign retry).
// Thread   The main thread. Errors: kUnavailable while an engine works in the data directory; the store's; kIo.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/cli/context.h"

namespace volley::cli {

struct Reconciled {  // of one campaign
  uint64_t delivered = 0, bounced = 0, expired = 0, suppressed = 0;
  uint64_t in_flight = 0;  // of those: leased to this engine, or to one that is gone
  uint64_t left = 0;       // recipients that an engine has now: nothing is accepted, run it again
  uint64_t final() const { return delivered + bounced + expired + suppressed; }
};

}  // namespace volley::cli
