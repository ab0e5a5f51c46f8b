// volley queue repair, volley queue damaged: what is in the queue and cannot be found, or read.
#include <fmt/format.h>

#include <cstdio>
#include <nlohmann/json.hpp>
#include <set>

#include "base/units.h"
#include "engine/cli/exit_code.h"
#include "engine/cli/context.h"
#include "engine/cli/workplace.h"

namespace volley::cli {
namespace {

struct Options {
  CommonOptions common;
  bool dry_run = false, drop = false;
};

std::string counted(uint64_t n, const char* one, const char* many) { return format_count(n) + ' ' + (n == 1 ? one : many); }

Status repair(queue::Store& store, const Options& options) {
  auto totals = store.repair(options.dry_run);
  if (!totals) return totals.error();
  if (options.common.json) {
    const nlohmann::ordered_json line{{"command", "repair"},          {"dry_run", options.dry_run}, {"lists", totals->lists},
                                      {"mended", totals->mended},     {"adopted", totals->adopted}, {"unknown", totals->unknown}};
    fmt::print("{}\n", line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
    return {};
  }
  const char* now = options.dry_run ? "would be" : "is";
  fmt::print("{} looked at\n", counted(totals->lists, "list", "lists"));
  fmt::print("{} that no index named {} found again\n", counted(totals->mended, "list", "lists"), now);
  fmt::print("{} in flight under no lease {} taken up by the partition's next owner\n", counted(totals->adopted, "chunk", "chunks"), now);
  for (const std::string& key : totals->unknown) fmt::print("{}: a chunk of no campaign that misses it: left alone\n", key);
  return {};
}

Status drop(queue::Store& store, const queue::DamagedChunk& chunk, uint64_t& dropped) {
  auto count = store.drop(chunk);
  if (!count) return count.error();
  dropped += count->value_or(0);
  return {};
}

Status damaged(queue::Store& store, const Options& options) {
  auto chunks = store.damaged();
  if (!chunks) return chunks.error();
  uint64_t recipients = 0, dropped = 0;
  std::set<std::string> campaigns;
  for (const queue::DamagedChunk& chunk : *chunks) {
    recipients += chunk.recipients;
    const queue::Destination& to = chunk.destination;
    if (options.common.json) {
      const nlohmann::ordered_json line{{"key", chunk.key},       {"campaign", to.campaign}, {"lane", to_string(to.lane)},
                                        {"domain", to.domain},    {"recipients", chunk.recipients}, {"why", chunk.why},
                                        {"dropped", options.drop}};
      fmt::print("{}\n", line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
    } else {
      fmt::print("{}  {}  {}  {}: {}\n", chunk.key, to.campaign, queue::domain_of(to.domain),
                 counted(chunk.recipients, "recipient", "recipients"), chunk.why);
    }
    if (!options.drop) continue;
    if (Status status = drop(store, chunk, dropped); !status) return status;
    campaigns.insert(to.campaign);
  }
  for (const std::string& id : campaigns) {
    if (id == queue::kSingleMessages) continue;
    if (Status status = store.finish_if_done(id); !status) return status;
  }
  if (options.common.json) return {};
  if (chunks->empty()) fmt::print("no chunk of this queue was parked because it cannot be read\n");
  if (options.drop && !chunks->empty()) fmt::print("dropped: {} are cancelled\n", counted(dropped, "recipient", "recipients"));
  return {};
}

int run_on(const Options& options, Status (*action)(queue::Store&, const Options&)) {
  auto settings = settings_for(options.common);
  if (!settings) return report(settings.error());
  auto place = Workplace::open(*settings, Access::kClient);
  if (!place) return report(place.error());
  const Status status = action((*place)->store(), options);
  return status ? kExitFinished : report(status.error());
}

}  // namespace

void add_queue_repair(Command& queue, Context& context) {
  auto options = std::make_shared<Options>();
  Command mending = queue.subcommand("repair", "find again what no index names any more; engines need not stop");
  add_common(mending, options->common);
  mending.flag("--dry-run", options->dry_run, "say how much it would be, change nothing");
  mending.action([options, &context] { context.exit_code = run_on(*options, repair); });

  auto chosen = std::make_shared<Options>();
  Command listing = queue.subcommand("damaged", "chunks that engines parked because they cannot be read");
  add_common(listing, chosen->common);
  listing.flag("--drop", chosen->drop, "drop them: their recipients are cancelled");
  listing.action([chosen, &context] { context.exit_code = run_on(*chosen, damaged); });
}

}  // namespace volley::cli
