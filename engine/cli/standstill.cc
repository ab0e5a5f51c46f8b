#include "engine/cli/standstill.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/time.h"
#include "base/units.h"

namespace volley::cli {
namespace {

using nlohmann::json;

// Of the site that deferred, or left in doubt, the most; or DNS's, when want of a route deferred more.
std::string last_reply(const json& status) {
  std::string reply;
  uint64_t most = 0;
  const auto look = [&](const json& at) {
    const uint64_t waits = at.value("deferred", uint64_t{0}) + at.value("in_doubt", uint64_t{0});
    const std::string said = at.value("last_reply", "");
    if (waits <= most || said.empty()) return;
    most = waits;
    reply = said;
  };
  for (const json& site : status["sites"]) look(site);
  if (const auto unrouted = status.find("unrouted"); unrouted != status.end()) look(*unrouted);
  return reply;
}

// In steps, so that a line that is printed anew when it changes is not printed all the time.
std::string next_in(int64_t ms) {
  using std::chrono::seconds;
  const int64_t s = (ms + 999) / 1000;
  const int64_t step = s > 120 ? 60 : 10;
  std::string text = format_duration(seconds((s + step - 1) / step * step));
  if (text.ends_with(" 0s")) text.resize(text.size() - 3);
  return text;
}

std::string all_wait(const json& status, const queue::Counts& counts) {
  if (counts.queued == 0 || counts.waiting_retry + counts.held < counts.queued) return {};
  const std::string held = fmt::format("{} held: `volley queue release`", format_count(counts.held));
  if (counts.waiting_retry == 0) return held;
  std::string line = counts.held == 0 ? "all " : held + ", the other ";
  line += fmt::format("{} left wait for a retry", format_count(counts.waiting_retry));
  if (const std::string reply = last_reply(status); !reply.empty()) line += ": " + reply;
  const auto due = status.value("next_due_ms", int64_t{-1});
  if (due > 0) line += fmt::format(" (next in {})", next_in(due));
  return line;
}

}  // namespace

std::string standstill(std::string_view status_json, const queue::Counts& counts) {
  const json status = json::parse(status_json, nullptr, false);
  if (!status.is_object() || !status.contains("sites") || !status["sites"].is_array()) return {};
  std::string first;
  size_t resting = 0;
  for (const auto& site : status["sites"]) {
    const std::string limited_by = site.value("limited_by", "");
    if (limited_by.starts_with("paused") || limited_by.starts_with("daily limit")) {
      if (++resting == 1) first = site.value("site", "") + ": " + limited_by;
    } else if (site.value("waiting", uint64_t{0}) > 0 || site.value("in_flight", uint64_t{0}) > 0) {
      return {};
    }
  }
  if (resting == 0) return all_wait(status, counts);
  return resting > 1 ? fmt::format("{}; and {} more", first, resting - 1) : first;
}

}  // namespace volley::cli
