#include "engine/cli/queue_change.h"

#include <fmt/format.h>

#include <set>
#include <tuple>

#include <nlohmann/json.hpp>

#include "base/log.h"
#include "base/units.h"

namespace volley::cli {
namespace {

constexpr int kPasses = 4;  // what moves on faster than that is an engine's

class Pass {
 public:
  Pass(queue::Store& store, queue::Change what, const QueueFilter& filter, bool dry_run)
      : store_(store), what_(what), filter_(filter), dry_run_(dry_run) {}

  Status run() {
    queue::WalkVisitor visitor;
    visitor.found = [this](const queue::Found& found) { return look(found); };
    visitor.corrupt = [this](std::string_view key, std::string_view why) {
      ++totals.corrupt;
      log_warn(fmt::format("{}: {}; passed over", key, why));
    };
    Status walked = store_.walk(filter_.places(), visitor);
    return failed_ ? walked : failed_;
  }

  ChangeTotals totals;
  std::set<std::string> campaigns;  // changed

 private:
  queue::Step look(const queue::Found& found) {
    const queue::Place& place = found.place;
    if (place.over) return queue::Step::kOn;
    const std::vector<size_t> picked = filter_.pick(found);
    if (picked.empty()) return queue::Step::kOn;
    if (place.where == queue::Where::kInFlight) totals.in_flight += picked.size();
    if (what_ == queue::Change::kRetry && !wake(place)) return queue::Step::kStop;
    if (!applies_to(what_, place.where)) return queue::Step::kOn;
    return dry_run_ ? count(picked) : change(found, picked);
  }

  queue::Step count(const std::vector<size_t>& picked) {
    totals.changed += picked.size();
    return queue::Step::kOn;
  }

  queue::Step change(const queue::Found& found, const std::vector<size_t>& picked) {
    auto result = store_.change(what_, found, picked);
    if (!result) {
      failed_ = result.error();
      return queue::Step::kStop;
    }
    if (*result != queue::ChangeResult::kChanged) {
      totals.moved += *result == queue::ChangeResult::kMoved ? picked.size() : 0;
      return queue::Step::kOn;
    }
    totals.changed += picked.size();
    campaigns.insert(found.place.destination.campaign);
    return picked.size() == found.recipients.size() ? queue::Step::kGone : queue::Step::kOn;
  }

  // Before anything of the domain is made due, which wakes it, too: so that it is counted.
  bool wake(const queue::Place& place) {
    if (dry_run_ || (place.where != queue::Where::kReady && place.where != queue::Where::kWaiting)) return true;
    if (!awake_.emplace(place.destination.lane, place.destination.tenant, place.destination.domain).second) return true;
    auto woken = store_.wake(place.destination, place.partition);
    if (!woken) failed_ = woken.error();
    totals.woken += woken ? *woken : 0;
    return woken.ok();
  }

  queue::Store& store_;
  queue::Change what_;
  const QueueFilter& filter_;
  bool dry_run_;
  std::set<std::tuple<queue::Lane, std::string, std::string>> awake_;
  Status failed_;
};

std::string recipients(uint64_t n) { return format_count(n) + (n == 1 ? " recipient" : " recipients"); }

}  // namespace

Result<ChangeTotals> change_queue(queue::Store& store, queue::Change what, const QueueFilter& filter, bool dry_run) {
  ChangeTotals sum;
  std::set<std::string> campaigns;
  for (int i = 0; i < kPasses; ++i) {
    Pass pass(store, what, filter, dry_run);
    if (Status status = pass.run(); !status) return status.error();
    campaigns.merge(pass.campaigns);
    sum.changed += pass.totals.changed;
    sum.woken += pass.totals.woken;
    sum.in_flight = pass.totals.in_flight;
    sum.moved = pass.totals.moved;
    sum.corrupt = pass.totals.corrupt;
    if (sum.moved == 0) break;
  }
  for (const std::string& id : campaigns) {
    if (what != queue::Change::kDelete || id == queue::kSingleMessages) continue;
    if (Status status = store.finish_if_done(id); !status) return status.error();
  }
  return sum;
}

std::string ChangeTotals::json(queue::Change what, bool dry_run) const {
  nlohmann::ordered_json line;
  line["command"] = to_string(what);
  line["dry_run"] = dry_run;
  line["changed"] = changed;
  line["in_flight"] = in_flight;
  line["moved"] = moved;
  line["woken"] = woken;
  line["corrupt"] = corrupt;
  return line.dump() + "\n";
}

std::string ChangeTotals::text(queue::Change what, bool dry_run) const {
  const std::string_view done = what == queue::Change::kHold      ? "held"
                                : what == queue::Change::kRelease ? "released"
                                : what == queue::Change::kDelete  ? "deleted"
                                                                  : "due now";
  std::string out = fmt::format("{}: {}\n", dry_run ? fmt::format("would be {}", done) : std::string(done), recipients(changed));
  if (woken > 0) out += fmt::format("{} that rested {} offered again\n", woken == 1 ? "1 domain" : format_count(woken) + " domains",
                                    woken == 1 ? "is" : "are");
  if (in_flight > 0) out += fmt::format("in flight, left alone: {} that match, leased to an engine\n", recipients(in_flight));
  if (moved > 0) out += fmt::format("went on meanwhile, left alone: {}\n", recipients(moved));
  if (corrupt > 0) out += fmt::format("corrupt chunks passed over: {}\n", format_count(corrupt));
  return out;
}

}  // namespace volley::cli
