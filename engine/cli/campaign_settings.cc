#include "engine/cli/campaign_settings.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdio>
#include <functional>
#include <vector>

#include "base/civil_time.h"
#include "base/units.h"
#include "base/weekly_window.h"
#include "engine/cli/exit_code.h"
#include "engine/cli/workplace.h"
#include "engine/message/campaign_file.h"
#include "queue/record.h"

namespace volley::cli {
namespace {

constexpr std::string_view kNone = "none";

struct Options {
  CommonOptions common;
  std::string id;
  std::string rate, priority, start, end, window, stop_bounced, stop_after, canary;
};

using message::kHighestPriority;
using message::kUsualPriority;
using message::kUsualStopAfter;

using Edit = std::function<void(queue::Campaign&)>;
using Edits = std::vector<Edit>;

Error usage(const char* option, const Error& error) {
  return {Errc::kUsage, fmt::format("{}: {}", option, error.message)};
}

Status read_rate(const Options& options, Edits& edits) {
  if (options.rate.empty()) return {};
  double rate = 0;
  if (options.rate != kNone) {
    auto parsed = parse_rate(options.rate);
    if (!parsed) return usage("--rate", parsed.error());
    rate = *parsed;
    if (rate <= 0) return Error{Errc::kUsage, "--rate: expected more than zero, or `none`"};
  }
  edits.push_back([rate](queue::Campaign& c) { c.rate = rate; });
  return {};
}

Status read_moment(const char* option, const std::string& text, std::string_view off, int64_t queue::Campaign::*member,
                   Edits& edits) {
  if (text.empty()) return {};
  int64_t ms = 0;
  if (text != off) {
    auto parsed = parse_moment(text);
    if (!parsed) return usage(option, parsed.error());
    ms = *parsed;
  }
  edits.push_back([member, ms](queue::Campaign& c) { c.*member = ms; });
  return {};
}

Status read_window(const Options& options, Edits& edits) {
  if (options.window.empty()) return {};
  std::string text;
  if (options.window != kNone) {
    auto parsed = WeeklyWindow::parse(options.window);
    if (!parsed) return usage("--window", parsed.error());
    text = parsed->text();
  }
  edits.push_back([text](queue::Campaign& c) { c.window = text; });
  return {};
}

Status read_stop(const Options& options, Edits& edits) {
  if (!options.stop_bounced.empty()) {
    double share = 0;
    if (options.stop_bounced != kNone) {
      auto parsed = parse_fraction(options.stop_bounced);
      if (!parsed) return usage("--stop-bounced", parsed.error());
      share = *parsed;
      if (share <= 0) return Error{Errc::kUsage, "--stop-bounced: expected more than zero, or `none`"};
    }
    edits.push_back([share](queue::Campaign& c) {
      c.stop_bounced = share;
      if (c.stop_after == 0) c.stop_after = kUsualStopAfter;
    });
  }
  return {};
}

// A whole number from 1 on, or `none`: the usual one.
Status read_count(const char* option, const std::string& text, uint64_t most, uint64_t usual, const std::function<void(queue::Campaign&, uint64_t)>& put,
                  Edits& edits) {
  if (text.empty()) return {};
  uint64_t count = usual;
  if (text != kNone) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
    if (error != std::errc() || end != text.data() + text.size() || count < 1 || count > most) {
      return Error{Errc::kUsage, fmt::format("{}: expected a whole number {}, or `none`", option,
                                             most == UINT64_MAX ? "from 1 on" : fmt::format("from 1 to {}", most))};
    }
  }
  edits.push_back([put, count](queue::Campaign& c) { put(c, count); });
  return {};
}

Status read_counts(const Options& options, Edits& edits) {
  const auto weight = [](queue::Campaign& c, uint64_t n) { c.weight = static_cast<uint32_t>(n); };
  const auto after = [](queue::Campaign& c, uint64_t n) { c.stop_after = n; };
  // One that waits for approval goes on by that alone.
  const auto canary = [](queue::Campaign& c, uint64_t n) { c.canary = c.canary_waits ? c.canary : n; };
  for (const Status& read : {read_count("--priority", options.priority, kHighestPriority, kUsualPriority, weight, edits),
                             read_count("--stop-after", options.stop_after, UINT64_MAX, kUsualStopAfter, after, edits),
                             read_count("--canary", options.canary, UINT64_MAX, 0, canary, edits)}) {
    if (!read) return read;
  }
  return {};
}

Result<Edits> read_edits(const Options& options) {
  Edits edits;
  for (const Status& read : {read_rate(options, edits), read_stop(options, edits), read_window(options, edits),
                             read_moment("--start", options.start, "now", &queue::Campaign::start_ms, edits),
                             read_moment("--end", options.end, kNone, &queue::Campaign::end_ms, edits), read_counts(options, edits)}) {
    if (!read) return read.error();
  }
  if (edits.empty()) return Error{Errc::kUsage, "nothing to set: see `volley campaign set --help`"};
  return edits;
}

Result<queue::Campaign> find(queue::Store& store, const std::string& id) {
  auto found = store.find(id);
  if (!found) return found.error();
  if (!*found) return Error{Errc::kData, "no campaign \"" + id + "\" in this queue: see `volley campaign list`"};
  return **found;
}

Status set(queue::Store& store, const Options& options) {
  auto edits = read_edits(options);
  if (!edits) return edits.error();
  auto campaign = find(store, options.id);
  if (!campaign) return campaign.error();
  if (Status stays = queue::check_stays(*campaign); !stays) return stays;
  if (campaign->finished_ms > 0) {
    return Error{Errc::kData, fmt::format("campaign {} is {}: nothing of it can be set any more", options.id,
                                          queue::to_string(campaign->state))};
  }
  if (!options.canary.empty() && campaign->canary_waits) {
    return Error{Errc::kData, fmt::format("campaign {} waits after its canary: `volley campaign approve {}` lets it go on", options.id, options.id)};
  }
  if (!options.canary.empty() && options.canary != kNone && campaign->started_ms > 0) {
    return Error{Errc::kData, fmt::format("campaign {} has begun to send: too late for a canary", options.id)};
  }
  return store.edit(options.id, [&](queue::Campaign& c) {
    for (const Edit& edit : *edits) edit(c);
  });
}

Status approve(queue::Store& store, const Options& options) {
  auto campaign = find(store, options.id);
  return campaign ? store.approve(options.id) : Status(campaign.error());
}

using Action = Status (*)(queue::Store&, const Options&);

int act(const Options& options, Action action) {
  auto settings = settings_for(options.common);
  if (!settings) return report(settings.error());
  auto place = Workplace::open(*settings, Access::kClient);
  if (!place) return report(place.error());
  queue::Store& store = (*place)->store();
  if (Status done = action(store, options); !done) return report(done.error());
  auto campaign = find(store, options.id);
  if (!campaign) return report(campaign.error());
  if (options.common.json) {
    fmt::print("{}\n", campaign->to_json());
  } else {
    fmt::print("campaign {}: {}{}\n{}", campaign->id, queue::to_string(campaign->state),
               campaign->reason.empty() ? "" : " (" + campaign->reason + ")", settings_text(*campaign));
  }
  return kExitFinished;
}

}  // namespace

std::string settings_text(const queue::Campaign& c) {
  std::string out;
  const auto row = [&](std::string_view label, const std::string& text) { out += fmt::format("  {:<11}{:>13}\n", label, text); };
  const auto window = WeeklyWindow::parse(c.window);
  const std::string zone = window ? window->zone() : std::string();
  if (c.start_ms > 0) row("start", format_moment(c.start_ms, zone));
  if (c.end_ms > 0) row("end", format_moment(c.end_ms, zone));
  if (!c.window.empty()) row("window", c.window);
  if (c.rate > 0) row("rate", format_rate(c.rate));
  row("priority", std::to_string(c.weight));
  if (c.stop_bounced > 0) row("stop", fmt::format("over {:g} % bounced, after {}", c.stop_bounced * 100, format_count(c.stop_after)));
  if (c.canary > 0) {
    row("canary", fmt::format("{} recipients, {}", format_count(c.canary),
                              c.canary_approved ? "approved" : c.canary_waits ? "waits for approval" : "not out yet"));
  }
  return out;
}

void add_campaign_settings(Command& campaign, Context& context) {
  auto options = std::make_shared<Options>();
  Command command = campaign.subcommand("set", "change rate, priority, schedule or brakes, within a second");
  add_common(command, options->common);
  command.argument("id", options->id, "campaign", "ID");
  command.text("--rate", options->rate, "messages at most, over all engines: \"50/s\"; none", "RATE");
  command.text("--priority", options->priority,
               fmt::format("share against other campaigns, 1 to {}; none: {}", kHighestPriority, kUsualPriority), "N");
  command.text("--start", options->start, "not before: \"2026-12-01 09:00 Europe/Paris\"; now", "TIME");
  command.text("--end", options->end, "what is left then is cancelled; none", "TIME");
  command.text("--window", options->window, "only then: \"mon-fri 09:00-18:00 Europe/Paris\"; none", "HOURS");
  command.text("--stop-bounced", options->stop_bounced, "pause when more than this bounced: \"5%\"; none", "SHARE");
  command.text("--stop-after", options->stop_after, fmt::format("of so many outcomes at least; none: {}", kUsualStopAfter), "N");
  command.text("--canary", options->canary, "wait for approval after so many recipients; none", "N");
  command.action([options, &context] { context.exit_code = act(*options, set); });

  auto approved = std::make_shared<Options>();
  Command approval = campaign.subcommand("approve", "let a campaign go on that waits after its canary");
  add_common(approval, approved->common);
  approval.argument("id", approved->id, "campaign", "ID");
  approval.action([approved, &context] { context.exit_code = act(*approved, approve); });
}

}  // namespace volley::cli
