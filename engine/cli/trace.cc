// volley trace: what became of an address, or of one message.
#include <fmt/format.h>

#include <cstdio>

#include <nlohmann/json.hpp>

#include "base/log.h"
#include "engine/cli/context.h"
#include "engine/cli/exit_code.h"
#include "engine/cli/local_events.h"
#include "engine/cli/queue_row.h"
#include "engine/cli/trace_target.h"
#include "engine/cli/workplace.h"
#include "metrics/event_reader.h"

namespace volley::cli {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

struct Options {
  CommonOptions common;
  std::string what, campaign, events;
};

class Trace {
 public:
  Trace(queue::Store& store, const Options& options) : store_(store), options_(options) {}

  Status run(const Settings& settings) {
    auto known = campaigns();
    if (!known) return known.error();
    auto target = parse_trace_target(options_.what, *known);
    if (!target) return target.error();
    target_ = std::move(*target);
    if (Status status = queued(); !status) return status;
    if (Status status = target_.single.empty() ? outcomes(*known) : single(); !status) return status;
    const std::string path = events_path(settings, options_.events);
    if (Status status = events(path); !status) return status;
    if (found_) return {};
    return Error{Errc::kData, options_.what + ": not queued, without a final outcome in this queue, and not in " + path};
  }

 private:
  // Those looked at.
  Result<std::vector<std::string>> campaigns() {
    auto all = store_.list();
    if (!all) return all.error();
    std::vector<std::string> ids;
    for (const queue::Campaign& campaign : *all) {
      if (options_.campaign.empty() || campaign.id == options_.campaign) ids.push_back(campaign.id);
    }
    if (ids.empty() && !options_.campaign.empty() && options_.campaign != queue::kSingleMessages) {
      return Error{Errc::kData, "no campaign \"" + options_.campaign + "\" in this queue: see `volley campaign list`"};
    }
    return ids;
  }

  bool is_it(const queue::Place& place, const queue::Recipient& r) const {
    return target_.address ? (*target_.address)(r.address) : message_id_of(place, r.number) == target_.id();
  }

  Status queued() {
    queue::WalkFilter filter;
    filter.campaign = options_.campaign;
    if (target_.address) filter.domain = target_.address->domain();
    if (!target_.single.empty()) filter.campaign = queue::kSingleMessages;
    if (!target_.campaign.empty()) filter.wants = [this](const queue::Place& place) {
      return place.destination.campaign == target_.campaign;
    };
    queue::WalkVisitor visitor;
    visitor.found = [&](const queue::Found& found) {
      for (const queue::Recipient& r : found.recipients) {
        if (!is_it(found.place, r)) continue;
        tell_queued(found.place, r);
        if (!target_.address) return queue::Step::kStop;  // there is no other
      }
      return queue::Step::kOn;
    };
    visitor.corrupt = [](std::string_view key, std::string_view why) {
      log_warn(fmt::format("{}: {}; passed over", key, why));
    };
    return store_.walk(filter, visitor);
  }

  Status outcomes(const std::vector<std::string>& ids) {
    const std::string domain = target_.address ? target_.address->domain() : "";
    for (const std::string& id : ids) {
      if (!target_.campaign.empty() && id != target_.campaign) continue;
      const Status read = store_.each_outcome(
          id,
          [&](const queue::FinalOutcome& o) {
            const bool is_it = target_.address ? (*target_.address)(o.address) : o.number == target_.number;
            if (is_it) tell_final(id, o);
            return !is_it || target_.address.has_value();
          },
          domain);
      if (!read) return read;
    }
    return {};
  }

  Status single() {
    auto status = store_.single(target_.single);
    if (!status) return status.error();
    if (!*status) return {};
    found_ = true;
    const queue::SingleStatus& s = **status;
    if (options_.common.json) {
      print(ordered_json{{"found", "status"}, {"id", target_.single}, {"state", s.state}, {"attempts", s.attempts},
                         {"code", s.code}, {"text", s.text}, {"time", time_text(s.at_ms)}});
      return {};
    }
    fmt::print("{}: {} since {}, {} attempts{}{}\n", target_.single, s.state, time_text(s.at_ms), s.attempts,
               s.text.empty() ? "" : ", last reply: ", s.text);
    return {};
  }

  void tell_queued(const queue::Place& place, const queue::Recipient& r) {
    found_ = true;
    if (options_.common.json) {
      ordered_json line{{"found", "queued"}};
      line.update(ordered_json::parse(json_row(place, r)));
      return print(line);
    }
    std::string text = fmt::format("{} {}: {}, {} attempts", message_id_of(place, r.number), r.address, state_of(place), r.attempts);
    if (r.last_code != 0) text += fmt::format(", last reply {}", r.last_code);
    if (r.enqueued_ms != 0) text += ", queued " + time_text(r.enqueued_ms);
    if (const int64_t next = next_try_ms(place, r); next != 0) text += ", next try " + time_text(next);
    fmt::print("{}\n", text);
  }

  void tell_final(const std::string& campaign, const queue::FinalOutcome& o) {
    found_ = true;
    const std::string id = fmt::format("{}.{}", campaign, o.number);
    if (options_.common.json) {
      return print(ordered_json{{"found", "outcome"}, {"id", id}, {"campaign", campaign}, {"recipient", o.address},
                                {"number", o.number}, {"state", to_string(o.outcome)}, {"code", o.code}, {"enhanced", o.enhanced}});
    }
    std::string text = fmt::format("{} {}: {}", id, o.address, to_string(o.outcome));
    if (o.code != 0) text += fmt::format(", {}", o.code);
    if (!o.enhanced.empty()) text += " " + o.enhanced;
    fmt::print("{}\n", text);
  }

  bool is_about(std::string_view line) const {
    if (!target_.address) return metrics::event_field(line, "id") == target_.id();
    if (!options_.campaign.empty() && metrics::event_field(line, "campaign") != options_.campaign) return false;
    const std::string_view recipient = metrics::event_field(line, "recipient");
    if (recipient.find('\\') == std::string_view::npos) return (*target_.address)(recipient);
    const json event = json::parse(line, nullptr, false);  // a quoted local part
    return event.is_object() && (*target_.address)(event.value("recipient", ""));
  }

  Status events(const std::string& path) {
    return metrics::each_event_line(path, [&](std::string_view line) {
      if (!is_about(line)) return true;
      const ordered_json event = ordered_json::parse(line, nullptr, false);
      if (!event.is_object()) return true;
      found_ = true;
      if (options_.common.json) {
        ordered_json out{{"found", "event"}};
        out.update(event);
        print(out);
      } else {
        tell_event(event);
      }
      return true;
    });
  }

  static void tell_event(const ordered_json& event) {
    const auto text = [&](const char* name) { return event.value(name, ""); };
    fmt::print("  {} {} {}, attempt {}", text("time"), text("event"), text("id"), event.value("attempt", 0));
    if (!text("site").empty()) fmt::print(" at {}", text("site"));
    if (!text("host").empty()) fmt::print(" ({})", text("host"));
    if (!text("text").empty()) fmt::print(": {}", text("text"));
    fmt::print("\n");
  }

  static void print(const ordered_json& line) {
    fmt::print("{}\n", line.dump(-1, ' ', false, ordered_json::error_handler_t::replace));
  }

  queue::Store& store_;
  const Options& options_;
  TraceTarget target_;
  bool found_ = false;
};

Status trace(const Options& options) {
  auto settings = settings_for(options.common);
  if (!settings) return settings.error();
  if (auto target = parse_trace_target(options.what, {}); !target && target.error().code == Errc::kUsage) return target.error();
  auto place = Workplace::open(*settings, Access::kClient);
  if (!place) return place.error();
  return Trace((*place)->store(), options).run(*settings);
}

}  // namespace

void add_trace(Command& root, Context& context) {
  auto options = std::make_shared<Options>();
  Command command = root.subcommand("trace", "what became of an address or of one message: queue, final outcome, event log");
  add_common(command, options->common);
  command.text("--campaign", options->campaign, "in this campaign only; _messages: single messages", "ID");
  command.text("--events", options->events, "event log (default: <data>/events.jsonl, and its rotated ones)", "FILE");
  command.argument("what", options->what, "an address, a message's id, or a Message-ID", "ADDRESS|ID");
  command.action([options, &context] {
    const Status status = trace(*options);
    context.exit_code = status ? kExitFinished : report(status.error());
  });
}

}  // namespace volley::cli
