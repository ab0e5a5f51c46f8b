#include "base/units.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>

namespace volley {
namespace {

struct Unit {
  std::string_view name;
  double factor;
};

Error expected(std::string_view what, std::string_view got) {
  return Error{Errc::kConfig, fmt::format("expected {}, got \"{}\"", what, got)};
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

// A plain decimal number (no sign, no exponent) at the front; moves `text` past it.
std::optional<double> take_number(std::string_view& text) {
  size_t end = 0;
  bool digit = false;
  while (end < text.size() && ((text[end] >= '0' && text[end] <= '9') || text[end] == '.')) {
    digit = digit || text[end] != '.';
    ++end;
  }
  double value = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + end, value);
  if (!digit || error != std::errc() || stop != text.data() + end) return std::nullopt;
  text.remove_prefix(end);
  return value;
}

template <size_t N>
std::optional<double> factor_of(std::string_view name, const std::array<Unit, N>& units) {
  for (const Unit& unit : units) {
    if (unit.name == name) return unit.factor;
  }
  return std::nullopt;
}

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

constexpr std::array<Unit, 5> kTimes{
    {{"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}, {"d", 86400e9}}};
constexpr std::array<Unit, 7> kSizes{{{"B", 1},
                                      {"KB", 1e3},
                                      {"MB", 1e6},
                                      {"GB", 1e9},
                                      {"KiB", 1024},
                                      {"MiB", 1048576},
                                      {"GiB", 1073741824}}};
constexpr std::array<Unit, 4> kRates{{{"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}}};

}  // namespace

Result<Duration> parse_duration(std::string_view text) {
  constexpr std::string_view kWhat = "a duration such as \"30s\", \"15m\" or \"1h30m\"";
  std::string_view rest = trim(text);
  if (rest == "0") return Duration(0);
  if (rest.empty()) return expected(kWhat, text);
  double total = 0;
  double last_factor = std::numeric_limits<double>::infinity();
  while (!rest.empty()) {
    const auto number = take_number(rest);
    if (!number) return expected(kWhat, text);
    while (!rest.empty() && rest.front() == ' ') rest.remove_prefix(1);
    size_t end = 0;
    while (end < rest.size() && is_letter(rest[end])) ++end;
    const auto factor = factor_of(rest.substr(0, end), kTimes);
    if (!factor || *factor >= last_factor) return expected(kWhat, text);
    last_factor = *factor;
    total += *number * *factor;
    rest = trim(rest.substr(end));
  }
  constexpr double kMost = 36500.0 * 86400e9;  // a century; well inside 63 bits of nanoseconds
  if (total > kMost) return expected("a duration under a hundred years", text);
  return Duration(std::llround(total));
}

Result<uint64_t> parse_size(std::string_view text) {
  constexpr std::string_view kWhat = "a size such as \"64MB\" or \"512KiB\"";
  std::string_view rest = trim(text);
  const auto number = take_number(rest);
  if (!number) return expected(kWhat, text);
  const auto factor = factor_of(trim(rest), kSizes);
  if (!factor) return expected(kWhat, text);
  const double bytes = *number * *factor;
  if (bytes >= 9.2e18) return expected("a size under 9 EB", text);
  return static_cast<uint64_t>(std::llround(bytes));
}

Result<double> parse_rate(std::string_view text) {
  constexpr std::string_view kWhat =
      "a rate such as \"100/s\", \"50/m\", \"1000/h\" or \"20000/d\"";
  std::string_view rest = trim(text);
  const auto number = take_number(rest);
  if (!number || !rest.starts_with('/')) return expected(kWhat, text);
  const auto seconds = factor_of(rest.substr(1), kRates);
  if (!seconds) return expected(kWhat, text);
  return *number / *seconds;
}

Result<double> parse_fraction(std::string_view text) {
  constexpr std::string_view kWhat = "a fraction such as \"5%\" or \"0.05\"";
  std::string_view rest = trim(text);
  auto number = take_number(rest);
  if (!number) return expected(kWhat, text);
  if (trim(rest) == "%") {
    *number /= 100;
  } else if (!rest.empty()) {
    return expected(kWhat, text);
  }
  if (*number > 1) return expected("a fraction of at most 100%", text);
  return *number;
}

std::string format_duration(Duration d) {
  const char* sign = d < Duration(0) ? "-" : "";
  const double seconds = std::abs(std::chrono::duration<double>(d).count());
  if (seconds < 0.9995) return fmt::format("{}{:.0f}ms", sign, seconds * 1e3);
  if (seconds < 9.95) return fmt::format("{}{:.1f}s", sign, seconds);
  const auto whole = static_cast<uint64_t>(std::llround(seconds));
  if (whole < 60) return fmt::format("{}{}s", sign, whole);
  if (whole < 3600) return fmt::format("{}{}m {}s", sign, whole / 60, whole % 60);
  if (whole < 86400) return fmt::format("{}{}h {}m", sign, whole / 3600, whole / 60 % 60);
  return fmt::format("{}{}d {}h", sign, whole / 86400, whole / 3600 % 24);
}

std::string format_count(uint64_t n) {
  const std::string digits = std::to_string(n);
  std::string out;
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i != 0 && (digits.size() - i) % 3 == 0) out += ',';
    out += digits[i];
  }
  return out;
}

std::string format_rate(double per_second) {
  if (per_second < 9.95) return fmt::format("{:.1f}/s", per_second);
  return format_count(static_cast<uint64_t>(std::llround(per_second))) + "/s";
}

}  // namespace volley
