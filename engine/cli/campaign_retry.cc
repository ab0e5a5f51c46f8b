// volley campaign retry: those that bounced or expired are tried once more.
#include <fmt/format.h>
#include <fnmatch.h>

#include <cstdio>

#include <nlohmann/json.hpp>

#include "base/log.h"
#include "base/units.h"
#include "engine/cli/context.h"
#include "engine/cli/exit_code.h"
#include "engine/cli/live_engines.h"
#include "engine/cli/workplace.h"
#include "engine/intake/suppression.h"
#include "queue/record.h"

namespace volley::cli {
namespace {

struct Options {
  CommonOptions common;
  std::string id, outcome, code;
  std::vector<std::string> suppress;
  bool dry_run = false;
};

struct Tally {
  uint64_t matching = 0, queued = 0;
};

class Retry {
 public:
  Retry(queue::Store& store, const Options& options) : store_(store), options_(options) {}

  Result<Tally> run(uint64_t revision, bool change);

 private:
  std::vector<size_t> pick(const queue::Found& found) const;

  queue::Store& store_;
  const Options& options_;
};

std::vector<size_t> Retry::pick(const queue::Found& found) const {
  std::vector<size_t> out;
  for (size_t i = 0; i < found.recipients.size(); ++i) {
    const uint16_t last = found.recipients[i].last_code;
    const std::string code = last == 0 ? "" : std::to_string(last);
    if (options_.code.empty() || fnmatch(options_.code.c_str(), code.c_str(), 0) == 0) out.push_back(i);
  }
  return out;
}

Result<Tally> Retry::run(uint64_t revision, bool change) {
  Tally tally;
  Status failed;
  queue::WalkFilter filter;
  filter.campaign = options_.id;
  filter.failed = true;
  const auto wanted = options_.outcome == "bounced" ? queue::Where::kBounced : queue::Where::kExpired;
  filter.wants = [wanted](const queue::Place& place) { return place.where == wanted; };
  queue::WalkVisitor visitor;
  visitor.corrupt = [](std::string_view key, std::string_view why) { log_warn(fmt::format("{}: {}", key, why)); };
  visitor.found = [&](const queue::Found& found) {
    const std::vector<size_t> picked = pick(found);
    tally.matching += picked.size();
    if (!change || picked.empty()) return queue::Step::kOn;
    auto changed = store_.change(queue::Change::kAgain, found, picked, revision);
    if (!changed) {
      failed = changed.error();
      return queue::Step::kStop;
    }
    if (*changed != queue::ChangeResult::kChanged) return queue::Step::kOn;
    tally.queued += picked.size();
    return picked.size() == found.chunk.recipients().size() ? queue::Step::kGone : queue::Step::kOn;
  };
  if (Status walked = store_.walk(filter, visitor); !walked) return walked.error();
  if (!failed) return failed.error();
  return tally;
}

Status suppress(queue::Store& store, const Options& options) {
  if (options.suppress.empty()) return {};
  auto list = intake::SuppressionList::load(options.suppress, store.dedupe_key());
  if (!list) return list.error();
  return store.put_suppressions(options.id, list->packed());
}

// It was paused to queue them, now or by an earlier `retry` that did not get to its end: it runs again.
Status let_it_run(queue::Store& store, const queue::Campaign& campaign) {
  if (campaign.state != queue::CampaignState::kPaused || campaign.reason != queue::kTryingAgain) return {};
  return store.set_state(campaign.id, queue::CampaignState::kRunning, "");
}

void say(const Options& options, const Tally& tally, uint32_t generation) {
  if (options.common.json) {
    nlohmann::ordered_json line{{"id", options.id}, {"matching", tally.matching}, {"queued", tally.queued},
                                {"generation", generation}, {"dry_run", options.dry_run}};
    fmt::print("{}\n", line.dump());
    return;
  }
  fmt::print("campaign {}: {} of those that {} are {}\n", options.id,
             format_count(options.dry_run ? tally.matching : tally.queued), options.outcome,
             options.dry_run ? "to be tried again" : "queued to be tried again");
}

// Perhaps they were meant.
Status tell_of_waiting(queue::Store& store, const std::string& id) {
  auto counts = store.counts(id);
  if (!counts) return counts.error();
  if (counts->waiting_retry == 0) return {};
  fmt::print(stderr, "volley: {} wait for their next try by themselves: `volley queue retry --campaign {}` makes them due now\n",
             format_count(counts->waiting_retry), id);
  return {};
}

Status retry(queue::Store& store, const Options& options) {
  auto found = store.find(options.id);
  if (!found) return found.error();
  if (!*found) return Error{Errc::kData, "no campaign \"" + options.id + "\" in this queue: see `volley campaign list`"};
  queue::Campaign campaign = **found;
  if (Status stays = queue::check_stays(campaign); !stays) return stays;
  Retry work(store, options);
  auto tally = work.run(campaign.revision, false);
  if (!tally) return tally.error();
  if (tally->matching > 0 && !options.dry_run) {
    auto reopened = store.reopen(options.id);
    if (!reopened) return reopened.error();
    if (Status stored = suppress(store, options); !stored) return stored;
    found = store.find(options.id);
    if (!found || !*found) return found ? Status() : Status(found.error());
    campaign = **found;
    tally = work.run(campaign.revision, true);
    if (!tally) return tally.error();
  }
  if (!options.dry_run) {
    // Nobody is sent to by an older list of suppressions.
    if (tally->queued > 0) {
      if (Status heard = let_engines_hear(store); !heard) return heard;
    }
    if (Status runs = let_it_run(store, campaign); !runs) return runs;
  }
  say(options, *tally, campaign.generation);
  return tally->matching == 0 ? tell_of_waiting(store, options.id) : Status();
}

int run(const Options& options) {
  if (options.outcome.empty()) return report({Errc::kUsage, "--outcome bounced, or --outcome expired: which are tried again?"});
  auto settings = settings_for(options.common);
  if (!settings) return report(settings.error());
  auto place = Workplace::open(*settings, Access::kClient);
  if (!place) return report(place.error());
  const Status done = retry((*place)->store(), options);
  return done ? kExitFinished : report(done.error());
}

}  // namespace

void add_campaign_retry(Command& campaign, Context& context) {
  auto options = std::make_shared<Options>();
  Command command = campaign.subcommand("retry", "try those that bounced or expired once more (who still waits: `volley queue retry`)");
  command.footer("Final outcomes become queued mail again. Who was deferred and waits for the next try is made due by `volley queue retry`.");
  add_common(command, options->common);
  command.argument("id", options->id, "campaign", "ID");
  command.choice("--outcome", options->outcome, "which", {"bounced", "expired"});
  command.text("--code", options->code, "whose last reply's code was this: 550, '5*'", "GLOB");
  command.texts("--suppress", options->suppress, "never send to these, instead of the lists at its start", "FILE");
  command.flag("--dry-run", options->dry_run, "say how many, change nothing");
  command.action([options, &context] { context.exit_code = run(*options); });
}

}  // namespace volley::cli
