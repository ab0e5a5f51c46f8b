#include "engine/cli/standstill.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace volley::cli {

std::string standstill(std::string_view status_json) {
  const nlohmann::json status = nlohmann::json::parse(status_json, nullptr, false);
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
  return resting > 1 ? fmt::format("{}; and {} more", first, resting - 1) : first;
}

}  // namespace volley::cli
