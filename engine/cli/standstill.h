// Standstill: what `volley send` waits for when no receiver takes anything for a while.
//
// Purpose  standstill() reads an engine's status: "relay: daily limit (50000 in 24 h, [relay]), next in 23 h" when every site that
//          has mail rests; empty while one of them can still go on.
// Thread   Pure.
#pragma once

#include <string>
#include <string_view>

namespace volley::cli {

std::string standstill(std::string_view status_json);

}  // namespace volley::cli
