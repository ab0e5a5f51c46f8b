// Standstill: what `volley send` waits for when no receiver takes anything for a while.
//
// Purpose  standstill() reads an engine's status: "relay: daily limit (50000 in 24 h, [relay]), next in 23 h" when every site that
//          has mail rests; "all 120 left wait for a retry: 4.4.1 connection timed out (next in 3m)" when all of the campaign
//          does; empty while something can still go on.
// Thread   Pure.
#pragma once

#include <string>
#include <string_view>

#include "queue/types.h"

namespace volley::cli {

std::string standstill(std::string_view status_json, const queue::Counts& counts);

}  // namespace volley::cli
