// volley queue list|count|export|hold|release|delete|retry|flush (and repair, damaged, reconcile elsewhere): looking into the queue, and changing it.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <map>

#include <nlohmann/json.hpp>

#include "base/log.h"
#include "base/units.h"
#include "engine/cli/exit_code.h"
#include "engine/cli/output.h"
#include "engine/cli/queue_change.h"
#include "engine/cli/queue_row.h"
#include "engine/cli/workplace.h"

namespace volley::cli {
namespace {

constexpr uint64_t kRows = 50;

struct Options {
  CommonOptions common;
  FilterOptions filter;
  uint64_t limit = UINT64_MAX;  // not given
  std::string by = "where", output;
  bool all = false, dry_run = false;
};

using Visit = std::function<bool(const queue::Place&, const queue::Recipient&)>;  // false: stop

// What is queued and matches. What is left of a cancelled campaign is not queued any more.
Status each_match(queue::Store& store, const QueueFilter& filter, const Visit& visit) {
  queue::WalkVisitor visitor;
  visitor.found = [&](const queue::Found& found) {
    if (found.place.over && found.place.where != queue::Where::kInFlight) return queue::Step::kOn;
    for (const queue::Recipient& r : found.recipients) {
      if (filter.matches(r) && !visit(found.place, r)) return queue::Step::kStop;
    }
    return queue::Step::kOn;
  };
  visitor.corrupt = [](std::string_view key, std::string_view why) {
    log_warn(fmt::format("{}: {}; passed over", key, why));
  };
  return store.walk(filter.places(), visitor);
}

Status export_lines(queue::Store& store, const QueueFilter& filter, const Options& options) {
  auto output = Output::open(options.output);
  if (!output) return output.error();
  uint64_t left = options.limit;
  Status walked = each_match(store, filter, [&](const queue::Place& place, const queue::Recipient& r) {
    if (left == 0) return false;
    --left;
    output->line(json_row(place, r));
    return !output->broken();
  });
  const Status finished = output->finish();
  return walked ? finished : walked;
}

Status list(queue::Store& store, const QueueFilter& filter, const Options& options) {
  if (options.common.json) return export_lines(store, filter, options);
  auto now = store.now_ms();
  if (!now) return now.error();
  const uint64_t limit = options.limit == UINT64_MAX ? kRows : options.limit;
  uint64_t met = 0;
  Status walked = each_match(store, filter, [&](const queue::Place& place, const queue::Recipient& r) {
    if (met++ >= limit) return true;
    if (met == 1) std::fputs(kTableHead, stdout);
    std::fputs(table_row(place, r, *now).c_str(), stdout);
    return true;
  });
  if (!walked) return walked;
  if (met == 0) fmt::print("nothing in the queue matches\n");
  if (met > limit) fmt::print("and {} more: --limit, or `volley queue export`\n", format_count(met - limit));
  return {};
}

std::string key_of(const std::string& by, const queue::Place& place, const queue::Recipient& r) {
  if (by == "campaign") return place.destination.campaign;
  if (by == "domain") return std::string(queue::domain_of(place.destination.domain));
  if (by == "code") return r.last_code == 0 ? "none" : std::to_string(r.last_code);
  return std::string(state_of(place));
}

Status count(queue::Store& store, const QueueFilter& filter, const Options& options) {
  std::map<std::string, uint64_t> counts;
  uint64_t total = 0;
  Status walked = each_match(store, filter, [&](const queue::Place& place, const queue::Recipient& r) {
    ++total;
    ++counts[key_of(options.by, place, r)];
    return true;
  });
  if (!walked) return walked;
  if (options.common.json) {
    const nlohmann::ordered_json line{{"total", total}, {"by", options.by}, {"counts", counts}};
    fmt::print("{}\n", line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
    return {};
  }
  std::vector<std::pair<std::string, uint64_t>> rows(counts.begin(), counts.end());
  std::stable_sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  for (const auto& [key, n] : rows) fmt::print("{:>13}  {}\n", format_count(n), key);
  fmt::print("{:>13}  in all\n", format_count(total));
  return {};
}

Status change(queue::Store& store, const QueueFilter& filter, const Options& options, queue::Change what) {
  auto totals = change_queue(store, what, filter, options.dry_run);
  if (!totals) return totals.error();
  std::fputs((options.common.json ? totals->json(what, options.dry_run) : totals->text(what, options.dry_run)).c_str(), stdout);
  return {};
}

using Action = std::function<Status(queue::Store&, const QueueFilter&, const Options&)>;

Status act(const Options& options, const Action& action) {
  auto settings = settings_for(options.common);
  if (!settings) return settings.error();
  // Before anything is started: most of what can be wrong is an option.
  if (auto good = QueueFilter::make(options.filter, *settings, 0); !good && good.error().code == Errc::kUsage) return good.error();
  auto place = Workplace::open(*settings, Access::kClient);
  if (!place) return place.error();
  queue::Store& store = (*place)->store();
  auto now = store.now_ms();
  if (!now) return now.error();
  auto filter = QueueFilter::make(options.filter, *settings, *now);
  if (!filter) return filter.error();
  return action(store, *filter, options);
}

int run_action(const Options& options, const Action& action) {
  const Status status = act(options, action);
  return status ? kExitFinished : report(status.error());
}

std::shared_ptr<Options> add_action(Command& command, Context& context, const Action& action) {
  auto options = std::make_shared<Options>();
  add_common(command, options->common);
  command.action([options, &context, action] { context.exit_code = run_action(*options, action); });
  return options;
}

void add_looking(Command& parent, Context& context) {
  Command listing = parent.subcommand("list", "a table; with --json one object for each recipient");
  auto options = add_action(listing, context, list);
  add_filter(listing, options->filter);
  listing.number("--limit", options->limit, "at most so many rows (default: 50 of the table, all with --json)");

  Command counting = parent.subcommand("count", "how many");
  options = add_action(counting, context, count);
  add_filter(counting, options->filter);
  counting.choice("--by", options->by, "counts for each (default: where)", {"campaign", "domain", "where", "code"});

  Command exporting = parent.subcommand("export", "all of it, one JSON object for each recipient");
  options = add_action(exporting, context, export_lines);
  add_filter(exporting, options->filter);
  exporting.text("--output", options->output, "write there instead of standard output (mode 600)", "FILE");
}

void add_change(Command& parent, Context& context, queue::Change what, const char* help) {
  Command command = parent.subcommand(std::string(to_string(what)), help);
  auto options = add_action(command, context, [what](auto& store, auto& filter, auto& chosen) -> Status {
    if (!chosen.filter.any() && !chosen.all) {
      return Error{Errc::kUsage, "say which recipients (--campaign, --domain, ...), or --all"};
    }
    return change(store, filter, chosen, what);
  });
  add_filter(command, options->filter);
  command.flag("--all", options->all, "everybody; needed where no filter is given");
  command.flag("--dry-run", options->dry_run, "say how many it would be, change nothing");
}

}  // namespace

void add_queue(Command& root, Context& context) {
  Command command = root.subcommand("queue", "look into the queue, recipient by recipient, and change it");
  command.needs_subcommand();
  add_looking(command, context);
  add_change(command, context, queue::Change::kHold, "out of the way until `release`; they stay queued");
  add_change(command, context, queue::Change::kRelease, "back to where they were");
  add_change(command, context, queue::Change::kDelete, "final: cancelled, one by one");
  add_change(command, context, queue::Change::kRetry,
             "who waits for a retry is due now, and domains rest no longer (who bounced or expired: `volley campaign retry`)");
  Command flush = command.subcommand("flush", "retry --all: everybody who waits is tried now; nothing is deleted");
  auto options = add_action(flush, context, [](auto& store, auto& filter, auto& chosen) {
    return change(store, filter, chosen, queue::Change::kRetry);
  });
  flush.flag("--dry-run", options->dry_run, "say how many it would be, change nothing");
  add_queue_repair(command, context);
  add_queue_reconcile(command, context);
}

}  // namespace volley::cli
