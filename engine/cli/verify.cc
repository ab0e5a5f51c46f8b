#include "engine/cli/verify.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>

#include <nlohmann/json.hpp>

#include "base/address.h"
#include "base/log.h"
#include "base/random.h"
#include "base/units.h"

namespace volley::cli {
namespace {

constexpr size_t kExamples = 10;
constexpr size_t kLongestAddress = 300;

std::string random_key() {
  const uint64_t words[2] = {Random::seed_from_system(), Random::seed_from_system()};
  return {reinterpret_cast<const char*>(words), sizeof words};
}

}  // namespace

Verification::Verification(std::string_view key) : hash_(key) {}

void Verification::add(const queue::FinalOutcome& outcome) {
  ++tally_[static_cast<size_t>(outcome.outcome)];
  if (outcome.address.empty()) {
    ++said_.forgotten;
    return;
  }
  entries_.push_back({hash_(fold_address(outcome.address)), outcome.outcome, 0});
}

void Verification::seal() {
  std::sort(entries_.begin(), entries_.end(), [](const Entry& a, const Entry& b) { return a.address < b.address; });
  const auto same = [](const Entry& a, const Entry& b) { return a.address == b.address; };
  const auto last = std::unique(entries_.begin(), entries_.end(), same);
  twice_in_queue_ = static_cast<uint64_t>(entries_.end() - last);
  entries_.erase(last, entries_.end());
}

Verification::Entry* Verification::find(std::string_view address) {
  const Hash128 key = hash_(fold_address(address));
  const auto at = std::lower_bound(entries_.begin(), entries_.end(), key,
                                   [](const Entry& entry, const Hash128& wanted) { return entry.address < wanted; });
  return at != entries_.end() && at->address == key ? &*at : nullptr;
}

void Verification::read_line(std::string_view line) {
  if (line.empty()) return;  // left by a disk that was full
  const auto message = nlohmann::json::parse(line, nullptr, false);
  if (!message.is_object() || !message.contains("rcpt") || !message["rcpt"].is_array()) {
    ++said_.unreadable;
    return;
  }
  for (const auto& recipient : message["rcpt"]) {
    Entry* entry = recipient.is_string() ? find(recipient.get_ref<const std::string&>()) : nullptr;
    if (entry != nullptr) {
      ++entry->copies;
    } else {
      ++said_.others;
    }
  }
}

void Verification::read_log(std::istream& log) {
  for (std::string line; std::getline(log, line);) read_line(line);
}

void Verification::check_totals(const Summary& summary) {
  const queue::Counts& c = summary.counts;
  const uint64_t sum = c.delivered + c.bounced + c.expired + c.suppressed + c.cancelled + c.queued;
  if (c.accepted != sum) {
    said_.broken.push_back(fmt::format("accepted {}, but delivered, bounced, expired, suppressed, cancelled and queued are {}",
                                       format_count(c.accepted), format_count(sum)));
  }
  const uint64_t read = c.accepted + summary.invalid + summary.duplicate;
  if (summary.campaign.import_closed && summary.read != read) {
    said_.broken.push_back(fmt::format("read {}, but accepted, invalid and duplicate are {}", format_count(summary.read),
                                       format_count(read)));
  }
}

void Verification::check_identity(const Summary& before, const Summary& after) {
  check_totals(before);
  said_.only_counts = !after.campaign.knows_recipients();
  if (said_.only_counts) return;
  const auto between = [this](queue::Outcome outcome, uint64_t low, uint64_t high) {
    const uint64_t there = tally_[static_cast<size_t>(outcome)];
    if (there >= low && there <= high) return;
    said_.broken.push_back(fmt::format("{} counted as {}, but {} outcomes say so", format_count(high), queue::to_string(outcome),
                                       format_count(there)));
  };
  between(queue::Outcome::kDelivered, before.counts.delivered, after.counts.delivered);
  between(queue::Outcome::kBounced, before.counts.bounced, after.counts.bounced);
  between(queue::Outcome::kExpired, before.counts.expired, after.counts.expired);
  between(queue::Outcome::kSuppressed, before.counts.suppressed, after.counts.suppressed);
  if (twice_in_queue_ > 0) said_.broken.push_back(format_count(twice_in_queue_) + " outcomes beyond one for each recipient");
}

bool Verification::explain(const queue::FinalOutcome& outcome) {
  const Entry* entry = find(outcome.address);
  if (entry == nullptr) return true;
  const bool delivered = entry->outcome == queue::Outcome::kDelivered;
  if (delivered != (entry->copies == 0)) return true;
  said_.examples.push_back(sanitize(outcome.address, kLongestAddress) + ": " + std::string(queue::to_string(entry->outcome)) +
                           (delivered ? ", but in no log" : ", but in the log"));
  return said_.examples.size() < kExamples;
}

Verdicts Verification::result() const {
  Verdicts out = said_;
  out.identity = out.broken.empty();
  if (out.only_counts) return out;
  out.delivered = tally_[static_cast<size_t>(queue::Outcome::kDelivered)];
  for (const Entry& entry : entries_) {
    const bool delivered = entry.outcome == queue::Outcome::kDelivered;
    if (delivered && entry.copies == 0) ++out.lost;
    if (!delivered && entry.copies > 0) ++out.wrong;
    if (entry.copies > 0) ++out.in_log;
    if (entry.copies > 1) {
      ++out.duplicated;
      out.copies += entry.copies - 1;
    }
  }
  return out;
}

std::string Verdicts::json(const queue::Campaign& campaign) const {
  nlohmann::ordered_json line;
  line["id"] = campaign.id;
  line["state"] = queue::to_string(campaign.state);
  line["identity"] = identity;
  line["broken"] = broken;
  line["delivered"] = delivered;
  line["in_log"] = in_log;
  line["lost"] = lost;
  line["duplicated"] = duplicated;
  line["copies"] = copies;
  line["wrong"] = wrong;
  line["forgotten"] = forgotten;
  line["only_counts"] = only_counts;
  line["others"] = others;
  line["unreadable"] = unreadable;
  line["examples"] = examples;
  return line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string Verdicts::text() const {
  std::string out = identity ? "verified: every accepted recipient is accounted for\n" : "";
  for (const std::string& what : broken) out += "not accounted for: " + what + '\n';
  if (only_counts) {
    return out + "  only the counts are known: [privacy] retain has dropped its recipients, nobody can be held against the log\n";
  }
  const auto row = [&](std::string_view label, uint64_t n, std::string_view note) {
    out += fmt::format("  {:<11}{:>13}   {}\n", label, format_count(n), note);
  };
  row("in the log", in_log, "recipients of this campaign");
  row("lost", lost, "delivered, but in no log");
  row("duplicated", duplicated, copies > duplicated ? format_count(copies) + " messages beyond the first" : "in the log more than once");
  row("wrong", wrong, "bounced, expired or suppressed, but in the log");
  if (forgotten > 0) row("forgotten", forgotten, "outcomes without an address (volley forget), neither lost nor wrong");
  if (others > 0) row("others", others, "in the log, without a final outcome in this campaign");
  if (unreadable > 0) row("unreadable", unreadable, "lines of the log");
  for (const std::string& example : examples) out += "    " + example + '\n';
  return out;
}

Result<Verdicts> verify(queue::Store& store, const std::string& id, const std::vector<std::string>& logs,
                        const std::function<Result<Summary>()>& summary) {
  Verification verification(random_key());
  const auto tried = store.tried_again(id);
  if (!tried) return tried.error();
  auto before = summary();
  if (!before) return before.error();
  const auto add = [&](const queue::FinalOutcome& outcome) {
    verification.add(outcome);
    return true;
  };
  if (Status all = store.each_outcome(id, add); !all) return all.error();
  verification.seal();
  auto after = summary();
  if (!after) return after.error();
  const auto tried_since = store.tried_again(id);
  if (!tried_since) return tried_since.error();
  if (*tried_since != *tried) {
    return Error{Errc::kTempFail, fmt::format("campaign {}: {} recipients were queued again meanwhile, by `volley campaign retry`: once "
                                              "that has ended, the same command can tell", id, format_count(*tried_since - *tried))};
  }
  verification.check_identity(*before, *after);
  if (!after->campaign.knows_recipients()) return verification.result();
  for (const std::string& path : logs) {
    std::ifstream log(path, std::ios::binary);
    if (log) verification.read_log(log);
    if (!log.eof()) return Error{Errc::kNoInput, path + ": cannot be read"};
  }
  const Verdicts verdicts = verification.result();
  if (verdicts.lost == 0 && verdicts.wrong == 0) return verdicts;
  const auto explain = [&](const queue::FinalOutcome& outcome) { return verification.explain(outcome); };
  if (Status again = store.each_outcome(id, explain); !again) return again.error();
  return verification.result();
}

}  // namespace volley::cli
