// Memory: what delivery learns and keeps across restarts, and its file, <data>/learned.json.
//
// Purpose   Hosts' quirks, daily counts, MTA-STS policies. Losing the file costs some connections, and the receiver's patience, never mail.
// File      One JSON object, mode 0600, written whole or not at all; within a second when a daily count changed, else once a minute. A
//           file that cannot be read is reported and replaced.
// Ownership The Engine's, in Commons. Thread: any; save() blocks: for a work pool, or when the loops have ended.
#pragma once

#include <mutex>
#include <string>

#include "base/result.h"
#include "base/time.h"
#include "engine/delivery/daily_quota.h"
#include "engine/delivery/host_memory.h"
#include "engine/delivery/sts_cache.h"

namespace volley::delivery {

class Memory {
 public:
  HostMemory hosts;
  DailyQuota quota;
  StsCache policies;

  // A missing file is an empty memory.
  Status load(const std::string& path, WallTime now);
  // True when it is time to save(), by the rule above.
  bool due(TimePoint now);
  Status save(WallTime now);

 private:
  std::string path_;  // empty: nothing is kept
  std::mutex writing_;
  TimePoint saved_{};
};

}  // namespace volley::delivery
