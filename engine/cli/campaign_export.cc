// volley campaign export: one row for each accepted recipient, with what became of it.
#include <fmt/format.h>

#include <cstdio>

#include <nlohmann/json.hpp>

#include "base/log.h"
#include "base/units.h"
#include "engine/cli/context.h"
#include "engine/cli/exit_code.h"
#include "engine/cli/output.h"
#include "engine/cli/queue_row.h"
#include "engine/cli/workplace.h"
#include "queue/record.h"

namespace volley::cli {
namespace {

struct Options {
  CommonOptions common;
  std::string id, output;
};

struct Row {
  std::string_view recipient, state;
  uint16_t code = 0;
  std::string_view enhanced;
  uint64_t number = 0;
  const queue::Recipient* queued = nullptr;  // null: final
  int64_t not_before_ms = 0;
};

const char kHeader[] = "recipient,state,code,enhanced,attempts,number,enqueued,first_attempt,not_before";

std::string quoted(std::string_view text) {
  if (text.find_first_of(",\"\r\n") == std::string_view::npos) return std::string(text);
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + '"';
}

std::string csv(const Row& row) {
  const queue::Recipient* r = row.queued;
  return fmt::format("{},{},{},{},{},{},{},{},{}", quoted(row.recipient), row.state, row.code == 0 ? "" : std::to_string(row.code),
                     row.enhanced, r != nullptr ? std::to_string(r->attempts) : "", row.number,
                     r != nullptr ? time_text(r->enqueued_ms) : "", r != nullptr ? time_text(r->first_attempt_ms) : "",
                     time_text(row.not_before_ms));
}

std::string json(const Row& row) {
  using nlohmann::ordered_json;
  const auto text = [](const std::string& value) { return value.empty() ? ordered_json() : ordered_json(value); };
  ordered_json line;
  line["recipient"] = row.recipient;
  line["state"] = row.state;
  line["code"] = row.code == 0 ? ordered_json() : ordered_json(row.code);
  line["enhanced"] = text(std::string(row.enhanced));
  line["attempts"] = row.queued != nullptr ? ordered_json(row.queued->attempts) : ordered_json();
  line["number"] = row.number;
  line["enqueued"] = row.queued != nullptr ? text(time_text(row.queued->enqueued_ms)) : ordered_json();
  line["first_attempt"] = row.queued != nullptr ? text(time_text(row.queued->first_attempt_ms)) : ordered_json();
  line["not_before"] = text(time_text(row.not_before_ms));
  return line.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

// Queued ones first: who becomes final meanwhile comes twice then, rather than not at all; and who is queued again meanwhile has the
// outcome of before.
Result<uint64_t> write_rows(queue::Store& store, const Options& options, Output& output) {
  uint64_t rows = 0;
  const auto moment = store.outcome_moment(options.id);
  if (!moment) return moment.error();
  const auto write = [&](const Row& row) {
    ++rows;
    output.line(options.common.json ? json(row) : csv(row));
    return !output.broken();
  };
  queue::WalkVisitor visitor;
  visitor.found = [&](const queue::Found& found) {
    for (const queue::Recipient& r : found.recipients) {
      const bool on = write({r.address, state_of(found.place), r.last_code, {}, r.number, &r, next_try_ms(found.place, r)});
      if (!on) return queue::Step::kStop;
    }
    return queue::Step::kOn;
  };
  visitor.corrupt = [](std::string_view key, std::string_view why) {
    log_warn(fmt::format("{}: {}; passed over", key, why));
  };
  queue::WalkFilter filter;
  filter.campaign = options.id;
  if (Status walked = store.walk(filter, visitor); !walked) return walked.error();
  const auto final = [&](const queue::FinalOutcome& o) {
    return write({o.address, to_string(o.outcome), o.code, o.enhanced, o.number});
  };
  const Status read = store.each_outcome(options.id, final, {}, &*moment);
  if (!read) return read.error();
  return rows;
}

// Cancelling is at once: who had no outcome then is dropped in bulk, and only counted. A purge that began meanwhile has taken rows
// that nobody counts.
Status tell_the_rest(queue::Store& store, const std::string& id, uint64_t rows) {
  auto campaign = store.find(id);
  if (!campaign) return campaign.error();
  if (!*campaign) return Error{Errc::kData, fmt::format("campaign {} was purged meanwhile: rows are missing", id)};
  if (Status stays = queue::check_stays(**campaign); !stays) return stays;
  auto counts = store.counts(id);
  if (!counts) return counts.error();
  if (counts->accepted == rows) return {};
  if (!(*campaign)->knows_recipients()) {
    fmt::print(stderr, "volley: its recipients were dropped after [privacy] retain: only their counts are known\n");
    return {};
  }
  const bool cancelled = (*campaign)->state == queue::CampaignState::kCancelled;
  if (cancelled && counts->accepted > rows) {
    fmt::print(stderr, "volley: {} more were cancelled with the campaign, and are not in its queue any more\n",
               format_count(counts->accepted - rows));
  } else {
    fmt::print(stderr, "volley: {} rows of {} accepted: mail moved on meanwhile\n", format_count(rows), format_count(counts->accepted));
  }
  return {};
}

Status export_campaign(const Options& options) {
  auto settings = settings_for(options.common);
  if (!settings) return settings.error();
  auto place = Workplace::open(*settings, Access::kClient);
  if (!place) return place.error();
  queue::Store& store = (*place)->store();
  auto found = store.find(options.id);
  if (!found) return found.error();
  if (!*found) return Error{Errc::kData, "no campaign \"" + options.id + "\" in this queue: see `volley campaign list`"};
  if (Status stays = queue::check_stays(**found); !stays) return stays;
  auto output = Output::open(options.output);
  if (!output) return output.error();
  if (!options.common.json) output->line(kHeader);
  auto rows = write_rows(store, options, *output);
  if (!rows) return rows.error();
  if (Status finished = output->finish(); !finished) return finished;
  return tell_the_rest(store, options.id, *rows);
}

}  // namespace

void add_campaign_export(Command& campaign, Context& context) {
  auto options = std::make_shared<Options>();
  Command command = campaign.subcommand("export", "a row for each accepted recipient: CSV, or JSON lines with --json");
  add_common(command, options->common);
  command.text("--output", options->output, "write there instead of standard output (mode 600)", "FILE");
  command.argument("id", options->id, "campaign", "ID");
  command.action([options, &context] {
    const Status status = export_campaign(*options);
    context.exit_code = status ? kExitFinished : report(status.error());
  });
}

}  // namespace volley::cli
