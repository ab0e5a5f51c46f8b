// From an outcome to its line in the event log.
//
// Purpose  The event's id is "<campaign>.<number>.<attempt>": the same after a replay. Thread: pure.
#pragma once

#include "engine/delivery/work.h"
#include "metrics/event_log.h"

namespace volley::delivery {

metrics::Event to_event(const Record& record);

}  // namespace volley::delivery
