// volley campaign list|show|pause|resume|cancel: control through the queue's campaign records. What else there is has files of its own.
#include <fmt/format.h>

#include <cstdio>

#include "base/units.h"
#include "engine/cli/campaign_settings.h"
#include "engine/cli/context.h"
#include "engine/cli/exit_code.h"
#include "engine/cli/live_engines.h"
#include "engine/cli/summary.h"
#include "engine/cli/verify.h"
#include "engine/cli/workplace.h"

namespace volley::cli {
namespace {

struct Options {
  CommonOptions common;
  std::string id;
  std::vector<std::string> logs;  // --verify
};

Result<Summary> summarise(queue::Store& store, const queue::Campaign& campaign) {
  auto counts = store.counts(campaign.id);
  if (!counts) return counts.error();
  Summary out;
  out.campaign = campaign;
  out.counts = *counts;
  out.read = campaign.read;
  out.invalid = campaign.invalid;
  out.duplicate = campaign.duplicate;
  if (!campaign.import_closed) out.read = counts->accepted;
  const int64_t end = campaign.finished_ms > 0 ? campaign.finished_ms : store.now_ms().ok() ? *store.now_ms() : 0;
  out.elapsed = std::chrono::milliseconds(std::max<int64_t>(0, end - campaign.created_ms));
  return out;
}

Result<queue::Campaign> must_find(queue::Store& store, const std::string& id) {
  auto found = store.find(id);
  if (!found) return found.error();
  if (!*found) return Error{Errc::kData, "no campaign \"" + id + "\" in this queue: see `volley campaign list`"};
  return **found;
}

Status list(Workplace& place, const Options& options) {
  queue::Store& store = place.store();
  auto campaigns = store.list();
  if (!campaigns) return campaigns.error();
  if (!options.common.json && campaigns->empty()) fmt::print("no campaigns\n");
  if (!options.common.json && !campaigns->empty()) {
    fmt::print("{:<24} {:<10} {:>12} {:>12} {:>10} {:>12}  {}\n", "ID", "STATE", "ACCEPTED", "DELIVERED", "BOUNCED",
               "QUEUED", "REASON");
  }
  for (const queue::Campaign& campaign : *campaigns) {
    auto summary = summarise(store, campaign);
    if (!summary) return summary.error();
    if (options.common.json) {
      fmt::print("{}\n", summary->json());
      continue;
    }
    const auto& c = summary->counts;
    fmt::print("{:<24} {:<10} {:>12} {:>12} {:>10} {:>12}  {}\n", campaign.id, queue::to_string(campaign.state),
               format_count(c.accepted), format_count(c.delivered), format_count(c.bounced), format_count(c.queued),
               campaign.reason);
  }
  return {};
}

Status show(queue::Store& store, const Options& options) {
  auto campaign = must_find(store, options.id);
  if (!campaign) return campaign.error();
  auto summary = summarise(store, *campaign);
  if (!summary) return summary.error();
  if (options.common.json) {
    fmt::print("{}\n", summary->json());
  } else {
    fmt::print("{}{}", summary->text(), settings_text(*campaign));
  }
  return {};
}

Status verify_logs(queue::Store& store, const Options& options) {
  auto campaign = must_find(store, options.id);
  if (!campaign) return campaign.error();
  const auto now = [&]() -> Result<Summary> {
    auto found = must_find(store, options.id);
    return found ? summarise(store, *found) : found.error();
  };
  auto verdicts = verify(store, options.id, options.logs, now);
  if (!verdicts) return verdicts.error();
  fmt::print("{}{}", options.common.json ? verdicts->json(*campaign) : verdicts->text(), options.common.json ? "\n" : "");
  if (verdicts->good()) return {};
  return Error{Errc::kData, fmt::format("campaign {}: {}{} lost, {} wrong", options.id, verdicts->identity ? "" : "it does not add up, ",
                                        format_count(verdicts->lost), format_count(verdicts->wrong))};
}

Status show_or_verify(queue::Store& store, const Options& options) {
  if (options.logs.empty()) return show(store, options);
  if (!options.common.json) {
    if (Status shown = show(store, options); !shown) return shown;
  }
  return verify_logs(store, options);
}

Status change(queue::Store& store, const Options& options, queue::CampaignState to, std::string_view reason) {
  auto campaign = must_find(store, options.id);
  if (!campaign) return campaign.error();
  if (Status status = store.set_state(options.id, to, reason); !status) return status;
  return show(store, options);
}

Status resume(Workplace& place, const Options& options) {
  queue::Store& store = place.store();
  if (Status status = change(store, options, queue::CampaignState::kRunning, ""); !status) return status;
  if (!place.alone()) {
    auto live = live_engines(store);
    if (!live) return live.error();
    if (!live->engines.empty()) return {};
  }
  std::fflush(stdout);
  std::fputs("volley: no engine is running on this queue: `volley serve`, or the same `volley send` again, sends it\n", stderr);
  return {};
}

using Action = std::function<Status(Workplace&, const Options&)>;

int with_store(const Options& options, const Action& action) {
  auto settings = settings_for(options.common);
  if (!settings) return report(settings.error());
  auto place = Workplace::open(*settings, Access::kClient);
  if (!place) return report(place.error());
  Status status = action(**place, options);
  return status ? kExitFinished : report(status.error());
}

std::pair<Command, std::shared_ptr<Options>> add_action(Command& parent, Context& context, const char* name, const char* help,
                                                        bool needs_id, const Action& action) {
  auto options = std::make_shared<Options>();
  Command command = parent.subcommand(name, help);
  add_common(command, options->common);
  if (needs_id) command.argument("id", options->id, "campaign", "ID");
  command.action([options, &context, action] { context.exit_code = with_store(*options, action); });
  return {command, options};
}

}  // namespace

void add_campaign(Command& root, Context& context) {
  Command command = root.subcommand("campaign", "list and steer campaigns");
  command.needs_subcommand();
  add_action(command, context, "list", "all campaigns of this queue", false, list);
  auto [shown, given] = add_action(command, context, "show", "one campaign's numbers", true,
                                    [](auto& place, auto& options) { return show_or_verify(place.store(), options); });
  shown.texts("--verify", given->logs,
             "hold every recipient's outcome against a receiver's log (volley sink --log); exit 65 when somebody is lost or wrong, or "
             "the numbers do not add up, 75 when `volley campaign retry` ran meanwhile; may be repeated",
             "LOG");
  add_action(command, context, "pause", "stop sending within a second", true, [](auto& place, auto& options) {
    return change(place.store(), options, queue::CampaignState::kPaused, "paused by command");
  });
  add_action(command, context, "resume", "go on; an engine has to run: `volley serve`, or `volley send` again", true, resume);
  add_action(command, context, "cancel", "send nothing more of it, for good", true, [](auto& place, auto& options) {
    return change(place.store(), options, queue::CampaignState::kCancelled, "cancelled by command");
  });
  add_campaign_settings(command, context);
  add_campaign_update(command, context);
  add_campaign_retry(command, context);
  add_campaign_export(command, context);
  add_campaign_purge(command, context);
}

}  // namespace volley::cli
