// Commons: what the lower halves of all loops share.
//
// Ownership  The Engine's (EngineShared); outlives every SiteTable. Thread: any, each member guards itself.
#pragma once

#include "engine/delivery/brakes.h"
#include "engine/delivery/connection_budget.h"
#include "engine/delivery/memory.h"

namespace volley::delivery {

struct Commons {
  explicit Commons(uint32_t max_connections) : connections(max_connections) {}

  Brakes brakes;
  ConnectionBudget connections;
  Memory memory;
};

}  // namespace volley::delivery
