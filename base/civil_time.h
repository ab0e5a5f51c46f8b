// Times of day as people write them, in IANA time zones: "2026-12-01 09:00 Europe/Paris".
//
// Purpose  For what people schedule: a start, an end, hours of a week (weekly_window.h). Everything else counts milliseconds.
// Clocks   A local time that a change of clocks skips means the moment of the change; one that comes twice, the first.
// Units    Unix milliseconds.
// Thread   Any: zones are read from the system's tzdata once and never change.
// Errors   kData, with what was expected. tzdata missing or a zone unknown: kData as well, naming both.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace volley {

// "2026-12-01 09:00 Europe/Paris", "2026-12-01T09:00:00+01:00", "2026-12-01T08:00Z"; seconds may be left out. A time
// without a zone says nothing to a machine that is elsewhere: refused.
Result<int64_t> parse_moment(std::string_view text);

// "Tue 2026-12-01 09:00 Europe/Paris"; zone empty: UTC. An unknown zone is written as UTC.
std::string format_moment(int64_t ms, std::string_view zone = {});

Status check_zone(std::string_view zone);

}  // namespace volley
