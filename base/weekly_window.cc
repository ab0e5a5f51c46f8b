#include "base/weekly_window.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <optional>
#include <vector>

#include "base/zones.h"

namespace volley {
namespace {

constexpr int kDay = 24 * 60;
constexpr std::array<std::string_view, 7> kDays = {"mon", "tue", "wed", "thu", "fri", "sat", "sun"};

Error expected(std::string_view text) {
  return {Errc::kData,
          fmt::format("`{}`: expected days, hours and a zone, as in \"mon-fri 09:00-18:00 "
                      "Europe/Paris\"",
                      text)};
}

std::optional<int> day_of(std::string_view name) {
  const auto found = std::find(kDays.begin(), kDays.end(), name);
  if (found == kDays.end()) return std::nullopt;
  return static_cast<int>(found - kDays.begin());
}

std::optional<uint8_t> days_of(std::string_view text) {
  if (text == "daily") return 0x7f;
  unsigned days = 0;
  while (true) {
    const size_t comma = text.find(',');
    const std::string_view part = text.substr(0, comma);
    const size_t dash = part.find('-');
    const auto first = day_of(part.substr(0, dash));
    const auto last = dash == std::string_view::npos ? first : day_of(part.substr(dash + 1));
    if (!first || !last) return std::nullopt;
    for (int day = *first;; day = (day + 1) % 7) {
      days |= 1U << day;
      if (day == *last) break;
    }
    if (comma == std::string_view::npos) return static_cast<uint8_t>(days);
    text.remove_prefix(comma + 1);
  }
}

std::optional<int> minute_of(std::string_view text) {
  const auto digit = [&](size_t at) { return text[at] >= '0' && text[at] <= '9'; };
  if (text.size() != 5 || text[2] != ':' || !digit(0) || !digit(1) || !digit(3) || !digit(4))
    return std::nullopt;
  const int hours = (text[0] - '0') * 10 + (text[1] - '0'),
            minutes = (text[3] - '0') * 10 + (text[4] - '0');
  if (minutes > 59 || hours * 60 + minutes > kDay) return std::nullopt;
  return hours * 60 + minutes;
}

std::vector<std::string_view> words(std::string_view text) {
  std::vector<std::string_view> out;
  while (!text.empty()) {
    const size_t end = std::min(text.find(' '), text.size());
    if (end > 0) out.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

SystemSeconds from_ms(int64_t ms) {
  return SystemSeconds(std::chrono::floor<std::chrono::seconds>(std::chrono::milliseconds(ms)));
}

const date::time_zone& zone_of(const std::string& name) {
  return **find_zone(name);
}  // parse() has looked

}  // namespace

Result<WeeklyWindow> WeeklyWindow::parse(std::string_view text) {
  const auto parts = words(text);
  if (parts.size() != 3) return expected(text);
  const auto days = days_of(parts[0]);
  const size_t dash = parts[1].find('-');
  if (!days || dash == std::string_view::npos) return expected(text);
  const auto from = minute_of(parts[1].substr(0, dash)),
             until = minute_of(parts[1].substr(dash + 1));
  if (!from || !until || *from == *until || *from == kDay) return expected(text);
  if (Status known = find_zone(parts[2]) ? Status() : Status(find_zone(parts[2]).error()); !known)
    return known.error();
  WeeklyWindow window;
  window.text_ = fmt::format("{}", fmt::join(parts, " "));
  window.zone_ = parts[2];
  window.days_ = *days;
  window.from_ = *from;
  window.until_ = *until > *from ? *until : *until + kDay;
  return window;
}

bool WeeklyWindow::open(int64_t ms) const {
  const LocalSeconds local = zone_of(zone_).to_local(from_ms(ms));
  const auto day = date::floor<date::days>(local);
  const int minute =
      static_cast<int>(std::chrono::duration_cast<std::chrono::minutes>(local - day).count());
  const unsigned today = date::weekday(day).iso_encoding() - 1, yesterday = (today + 6) % 7;
  return ((days_ >> today & 1) != 0 && minute >= from_ && minute < until_) ||
         ((days_ >> yesterday & 1) != 0 && minute + kDay < until_);
}

// It opens where hours begin, or where a change of clocks jumps into them.
int64_t WeeklyWindow::next_open(int64_t ms) const {
  if (open(ms)) return ms;
  const date::time_zone& zone = zone_of(zone_);
  const auto today = date::floor<date::days>(zone.to_local(from_ms(ms)));
  std::vector<SystemSeconds> moments;
  for (int day = -1; day <= 8; ++day) {
    const LocalSeconds begins = today + date::days(day) + std::chrono::minutes(from_);
    moments.push_back(zone.to_sys(begins, date::choose::earliest));
    moments.push_back(zone.to_sys(begins, date::choose::latest));
    moments.push_back(zone.get_info(moments.back()).begin);
  }
  int64_t first = INT64_MAX;
  for (const SystemSeconds moment : moments) {
    const int64_t at = moment.time_since_epoch().count() * 1000;
    if (moment > from_ms(ms) && at < first && open(at)) first = at;
  }
  return first;
}

}  // namespace volley
