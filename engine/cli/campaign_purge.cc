// volley campaign purge: removes all traces of a campaign that is over.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/units.h"
#include "engine/cli/context.h"
#include "engine/cli/erasure.h"
#include "engine/cli/exit_code.h"
#include "engine/cli/local_events.h"
#include "metrics/event_reader.h"
#include "metrics/event_rewrite.h"

namespace volley::cli {
namespace {

struct Options {
  CommonOptions common;
  std::string id, events;
  bool yes = false;
};

Result<queue::Campaign> ended(queue::Store& store, const std::string& id) {
  auto found = store.find(id);
  if (!found) return found.error();
  if (!*found) return Error{Errc::kData, "no campaign \"" + id + "\" in this queue: see `volley campaign list`"};
  const queue::CampaignState state = (*found)->state;
  if (state != queue::CampaignState::kFinished && state != queue::CampaignState::kCancelled) {
    return Error{Errc::kData, fmt::format("campaign {} is {}: `volley campaign cancel {}` first", id, to_string(state), id)};
  }
  return **found;
}

// Files first, the record last: as long as it is there, the same command goes on where this one stopped.
class Purge {
 public:
  Purge(Workplace& place, const Options& options, std::string events)
      : place_(place), store_(place.store()), options_(options), events_(std::move(events)) {}

  Status run(const queue::Campaign& campaign) {
    if (Status settled = in_flight(); !settled) return settled;
    if (Status clean = journals(); !clean) return clean;
    // Nobody takes it up again from here on, or it is taken up already, and stays.
    if (auto marked = store_.begin_purge(options_.id); !marked) return marked.error();
    auto lines = metrics::rewrite_events(events_, [this](std::string_view line, std::string&) {
      return metrics::event_field(line, "campaign") == options_.id ? metrics::LineEdit::kDrop : metrics::LineEdit::kKeep;
    });
    if (!lines) return lines.error();
    const bool rejects = remove_rejects(place_.data(), campaign);
    auto others = other_engines(place_);
    if (!others) return others.error();
    if (Status purged = store_.purge(options_.id); !purged) return purged;
    auto log = rewrite_append_only_file(store_, [] { return false; });
    if (!log) return log.error();
    say(campaign, *lines, rejects, *log, *others);
    return {};
  }

 private:
  Status in_flight() {
    uint64_t left = 0;
    auto none = wait_for(
        [&]() -> Result<bool> {
          auto counts = store_.counts(options_.id);
          if (!counts) return counts.error();
          left = counts->in_flight;
          return left == 0;
        },
        !place_.alone());
    if (!none) return none.error();
    if (*none) return {};
    return Error{Errc::kTempFail, fmt::format("campaign {}: {} in flight; nothing was removed. {}", options_.id, format_count(left),
                                              place_.alone() ? "`volley serve`, or `volley send` again, settles them first"
                                                             : "The same command later finds them settled")};
  }

  Status journals() {
    // As a journal writes a string: its length, and it.
    const std::string name = static_cast<char>(options_.id.size()) + options_.id;
    if (Status removed = remove_retired_journals(place_.data()); !removed) return removed;
    auto clean = journals_without(place_, [&](std::string_view bytes) { return bytes.find(name) != std::string_view::npos; });
    if (!clean) return clean.error();
    if (*clean) return {};
    return Error{Errc::kTempFail, fmt::format("campaign {}: a journal has mail of it until an engine has settled all that is in it; "
                                              "nothing was removed. The same command later goes on", options_.id)};
  }

  void say(const queue::Campaign& campaign, uint64_t lines, bool rejects, const std::string& log, size_t others) const {
    if (options_.common.json) {
      const nlohmann::ordered_json line{{"command", "purge"}, {"id", options_.id},         {"events", lines},
                                        {"rejects", rejects}, {"append_only_file", log}, {"other_engines", others}};
      fmt::print("{}\n", line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
      return;
    }
    fmt::print("campaign {}: purged, with {} lines of the event log{}\nappend-only file: {}\n", options_.id, format_count(lines),
               rejects ? " and its rejects file" : "", log);
    if (!rejects && !campaign.rejects_path.empty()) fmt::print("note: rejects, if any, were put into {}\n", campaign.rejects_path);
    if (others > 0) {
      fmt::print("note: {} more engines work on this queue, with event logs of their own: `[privacy] retain`, or their rotation, clears them\n",
                 others);
    }
  }

  Workplace& place_;
  queue::Store& store_;
  const Options& options_;
  std::string events_;
};

Status purge(const Options& options) {
  auto settings = settings_for(options.common);
  if (!settings) return settings.error();
  auto place = Workplace::open(*settings, Access::kClient);
  if (!place) return place.error();
  auto campaign = ended((*place)->store(), options.id);
  if (!campaign) return campaign.error();
  const std::string question = fmt::format(
      "Remove campaign {}, its counts, and all that is known of its recipients, for good?\n"
      "(`volley send` of its file would begin anew, and send to everybody again.)", options.id);
  if (!sure(question, options.yes)) return Error{Errc::kTempFail, "nothing was removed"};
  return Purge(**place, options, events_path(*settings, options.events)).run(*campaign);
}

}  // namespace

void add_campaign_purge(Command& campaign, Context& context) {
  auto options = std::make_shared<Options>();
  Command command = campaign.subcommand("purge", "remove a finished or cancelled one: queue, counts, outcomes, event log, rejects");
  add_common(command, options->common);
  command.argument("id", options->id, "campaign", "ID");
  command.text("--events", options->events, "event log (default: <data>/events.jsonl, and its rotated ones)", "FILE");
  command.flag("--yes", options->yes, "do not ask on a terminal");
  command.action([options, &context] {
    const Status done = purge(*options);
    context.exit_code = done ? kExitFinished : report(done.error());
  });
}

}  // namespace volley::cli
