#include "engine/cli/queue_reconcile.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <unordered_map>

#include "base/hash.h"
#include "base/log.h"
#include "base/units.h"
#include "base/utf8.h"
#include "engine/cli/exit_code.h"
#include "engine/cli/history_check.h"
#include "engine/cli/local_events.h"
#include "engine/cli/queue_row.h"
#include "metrics/event_reader.h"
#include "queue/keys.h"

namespace volley::cli {
namespace {

using queue::HistoryVerdict;

constexpr int64_t kClockSlackMs = 5LL * 60 * 1000;  // event log and queue have clocks of their own
constexpr int kPasses = 4;

struct Options {
  CommonOptions common;
  std::string events;
  bool yes = false, dry_run = false;
};

struct Line {  // one final event
  uint64_t number = 0, address = 0;
  int64_t time_ms = 0;
  uint32_t generation = 1;
  uint16_t code = 0;
  queue::Outcome outcome = queue::Outcome::kDelivered;
};

std::optional<queue::Outcome> final_outcome(std::string_view event) {
  if (event == "delivered") return queue::Outcome::kDelivered;
  if (event == "bounced") return queue::Outcome::kBounced;
  if (event == "expired") return queue::Outcome::kExpired;
  if (event == "suppressed") return queue::Outcome::kSuppressed;
  return std::nullopt;
}

// "2026-11-03T09:14:07.031Z"; 0: it is not one.
int64_t time_of(const std::string& text) {
  int year = 0;
  unsigned month = 0, day = 0, hour = 0, minute = 0, second = 0, ms = 0;
  if (std::sscanf(text.c_str(), "%4d-%2u-%2uT%2u:%2u:%2u.%3uZ", &year, &month, &day, &hour, &minute, &second, &ms) != 7) return 0;
  const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(month), std::chrono::day(day)};
  if (!date.ok()) return 0;
  const auto days = std::chrono::sys_days(date).time_since_epoch().count();
  return ((int64_t{days} * 24 + hour) * 60 + minute) * 60'000 + int64_t{second} * 1000 + ms;
}

uint64_t address_hash(std::string_view address) { return xxh64(ascii_lower(address)); }

// What the event log knows as final, by campaign, sorted by number.
class Known {
 public:
  Status read(const std::string& path) {
    Status status = metrics::each_event_line(path, [this](std::string_view line) {
      take(line);
      return true;
    });
    if (!status) return status;
    for (auto& [id, lines] : campaigns_) {
      std::stable_sort(lines.begin(), lines.end(), [](const Line& a, const Line& b) { return a.number < b.number; });
    }
    return {};
  }

  struct Last {
    const Line* line = nullptr;  // null: nothing is known
    uint32_t generations = 0;    // in so many it became final; lines of the same one are repeats
  };
  Last find(const queue::Place& place, const queue::Recipient& r) const {
    Last last;
    const auto campaign = campaigns_.find(place.destination.campaign);
    if (campaign == campaigns_.end()) return last;
    const auto& lines = campaign->second;
    const uint64_t address = address_hash(r.address);
    auto at = std::lower_bound(lines.begin(), lines.end(), r.number, [](const Line& l, uint64_t n) { return l.number < n; });
    for (; at != lines.end() && at->number == r.number; ++at) {
      if (at->address != address || at->time_ms + kClockSlackMs < r.enqueued_ms) continue;
      if (!last.line || last.line->generation != at->generation) ++last.generations;
      last.line = &*at;
    }
    return last;
  }

  const std::map<std::string, std::vector<Line>, std::less<>>& campaigns() const { return campaigns_; }

 private:
  void take(std::string_view text) {
    const auto outcome = final_outcome(metrics::event_field(text, "event"));
    if (!outcome) return;
    const auto event = nlohmann::json::parse(text, nullptr, false);
    if (!event.is_object()) return;
    Line line;
    line.outcome = *outcome;
    const std::string campaign = event.value("campaign", ""), id = event.value("id", "");
    uint32_t partition = 0;
    if (campaign == queue::kSingleMessages) {
      if (!queue::parse_single_message_id(id, line.number, partition)) return;
    } else {
      const std::string_view digits = std::string_view(id).substr(std::min(id.size(), campaign.size() + 1));
      const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), line.number);
      if (error != std::errc() || end != digits.data() + digits.size()) return;
    }
    line.address = address_hash(event.value("recipient", ""));
    line.time_ms = time_of(event.value("time", ""));
    if (event.contains("generation") && event["generation"].is_number_unsigned())
      line.generation = event["generation"].get<uint32_t>();
    if (event.contains("code") && event["code"].is_number_unsigned()) line.code = event["code"].get<uint16_t>();
    campaigns_[campaign].push_back(line);
  }

  std::map<std::string, std::vector<Line>, std::less<>> campaigns_;
};

using Totals = std::map<std::string, Reconciled>;

class Pass {
 public:
  Pass(Workplace& place, const Known& known, bool dry_run) : place_(place), known_(known), dry_run_(dry_run) {}

  Status run(Totals& totals) {
    moved_ = 0;
    totals_ = &totals;
    retried_.clear();
    for (auto& [id, campaign] : totals) campaign.left = 0;
    queue::WalkVisitor visitor;
    visitor.found = [this](const queue::Found& found) { return look(found); };
    visitor.corrupt = [](std::string_view key, std::string_view why) { log_warn(fmt::format("{}: {}; passed over", key, why)); };
    Status walked = place_.store().walk({}, visitor);
    return failed_ ? walked : failed_;
  }
  uint64_t moved() const { return moved_; }

 private:
  queue::Step look(const queue::Found& found) {
    if (found.place.over) return queue::Step::kOn;
    std::vector<queue::Known> picked;
    for (size_t i = 0; i < found.recipients.size(); ++i) {
      const Known::Last last = known_.find(found.place, found.recipients[i]);
      if (!last.line) continue;
      const auto again = tried_again(found.place, found.recipients[i].number, last.line->outcome);
      if (!again) {
        failed_ = again.error();
        return queue::Step::kStop;
      }
      if (last.generations > *again) picked.push_back({i, last.line->outcome, last.line->code});
    }
    if (picked.empty()) return queue::Step::kOn;
    Reconciled& campaign = (*totals_)[found.place.destination.campaign];
    if (!dry_run_) {
      auto result = place_.store().resolve(found, picked, place_.engine_id());
      if (!result) {
        failed_ = result.error();
        return queue::Step::kStop;
      }
      if (*result != queue::ChangeResult::kChanged) {
        campaign.left += *result == queue::ChangeResult::kMoved ? picked.size() : 0;
        moved_ += *result == queue::ChangeResult::kMoved ? picked.size() : 0;
        return queue::Step::kOn;
      }
    }
    for (const queue::Known& k : picked) {
      if (k.outcome == queue::Outcome::kDelivered) ++campaign.delivered;
      if (k.outcome == queue::Outcome::kBounced) ++campaign.bounced;
      if (k.outcome == queue::Outcome::kExpired) ++campaign.expired;
      if (k.outcome == queue::Outcome::kSuppressed) ++campaign.suppressed;
    }
    if (found.place.where == queue::Where::kInFlight) campaign.in_flight += picked.size();
    const bool gone = !dry_run_ && picked.size() == found.recipients.size();
    return gone ? queue::Step::kGone : queue::Step::kOn;
  }

  // How often the recipient was queued again after it had failed. Other outcomes stay.
  Result<uint32_t> tried_again(const queue::Place& place, uint64_t number, queue::Outcome outcome) {
    if (outcome != queue::Outcome::kBounced && outcome != queue::Outcome::kExpired) return 0u;
    const auto key = std::pair(place.destination.campaign, place.partition);
    auto at = retried_.find(key);
    if (at == retried_.end()) {
      auto read = place_.store().retried(place.partition, place.destination.campaign);
      if (!read) return read.error();
      at = retried_.emplace(key, std::move(*read)).first;
    }
    const auto count = at->second.find(number);
    return count == at->second.end() ? 0u : count->second;
  }

  Workplace& place_;
  const Known& known_;
  bool dry_run_;
  std::map<std::pair<std::string, uint32_t>, std::unordered_map<uint64_t, uint32_t>> retried_;
  Totals* totals_ = nullptr;
  uint64_t moved_ = 0;
  Status failed_;
};

std::string_view verdict_word(HistoryVerdict verdict) {
  if (verdict == HistoryVerdict::kQueueOlder) return "queue_older";
  return verdict == HistoryVerdict::kDirectoryOlder ? "directory_older" : "as_left";
}

struct Findings {
  HistoryVerdict verdict = HistoryVerdict::kAsLeft;
  Totals campaigns;
  std::map<std::string, uint64_t> strangers;  // campaigns of the event log that the queue does not have -> delivered
  std::vector<std::string> importing;

  bool in_use() const {
    return std::any_of(campaigns.begin(), campaigns.end(), [](const auto& c) { return c.second.left > 0; });
  }
};

std::string json(const Findings& findings, bool done) {
  nlohmann::ordered_json line{{"command", "reconcile"}, {"dry_run", !done}, {"found", verdict_word(findings.verdict)}};
  auto& list = line["campaigns"] = nlohmann::ordered_json::array();
  for (const auto& [id, c] : findings.campaigns) {
    list.push_back({{"campaign", id}, {"delivered", c.delivered}, {"bounced", c.bounced}, {"expired", c.expired},
                    {"suppressed", c.suppressed}, {"in_flight", c.in_flight}, {"left", c.left}});
  }
  auto& gone = line["not_in_queue"] = nlohmann::ordered_json::array();
  for (const auto& [id, n] : findings.strangers) gone.push_back({{"campaign", id}, {"delivered", n}});
  line["importing"] = findings.importing;
  return line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

std::string text(const Findings& findings, bool done) {
  std::string out;
  if (findings.verdict == HistoryVerdict::kQueueOlder)
    out += "the queue is older than the data directory: it was restored from a backup\n";
  if (findings.verdict == HistoryVerdict::kDirectoryOlder)
    out += "the data directory is older than the queue: what was in flight when it was lost may be sent a second time\n";
  if (findings.verdict == HistoryVerdict::kAsLeft) out += "queue and data directory belong together\n";
  uint64_t sum = 0;
  for (const auto& [id, c] : findings.campaigns) {
    sum += c.final();
    if (c.final() > 0)
      out += fmt::format("{}: {} queued and known as final: delivered {}, bounced {}, expired {}, suppressed {}{}\n", id,
                         format_count(c.final()), format_count(c.delivered), format_count(c.bounced), format_count(c.expired),
                         format_count(c.suppressed), done ? "; final in the queue now" : "");
    if (c.left > 0) out += fmt::format("{}: {} more are in use at an engine\n", id, format_count(c.left));
  }
  if (sum == 0 && !findings.in_use()) out += "nothing that is queued is known as final\n";
  for (const std::string& id : findings.importing)
    out += fmt::format("{}: its import is not complete: finish it with `volley send --hold`, then run this again before it is "
                       "resumed, or what was sent of its rest is sent again\n", id);
  for (const auto& [id, n] : findings.strangers)
    out += fmt::format("{}: not in the queue, but {} were delivered from here: sending it anew delivers to them again\n", id,
                       format_count(n));
  if (!done) out += "nothing was changed: `volley queue reconcile --yes` does it\n";
  if (done && findings.verdict != HistoryVerdict::kAsLeft)
    out += "whoever was forgotten since the backup was made is back: `volley forget ADDRESS` again, before engines start\n";
  if (done) out += findings.in_use() ? "not all of it yet: stop the other engines, then run this again\n" : "engines start again\n";
  return out;
}

Status look_at_campaigns(queue::Store& store, const Known& known, Findings& findings) {
  auto all = store.list();
  if (!all) return all.error();
  std::set<std::string, std::less<>> there{std::string(queue::kSingleMessages)};
  for (const queue::Campaign& campaign : *all) {
    there.insert(campaign.id);
    if (campaign.state == queue::CampaignState::kImporting && known.campaigns().contains(campaign.id))
      findings.importing.push_back(campaign.id);
  }
  if (findings.verdict != HistoryVerdict::kQueueOlder) return {};
  for (const auto& [id, lines] : known.campaigns()) {
    const auto delivered = std::count_if(lines.begin(), lines.end(),
                                         [](const Line& l) { return l.outcome == queue::Outcome::kDelivered; });
    if (!there.contains(id)) findings.strangers[id] = static_cast<uint64_t>(delivered);
  }
  return {};
}

// The journal's end may not be in the event log yet.
Status complete_events(Host& host, Workplace& place, const Settings& settings, const std::string& path) {
  metrics::EventLogOptions log;
  log.path = path;
  log.max_bytes = settings.events_max_size;
  log.keep = static_cast<unsigned>(settings.events_keep);
  auto events = metrics::EventLog::open(log);
  if (!events) return events.error();
  return host.log_journal(place.data(), place.store().dedupe_key(), **events);
}

Result<Findings> reconcile(Workplace& place, const Known& known, const HistoryState& state, bool dry_run) {
  Findings findings;
  findings.verdict = state.verdict;
  if (Status status = look_at_campaigns(place.store(), known, findings); !status) return status.error();
  Pass pass(place, known, dry_run);
  for (int i = 0; i < kPasses; ++i) {
    if (Status status = pass.run(findings.campaigns); !status) return status.error();
    if (pass.moved() == 0) break;
  }
  return findings;
}

Result<int> act(const Options& options, Host& host) {
  auto settings = settings_for(options.common);
  if (!settings) return settings.error();
  auto place = Workplace::open(*settings, Access::kEngine);
  if (!place) return place.error();
  const std::string path = events_path(*settings, options.events);
  if (Status status = complete_events(host, **place, *settings, path); !status) return status.error();
  Known known;
  if (Status status = known.read(path); !status) return status.error();
  auto state = look_at_history(**place);
  if (!state) return state.error();
  const bool go = options.yes && !options.dry_run;
  auto findings = reconcile(**place, known, *state, !go);
  if (!findings) return findings.error();
  if (go && !findings->in_use()) {
    // Lease numbers start again from the backup's: what the journal says of them is about other chunks.
    if (state->verdict != HistoryVerdict::kAsLeft) {
      if (Status status = host.retire_journal((*place)->data(), (*place)->store().dedupe_key()); !status) return status.error();
    }
    if (Status status = accept_history(**place, *state); !status) return status.error();
  }
  if (go) {
    for (const auto& [id, c] : findings->campaigns) {
      if (id == queue::kSingleMessages || c.final() == 0) continue;
      if (Status status = (*place)->store().finish_if_done(id); !status) return status.error();
    }
  }
  std::fputs((options.common.json ? json(*findings, go) : text(*findings, go)).c_str(), stdout);
  if (go) return findings->in_use() ? kExitTempFail : kExitFinished;
  return options.dry_run || findings->verdict == HistoryVerdict::kAsLeft ? kExitFinished : kExitTempFail;
}

}  // namespace

void add_queue_reconcile(Command& queue, Context& context) {
  auto options = std::make_shared<Options>();
  Command command = queue.subcommand("reconcile", "after a backup was restored: say what was sent since, and make it good");
  add_common(command, options->common);
  command.text("--events", options->events, "read this delivery event log", "FILE");
  command.flag("--yes", options->yes, "do it; without it, only say what it would be");
  command.flag("--dry-run", options->dry_run, "only say what it would be, and exit 0");
  command.action([options, &context] {
    auto code = act(*options, context.host);
    context.exit_code = code ? *code : report(code.error());
  });
}

}  // namespace volley::cli
