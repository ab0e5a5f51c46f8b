#include "queue/schedule.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/civil_time.h"
#include "base/weekly_window.h"
#include "queue/record.h"

namespace volley::queue {
namespace {

std::string named(const Campaign& c, int64_t ms) {
  auto window = WeeklyWindow::parse(c.window);
  return format_moment(ms, window ? window->zone() : std::string());
}

}  // namespace

int64_t opens_at(const Campaign& c, int64_t now_ms) {
  int64_t at = std::max(now_ms, c.start_ms);
  if (!c.window.empty()) {
    auto window = WeeklyWindow::parse(c.window);
    if (!window) return 0;
    at = window->next_open(at);
  }
  return c.end_ms != 0 && at >= c.end_ms ? 0 : at;
}

bool is_shut(const Campaign& c, int64_t now_ms) {
  if (c.start_ms == 0 && c.end_ms == 0 && c.window.empty()) return false;
  return opens_at(c, now_ms) != now_ms;
}

std::string when_it_opens(const Campaign& c, int64_t now_ms) {
  if (const int64_t at = opens_at(c, now_ms); at != 0) return "opens " + named(c, at);
  auto window = WeeklyWindow::parse(c.window);
  if (!c.window.empty() && !window) return window.error().message;
  return "its end has come: " + named(c, c.end_ms);
}

Status check_not_ended(const Campaign& c, int64_t now_ms) {
  if (c.end_ms == 0 || now_ms < c.end_ms) return {};
  return Error{Errc::kData, fmt::format("campaign {} was to end {}: `volley campaign set {} --end` "
                                        "gives it another end",
                                        c.id, named(c, c.end_ms), c.id)};
}

Status check_schedule(const Campaign& c, int64_t now_ms) {
  if (!c.window.empty()) {
    if (auto window = WeeklyWindow::parse(c.window); !window) return window.error();
  }
  if (c.end_ms != 0 && c.end_ms <= c.start_ms)
    return Error{Errc::kData, "it would end before it starts"};
  if (Status ended = check_not_ended(c, now_ms); !ended) return ended;
  if (opens_at(c, now_ms) == 0)
    return Error{Errc::kData, "its window does not open between start and end"};
  return {};
}

bool same_schedule(const Campaign& a, const Campaign& b) {
  return a.start_ms == b.start_ms && a.end_ms == b.end_ms && a.window == b.window;
}

void follow_schedule(Campaign& c, int64_t now_ms) {
  using enum CampaignState;
  if (c.state != kRunning && c.state != kScheduled) return;
  const CampaignState to = is_shut(c, now_ms) ? kScheduled : kRunning;
  (void)change_state(c, to, {}, now_ms);
  c.reason = to == kScheduled ? when_it_opens(c, now_ms) : std::string();
}

bool keep_schedule(Campaign& c, int64_t now_ms) {
  using enum CampaignState;
  if ((c.state != kRunning && c.state != kScheduled) || !c.import_closed) return false;
  const auto becomes = [&](CampaignState state, const std::string& reason) {
    auto changed = change_state(c, state, reason, now_ms);
    return changed.ok() && *changed;
  };
  if (c.end_ms != 0 && now_ms >= c.end_ms)
    return becomes(kCancelled, "its end has come: " + named(c, c.end_ms));
  if (c.state == kRunning) return is_shut(c, now_ms) && becomes(kScheduled, {});
  if (is_shut(c, now_ms)) return false;
  if (const int64_t due = opens_at(c, c.start_ms);
      c.started_ms == 0 && c.start_ms != 0 && now_ms - due > kMissedByMs) {
    return becomes(kPaused,
                   fmt::format("no engine ran at its start, {}: `volley campaign resume {}` "
                               "starts it now",
                               named(c, due), c.id));
  }
  return becomes(kRunning, {});
}

}  // namespace volley::queue
