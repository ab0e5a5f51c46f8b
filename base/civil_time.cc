#include "base/civil_time.h"

#include <fmt/format.h>

#include <charconv>
#include <exception>
#include <optional>

#include "base/zones.h"

namespace volley {
namespace {

using std::chrono::seconds;

Error expected(std::string_view text) {
  return {Errc::kData,
          fmt::format("`{}`: expected a date, a time and a zone, as in \"2026-12-01 09:00 "
                      "Europe/Paris\" or \"2026-12-01T09:00:00+01:00\"",
                      text)};
}

// Digits of a fixed width between fixed characters.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_(text) {}
  int digits(size_t count) {
    int value = 0;
    if (rest_.size() < count) return fail();
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + count, value);
    if (error != std::errc() || end != rest_.data() + count || rest_[0] == '-') return fail();
    rest_.remove_prefix(count);
    return value;
  }
  bool take(char c) {
    if (rest_.empty() || rest_[0] != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  void need(char c) {
    if (!take(c)) fail();
  }
  std::string_view rest() const { return rest_; }
  bool ok() const { return ok_; }

 private:
  int fail() {
    ok_ = false;
    return 0;
  }
  std::string_view rest_;
  bool ok_ = true;
};

std::optional<LocalSeconds> scan_local(Scanner& in) {
  const int year = in.digits(4);
  in.need('-');
  const int month = in.digits(2);
  in.need('-');
  const int day = in.digits(2);
  if (!in.take('T')) in.need(' ');
  const int hour = in.digits(2);
  in.need(':');
  const int minute = in.digits(2);
  const int second = in.take(':') ? in.digits(2) : 0;
  const date::year_month_day date{date::year(year), date::month(static_cast<unsigned>(month)),
                                  date::day(static_cast<unsigned>(day))};
  if (!in.ok() || !date.ok() || hour > 23 || minute > 59 || second > 59) return std::nullopt;
  return date::local_days(date) + std::chrono::hours(hour) + std::chrono::minutes(minute) +
         seconds(second);
}

std::optional<seconds> scan_offset(std::string_view text) {
  Scanner in(text);
  if (text == "Z" || text == "z") return seconds(0);
  const bool east = in.take('+');
  if (!east && !in.take('-')) return std::nullopt;
  const int hours = in.digits(2);
  in.take(':');
  const int minutes = in.digits(2);
  if (!in.ok() || !in.rest().empty() || hours > 14 || minutes > 59) return std::nullopt;
  const seconds offset = std::chrono::hours(hours) + std::chrono::minutes(minutes);
  return east ? offset : -offset;
}

int64_t in_ms(SystemSeconds moment) { return moment.time_since_epoch().count() * 1000; }

}  // namespace

Result<const date::time_zone*> find_zone(std::string_view name) {
  // The library throws for what it does not know, and reads files by the name it is given.
  try {
    if (!name.empty()) return date::locate_zone(std::string(name));
  } catch (const std::exception&) {
    // Said below.
  }
  return Error{Errc::kData,
               fmt::format("no time zone is called '{}': expected an IANA name such as "
                           "Europe/Paris (Debian: package tzdata)",
                           name)};
}

SystemSeconds moment_of(const date::time_zone& zone, LocalSeconds local) {
  return zone.to_sys(local, date::choose::earliest);
}

Status check_zone(std::string_view zone) {
  auto found = find_zone(zone);
  return found ? Status() : Status(found.error());
}

Result<int64_t> parse_moment(std::string_view text) {
  Scanner in(text);
  const auto local = scan_local(in);
  if (!local) return expected(text);
  std::string_view zone = in.rest();
  while (zone.starts_with(' ')) zone.remove_prefix(1);
  if (zone.empty()) return expected(text);
  if (const auto offset = scan_offset(zone))
    return in_ms(SystemSeconds(local->time_since_epoch() - *offset));
  auto found = find_zone(zone);
  if (!found) return found.error();
  return in_ms(moment_of(**found, *local));
}

std::string format_moment(int64_t ms, std::string_view zone) {
  const SystemSeconds moment(std::chrono::floor<seconds>(std::chrono::milliseconds(ms)));
  auto found = find_zone(zone.empty() ? "UTC" : zone);
  // Without tzdata there is UTC still: it needs none.
  if (!found) return date::format("%a %F %R", moment) + " UTC";
  return fmt::format("{} {}", date::format("%a %F %R", (*found)->to_local(moment)),
                     zone.empty() ? "UTC" : zone);
}

}  // namespace volley
