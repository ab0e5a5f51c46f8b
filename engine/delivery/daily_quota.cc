#include "engine/delivery/daily_quota.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>

namespace volley::delivery {
namespace {

using Json = nlohmann::json;

int64_t hour_of(WallTime now) {
  return std::chrono::floor<std::chrono::hours>(now).time_since_epoch().count();
}

}  // namespace

uint64_t DailyQuota::Window::sum() const {
  return std::accumulate(hours.begin(), hours.end(), uint64_t{0});
}

void DailyQuota::Window::move_to(int64_t hour) {
  if (hour - newest > static_cast<int64_t>(hours.size())) {
    hours.fill(0);
    newest = hour;
  }
  while (newest < hour) at(++newest) = 0;
}

bool DailyQuota::take(const std::string& site, uint64_t limit, WallTime now) {
  const std::lock_guard lock(mutex_);
  Window& window = sites_[site];
  window.move_to(hour_of(now));
  if (window.sum() >= limit) return false;
  ++window.at(window.newest);
  changed_ = true;
  return true;
}

void DailyQuota::give_back(const std::string& site, WallTime now) {
  const std::lock_guard lock(mutex_);
  Window& window = sites_[site];
  window.move_to(hour_of(now));
  uint64_t& current = window.at(window.newest);
  if (current > 0) --current;
  changed_ = true;
}

uint64_t DailyQuota::used(const std::string& site, WallTime now) const {
  const std::lock_guard lock(mutex_);
  const auto found = sites_.find(site);
  if (found == sites_.end()) return 0;
  Window window = found->second;
  window.move_to(hour_of(now));
  return window.sum();
}

WallTime DailyQuota::next(const std::string& site, uint64_t limit, WallTime now) const {
  const std::lock_guard lock(mutex_);
  const auto found = sites_.find(site);
  if (found == sites_.end()) return now;
  Window window = found->second;
  window.move_to(hour_of(now));
  if (window.sum() < limit) return now;
  while (window.sum() >= limit && window.sum() > 0) window.move_to(window.newest + 1);
  return WallTime(std::chrono::hours(window.newest));
}

bool DailyQuota::changed() const {
  const std::lock_guard lock(mutex_);
  return changed_;
}

std::string DailyQuota::to_json() {
  const std::lock_guard lock(mutex_);
  Json all = Json::object();
  for (const auto& [site, window] : sites_) {
    if (window.sum() > 0) all[site] = {{"newest", window.newest}, {"hours", window.hours}};
  }
  changed_ = false;
  return all.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Status DailyQuota::load(std::string_view json) {
  const Json all = Json::parse(json, nullptr, false);
  if (!all.is_object()) return Error{Errc::kData, "the daily counts are no JSON object"};
  const std::lock_guard lock(mutex_);
  for (const auto& [site, saved] : all.items()) {
    if (!saved.is_object() || !saved.contains("newest") || !saved.contains("hours")) continue;
    const Json& hours = saved["hours"];
    Window window;
    if (!saved["newest"].is_number_integer() || !hours.is_array() ||
        hours.size() != window.hours.size())
      continue;
    window.newest = saved["newest"].get<int64_t>();
    for (size_t i = 0; i < hours.size(); ++i) {
      if (hours[i].is_number_unsigned()) window.hours[i] = hours[i].get<uint64_t>();
    }
    sites_[site] = window;
  }
  return {};
}

}  // namespace volley::delivery
