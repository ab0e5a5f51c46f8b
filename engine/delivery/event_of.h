// From an outcome to its line in the event log.
//
// Purpose  The event's id names the message: what the API answered for a single one, else "<campaign>.<number>". With
//          attempt and event it is the same after a replay. Thread: pure.
#pragma once

#include <string>

#include "engine/delivery/work.h"
#include "metrics/event_log.h"

namespace volley::delivery {

metrics::Event to_event(const Record& record);
std::string message_id(const std::string& campaign, uint64_t number, uint32_t partition);

}  // namespace volley::delivery
