// volley forget: removes a person from queue, journal, event log and rejects files.
#include <fmt/format.h>

#include <cstdio>
#include <set>

#include <nlohmann/json.hpp>

#include "base/log.h"
#include "base/units.h"
#include "engine/cli/address_match.h"
#include "engine/cli/context.h"
#include "engine/cli/erasure.h"
#include "engine/cli/exit_code.h"
#include "engine/cli/local_events.h"
#include "metrics/event_rewrite.h"

namespace volley::cli {
namespace {

using nlohmann::ordered_json;

struct Options {
  CommonOptions common;
  std::string address, events;
  bool yes = false;
};

struct Found {
  uint64_t queued = 0, failed = 0, outcomes = 0, replies = 0, intake = 0, events = 0, rejects = 0;
  std::string append_only_file;
  std::vector<std::string> left;   // why the same command must come again
  std::vector<std::string> notes;
};

std::string file_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }

// One look at all that is queued, and at what is kept of those that failed.
class Sweep {
 public:
  Sweep(queue::Store& store, const AddressMatch& match) : store_(store), match_(match) {}

  Status run() {
    for (const bool of_failed : {false, true}) {
      queue::WalkFilter filter;
      filter.domain = match_.domain();
      filter.failed = of_failed;
      filter.settled = true;
      queue::WalkVisitor visitor;
      visitor.found = [this](const queue::Found& found) { return look(found); };
      visitor.corrupt = [this](std::string_view key, std::string_view why) {
        ++corrupt;
        log_warn(fmt::format("{}: {}; passed over", key, why));
      };
      const Status walked = store_.walk(filter, visitor);
      if (!failed_) return failed_;
      if (!walked) return walked;
    }
    return {};
  }

  uint64_t queued = 0, failed = 0, in_flight = 0, moved = 0, corrupt = 0;
  std::set<std::string> campaigns;  // changed

 private:
  queue::Step look(const queue::Found& found) {
    const queue::Where where = found.place.where;
    std::vector<size_t> picked;
    for (size_t i = 0; i < found.recipients.size(); ++i) {
      if (match_(found.recipients[i].address)) picked.push_back(i);
    }
    // Those that were settled are still in the chunk's bytes.
    size_t all = 0;
    for (const queue::Recipient& r : found.chunk.recipients()) all += match_(r.address) ? 1 : 0;
    if (all == 0) return queue::Step::kOn;
    if (where == queue::Where::kInFlight) {
      in_flight += all;
      return queue::Step::kOn;
    }
    auto result = store_.change(queue::Change::kForget, found, picked);
    if (!result) {
      failed_ = result.error();
      return queue::Step::kStop;
    }
    if (*result != queue::ChangeResult::kChanged) {
      ++moved;
      return queue::Step::kOn;
    }
    (is_final(where) ? failed : queued) += picked.size();
    campaigns.insert(found.place.destination.campaign);
    return picked.size() == found.recipients.size() ? queue::Step::kGone : queue::Step::kOn;
  }

  queue::Store& store_;
  const AddressMatch& match_;
  Status failed_;
};

class Forget {
 public:
  Forget(Workplace& place, const AddressMatch& match, std::string events)
      : place_(place), store_(place.store()), match_(match), events_(std::move(events)) {}

  Status run() {
    for (const auto step : {&Forget::intake, &Forget::queued, &Forget::outcomes, &Forget::words, &Forget::journals, &Forget::events,
                            &Forget::rejects, &Forget::engines, &Forget::append_only_file}) {
      if (Status done = (this->*step)(); !done) return done;
    }
    return {};
  }

  Found found;

 private:
  queue::Store::Test names() const {
    return [this](std::string_view text) { return match_.named_in(text); };
  }

  Status intake() {
    auto gone = store_.forget_intake(names(), [this](std::string_view address) { return match_(address); });
    if (!gone) return gone.error();
    found.intake = gone->deleted;
    if (gone->left > 0) {
      found.left.push_back(fmt::format("{} entries of the intake stream wait that name it and are not, or not only, messages to it: "
                                       "they go once they are read", gone->left));
    }
    if (gone->full) found.notes.push_back("Redis is full, the intake streams could not be copied: deleted entries leave memory with their neighbours");
    if (gone->too_long) found.notes.push_back("the intake streams are too long to be copied: deleted entries leave memory with their neighbours");
    return {};
  }

  // Twice in a row nothing: what an engine gives back during one look is met by the next.
  Status queued() {
    int clean = 0;
    const auto look = [&]() -> Result<bool> {
      for (;;) {
        Sweep sweep(store_, match_);
        if (Status done = sweep.run(); !done) return done.error();
        found.queued += sweep.queued;
        found.failed += sweep.failed;
        changed_.merge(sweep.campaigns);
        in_flight_ = sweep.in_flight + sweep.moved;
        corrupt_ = sweep.corrupt;
        if (in_flight_ > 0) return false;
        clean = sweep.queued + sweep.failed > 0 ? 0 : clean + 1;
        if (clean == 2) return true;
      }
    };
    auto done = wait_for(look, !place_.alone());
    if (!done) return done.error();
    for (const std::string& id : changed_) {
      if (id == queue::kSingleMessages) continue;
      if (Status finished = store_.finish_if_done(id); !finished) return finished;
    }
    if (in_flight_ > 0) {
      found.left.push_back(fmt::format("{} in flight: {}", in_flight_,
                                       place_.alone() ? "an engine that died had it: `volley serve`, or `volley send` again, settles it"
                                                      : "an engine has it"));
    }
    if (corrupt_ > 0) found.notes.push_back(fmt::format("{} corrupt chunks were passed over", corrupt_));
    return {};
  }

  Status outcomes() {
    auto campaigns = store_.list();
    if (!campaigns) return campaigns.error();
    for (const queue::Campaign& campaign : *campaigns) {
      auto changed = store_.forget_outcomes(campaign.id, match_.domain(), [this](std::string_view address) { return match_(address); });
      if (!changed) return changed.error();
      found.outcomes += *changed;
      if (campaign.state == queue::CampaignState::kImporting) {
        importing_.insert(file_name(campaign.rejects_path));
        found.left.push_back(fmt::format("campaign {} is being imported: its list may still name the address", campaign.id));
      }
    }
    return {};
  }

  Status words() {
    auto changed = store_.forget_words(names());
    if (!changed) return changed.error();
    found.replies = *changed;
    return {};
  }

  Status journals() {
    if (Status removed = remove_retired_journals(place_.data()); !removed) return removed;
    auto clean = journals_without(place_, [this](std::string_view bytes) { return match_.may_be_in(bytes); });
    if (!clean) return clean.error();
    if (!*clean) found.left.push_back("a journal names it until an engine has settled what is in it");
    return {};
  }

  // A line about it loses recipient and text; another line that only names it, its text.
  Status events() {
    const auto edit = [this](std::string_view line, std::string& changed) {
      if (!match_.may_be_in(line)) return metrics::LineEdit::kKeep;
      ordered_json event = ordered_json::parse(line, nullptr, false);
      if (!event.is_object()) return match_.named_in(line) ? metrics::LineEdit::kDrop : metrics::LineEdit::kKeep;
      const bool about = match_(event.value("recipient", ""));
      const bool named = match_.named_in(event.value("text", ""));
      if (!about && !named) return metrics::LineEdit::kKeep;
      if (about) event["recipient"] = "";
      event["text"] = "";
      changed = event.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
      return metrics::LineEdit::kChange;
    };
    auto changed = metrics::rewrite_events(events_, edit);
    if (!changed && changed.error().code == Errc::kTempFail) {
      found.left.push_back(changed.error().message);
      return {};
    }
    if (!changed) return changed.error();
    found.events = *changed;
    return {};
  }

  Status rejects() {
    for (const std::string& path : rejects_files(place_.data())) {
      if (importing_.contains(file_name(path))) continue;  // it is being written
      auto dropped = drop_rows(path, names());
      if (!dropped) return dropped.error();
      found.rejects += *dropped;
    }
    return {};
  }

  Status engines() {
    auto others = other_engines(place_);
    if (!others) return others.error();
    if (*others > 0) {
      found.notes.push_back(fmt::format("{} more engines work on this queue: the same command with the --data of each clears its journal and event log",
                                        *others));
    }
    return {};
  }

  Status append_only_file() {
    auto done = rewrite_append_only_file(store_, [] { return false; });
    if (!done) return done.error();
    found.append_only_file = *done;
    return {};
  }

  Workplace& place_;
  queue::Store& store_;
  const AddressMatch& match_;
  std::string events_;
  std::set<std::string> changed_;    // campaigns
  std::set<std::string> importing_;  // rejects files
  uint64_t in_flight_ = 0, corrupt_ = 0;
};

void say(const Found& found, bool json) {
  if (json) {
    const ordered_json line{{"command", "forget"},       {"queued", found.queued},   {"failed", found.failed},
                            {"outcomes", found.outcomes}, {"replies", found.replies}, {"intake", found.intake},
                            {"events", found.events},     {"rejects", found.rejects}, {"append_only_file", found.append_only_file},
                            {"left", found.left},         {"notes", found.notes}};
    fmt::print("{}\n", line.dump(-1, ' ', false, ordered_json::error_handler_t::replace));
    return;
  }
  const auto row = [](std::string_view what, uint64_t n) { fmt::print("  {:<28} {:>10}\n", what, format_count(n)); };
  fmt::print("forgotten:\n");
  row("queued recipients", found.queued);
  row("kept recipients that failed", found.failed);
  row("addresses of final outcomes", found.outcomes);
  row("replies that named it", found.replies);
  row("entries of the intake", found.intake);
  row("lines of the event log", found.events);
  row("rows of rejects files", found.rejects);
  fmt::print("append-only file: {}\n", found.append_only_file);
  for (const std::string& note : found.notes) fmt::print("note: {}\n", note);
  fmt::print("Suppression lists in the queue are keyed hashes: an opt-out there stays. Your own list files are as they were.\n");
}

Status forget(const Options& options) {
  auto settings = settings_for(options.common);
  if (!settings) return settings.error();
  auto match = AddressMatch::make(options.address);
  if (!match) return match.error();
  auto place = Workplace::open(*settings, Access::kClient);
  if (!place) return place.error();
  if (!sure("Remove all that queue, journal and event log know of " + options.address + ", for good?", options.yes)) {
    return Error{Errc::kTempFail, "nothing was removed"};
  }
  Forget work(**place, *match, events_path(*settings, options.events));
  if (Status done = work.run(); !done) return done;
  say(work.found, options.common.json);
  if (work.found.left.empty()) return {};
  std::string why;
  for (const std::string& left : work.found.left) why += (why.empty() ? "" : "; ") + left;
  return Error{Errc::kTempFail, why + ": the same command later does the rest"};
}

}  // namespace

void add_forget(Command& root, Context& context) {
  auto options = std::make_shared<Options>();
  Command command = root.subcommand("forget", "remove a person from queue, journal, event log and rejects files");
  add_common(command, options->common);
  command.argument("address", options->address, "whom", "ADDRESS");
  command.text("--events", options->events, "event log (default: <data>/events.jsonl, and its rotated ones)", "FILE");
  command.flag("--yes", options->yes, "do not ask on a terminal");
  command.action([options, &context] {
    const Status done = forget(*options);
    context.exit_code = done ? kExitFinished : report(done.error());
  });
}

}  // namespace volley::cli
