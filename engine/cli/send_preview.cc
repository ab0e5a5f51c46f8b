#include "engine/cli/send_preview.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/log.h"
#include "base/units.h"

namespace volley::cli {
namespace {

uint64_t accepted(const intake::ListFacts& facts) {
  return facts.rows - facts.invalid - facts.duplicate;
}

std::string count_of(uint64_t n, std::string_view one, std::string_view many) {
  return fmt::format("{} {}", format_count(n), n == 1 ? one : many);
}

}  // namespace

std::string dry_run_json(const intake::ListFacts& facts) {
  nlohmann::ordered_json line;
  line["read"] = facts.rows;
  line["accepted"] = accepted(facts);
  line["invalid"] = facts.invalid;
  line["duplicate"] = facts.duplicate;
  line["suppressed"] = facts.suppressed;
  line["domains"] = facts.domains;
  return line.dump();
}

std::string dry_run_text(const intake::ListFacts& facts) {
  return fmt::format(
      "{} read, {} accepted ({} of them suppressed), {} invalid, {} duplicate, {}; every message "
      "was rendered; nothing was "
      "queued\n",
      count_of(facts.rows, "row", "rows"), format_count(accepted(facts)),
      format_count(facts.suppressed), format_count(facts.invalid), format_count(facts.duplicate),
      count_of(facts.domains, "domain", "domains"));
}

std::string recipients_text(const intake::ListFacts& facts, std::string_view how,
                            std::string_view rejects_path) {
  std::string out =
      fmt::format("{} in {}, {}\n", count_of(accepted(facts), "recipient", "recipients"),
                  count_of(facts.domains, "domain", "domains"), how);
  if (facts.suppressed > 0) {
    out += fmt::format("{} of them {} nothing\n", format_count(facts.suppressed),
                       facts.suppressed == 1 ? "is suppressed and gets" : "are suppressed and get");
  }
  if (facts.invalid + facts.duplicate > 0) {
    out += fmt::format("Left out: {}, {}{}{}\n",
                       count_of(facts.invalid, "invalid row", "invalid rows"),
                       count_of(facts.duplicate, "duplicate", "duplicates"),
                       rejects_path.empty() ? "" : ", listed in ", rejects_path);
  }
  return out;
}

std::string rest_text(const queue::Campaign& campaign, const queue::Counts& counts,
                      std::string_view how) {
  std::string out = fmt::format("Campaign {} was started before", campaign.id);
  if (campaign.state == queue::CampaignState::kPaused) {
    out += " and is paused";
    if (!campaign.reason.empty()) out += fmt::format(" ({})", sanitize(campaign.reason));
  }
  if (!campaign.import_closed) out += "; its import goes on where it stopped";
  return out + fmt::format("\n{} of {} left, {}\n", format_count(counts.queued),
                           count_of(counts.accepted, "recipient", "recipients"), how);
}

std::string message_text(std::string_view message, size_t cap) {
  std::string out;
  while (!message.empty()) {
    std::string_view line = message.substr(0, message.find('\n'));
    if (out.size() + line.size() > cap) break;
    message.remove_prefix(std::min(message.size(), line.size() + 1));
    if (line.ends_with('\r')) line.remove_suffix(1);
    out += sanitize(line, cap) + '\n';
  }
  if (!message.empty()) {
    out += fmt::format("... and {} more; `volley render` shows all of it\n",
                       count_of(message.size(), "byte", "bytes"));
  }
  return out;
}

}  // namespace volley::cli
