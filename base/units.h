// Human units in configuration: "15m", "64MB", "100/s", "5%".
//
// Thread  Pure. Errors kConfig with what was expected. Units are required where a bare number would be ambiguous.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"

namespace volley {

// ms, s, m, h, d; combinations as "1h30m".
Result<Duration> parse_duration(std::string_view text);
// B, KB, MB, GB, and KiB, MiB, GiB.
Result<uint64_t> parse_size(std::string_view text);
// "100/s", "1000/h", "50/m", "20000/d": events per second.
Result<double> parse_rate(std::string_view text);
// "5%" or "0.05": a fraction from 0 to 1.
Result<double> parse_fraction(std::string_view text);

std::string format_duration(Duration d);   // "1h 3m", "4.2s"
std::string format_count(uint64_t n);      // "1,234,567"
std::string format_rate(double per_second);  // "1,234/s"; below ten "2.5/s"

}  // namespace volley
