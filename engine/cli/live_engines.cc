#include "engine/cli/live_engines.h"

#include <chrono>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <thread>

namespace volley::cli {
namespace {

constexpr int64_t kFreshMs = 10'000;
constexpr auto kHearsWithin = std::chrono::milliseconds(1500);  // engines look twice a second

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
    // What was said in the future was said before the queue's clock went back.
    if (std::abs(*now - engine.at_ms) <= kFreshMs && !stopped(engine)) out.engines.push_back(std::move(engine));
  }
  return out;
}

Status let_engines_hear(queue::Store& store) {
  auto live = live_engines(store);
  if (!live) return live.error();
  if (!live->engines.empty()) std::this_thread::sleep_for(kHearsWithin);
  return {};
}

}  // namespace volley::cli
