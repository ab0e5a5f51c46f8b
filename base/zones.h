// The one header of ours that shows the time zone library's types: for civil_time.cc and weekly_window.cc.
//
// Purpose  Look-up without exceptions, and local time to moment by the rule of civil_time.h.
// Thread   Any; zones live as long as the process.
#pragma once

#include <date/tz.h>

#include <chrono>
#include <string_view>

#include "base/result.h"

namespace volley {

using LocalSeconds = date::local_seconds;
using SystemSeconds = date::sys_seconds;

Result<const date::time_zone*> find_zone(std::string_view name);
SystemSeconds moment_of(const date::time_zone& zone, LocalSeconds local);

}  // namespace volley
