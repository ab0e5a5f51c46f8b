// Which engines work on a queue: those that published their status within the last seconds and did not say that they stopped.
//
// Thread  Blocks on the queue; the main thread. Errors as the store's.
#pragma once

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "queue/store.h"

namespace volley::cli {

struct LiveEngines {
  std::vector<queue::EngineStatus> engines;
  int64_t now_ms = 0;  // the queue's
};

Result<LiveEngines> live_engines(queue::Store& store);
// Until every engine that runs has heard of the last change of a record.
Status let_engines_hear(queue::Store& store);

}  // namespace volley::cli
