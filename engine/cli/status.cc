// volley status: what the engines on this queue published of themselves within the last seconds, and what lies in the intake stream.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/units.h"
#include "engine/cli/context.h"
#include "engine/cli/exit_code.h"
#include "engine/cli/live_engines.h"
#include "engine/cli/workplace.h"
#include "queue/stream.h"

namespace volley::cli {
namespace {

using nlohmann::json;

// "sts: 12 good, 3 certificate-expired"; a site without a failure has no such line.
std::string tls_failures(const json& site) {
  std::string out;
  if (!site.contains("tls")) return out;
  for (const auto& [policy, counts] : site["tls"].items()) {
    if (counts.value("failed", json::object()).empty()) continue;
    out += fmt::format("{}{}: {} good", out.empty() ? "" : "; ", policy,
                       counts.value("successful", uint64_t{0}));
    for (const auto& [result, times] : counts["failed"].items()) {
      out += fmt::format(", {} {}", times.get<uint64_t>(), result);
    }
  }
  return out;
}

void print_site(const json& site) {
  fmt::print("  {:<32} {:>4}/{:<4} {:>8} {:>9} {:>9} {:>9} {:>8}/s  {}\n", site.value("site", "").substr(0, 32),
             site.value("connections", 0), site.value("connection_limit", 0), site.value("waiting", 0),
             site.value("delivered", 0), site.value("deferred", 0), site.value("bounced", 0),
             static_cast<int64_t>(site.value("rate", 0.0)), site.value("limited_by", ""));
  if (const std::string reply = site.value("last_reply", ""); !reply.empty()) fmt::print("      {}\n", reply);
  if (const std::string failures = tls_failures(site); !failures.empty())
    fmt::print("      TLS by policy: {}\n", failures);
}

void print_engine(const queue::EngineStatus& status, const json& document, int64_t now_ms) {
  fmt::print("engine {}, {} ago\n", status.engine,
             format_duration(std::chrono::milliseconds(std::max<int64_t>(0, now_ms - status.at_ms))));
  if (!document.is_object() || !document.contains("sites") || !document["sites"].is_array()) return;
  const std::string error = document.value(json::json_pointer("/queue/error"), "");
  if (!error.empty()) fmt::print("  queue: {}\n", error);
  if (const json unrouted = document.value("unrouted", json::object()); unrouted.value("deferred", uint64_t{0}) > 0) {
    fmt::print("  no route: {} deferred, last: {}\n", unrouted.value("deferred", uint64_t{0}), unrouted.value("last_reply", ""));
  }
  if (document["sites"].empty()) return;
  fmt::print("  {:<32} {:>9} {:>8} {:>9} {:>9} {:>9} {:>10}  {}\n", "SITE", "CONNS", "WAITING", "DELIVERED", "DEFERRED",
             "BOUNCED", "RATE", "LIMITED BY");
  for (const json& site : document["sites"]) print_site(site);
}

// Nothing to say where the stream is not used.
void print_intake(const queue::IntakeBacklog& intake) {
  if (intake.waiting > 0) fmt::print("intake stream: {} entries wait\n", intake.waiting);
  if (intake.parked > 0) {
    fmt::print("intake stream: {} parked in {}, with the reason\n", intake.parked, queue::kIntakeParked);
  }
}

struct Seen {
  LiveEngines live;
  queue::IntakeBacklog intake;
};

Result<Seen> look(const Settings& settings) {
  auto place = Workplace::visit(settings);
  if (!place) return place.error();
  if (!*place) return Seen();
  auto live = live_engines((*place)->store());
  if (!live) return live.error();
  auto intake = (*place)->store().intake_backlog();
  if (!intake) return intake.error();
  return Seen{std::move(*live), *intake};
}

int status(const CommonOptions& options) {
  auto settings = settings_for(options);
  if (!settings) return report(settings.error());
  auto seen = look(*settings);
  if (!seen) return report(seen.error());
  const LiveEngines& live = seen->live;
  json all = json::array();
  for (const queue::EngineStatus& engine : live.engines) {
    json document = json::parse(engine.json, nullptr, false);
    if (!options.json) {
      print_engine(engine, document, live.now_ms);
    } else if (document.is_object()) {
      all.push_back(std::move(document));
    }
  }
  if (options.json) {
    const json intake{{"waiting", seen->intake.waiting}, {"parked", seen->intake.parked}};
    fmt::print("{}\n", json{{"engines", std::move(all)}, {"intake", intake}}.dump(-1, ' ', false, json::error_handler_t::replace));
  } else if (live.engines.empty()) {
    fmt::print("no engine is running on this queue\n");
  }
  if (!options.json) print_intake(seen->intake);
  return kExitFinished;
}

}  // namespace

void add_status(Command& root, Context& context) {
  auto options = std::make_shared<CommonOptions>();
  Command command = root.subcommand("status", "running engines: rates, sites, what limits each");
  add_common(command, *options);
  command.action([options, &context] { context.exit_code = status(*options); });
}

}  // namespace volley::cli
