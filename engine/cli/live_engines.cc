#include "engine/cli/live_engines.h"

#include <nlohmann/json.hpp>

namespace volley::cli {
namespace {

constexpr int64_t kFreshMs = 10'000;

bool stopped(const queue::EngineStatus& engine) {
  const nlohmann::json document = nlohmann::json::parse(engine.json, nullptr, false);
  return document.is_object() && document.value("state", "") == "stopped";
}

}  // namespace

Result<LiveEngines> live_engines(queue::Store& store) {
  auto published = store.engines();
  if (!published) return published.error();
  auto now = store.now_ms();
  if (!now) return now.error();
  LiveEngines out;
  out.now_ms = *now;
  for (queue::EngineStatus& engine : *published) {
    if (*now - engine.at_ms <= kFreshMs && !stopped(engine)) out.engines.push_back(std::move(engine));
  }
  return out;
}

}  // namespace volley::cli
