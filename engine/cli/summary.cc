#include "engine/cli/summary.h"

#include <fmt/format.h>

#include <algorithm>

#include <nlohmann/json.hpp>

#include "base/units.h"

namespace volley::cli {

namespace {

// Of what a cancelled campaign had in flight only the engine's journal knows what became.
std::string queued_note(const queue::Campaign& campaign, const queue::Counts& counts) {
  if (campaign.state == queue::CampaignState::kCancelled && counts.queued > 0) {
    return "in flight: their engine tells what became of them; one that was killed, at its next "
           "start";
  }
  std::string note;
  if (counts.waiting_retry > 0) note = format_count(counts.waiting_retry) + " wait for a retry";
  if (counts.held > 0) {
    note += fmt::format("{}{} held: `volley queue release --campaign {}`", note.empty() ? "" : ", ",
                        format_count(counts.held), campaign.id);
  }
  return note;
}

}  // namespace

bool Summary::finished() const {
  if (counts.queued > 0) return false;
  if (campaign.state == queue::CampaignState::kCancelled)
    return true;  // what was not imported never will be
  return campaign.import_closed && campaign.state == queue::CampaignState::kFinished;
}

std::string Summary::json() const {
  nlohmann::ordered_json line;
  line["id"] = campaign.id;
  line["state"] = queue::to_string(campaign.state);
  line["reason"] = campaign.reason;
  line["read"] = read;
  line["accepted"] = counts.accepted;
  line["invalid"] = invalid;
  line["duplicate"] = duplicate;
  line["suppressed"] = counts.suppressed;
  line["delivered"] = counts.delivered;
  line["bounced"] = counts.bounced;
  line["expired"] = counts.expired;
  line["cancelled"] = counts.cancelled;
  line["queued"] = counts.queued;
  line["seconds"] = static_cast<double>(std::chrono::duration_cast<std::chrono::milliseconds>(elapsed).count()) / 1000;
  line["rejects"] = campaign.rejects_path;
  return line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string Summary::text() const {
  std::string out = fmt::format("campaign {}: {}", campaign.id, queue::to_string(campaign.state));
  if (!campaign.reason.empty()) out += fmt::format(" ({})", campaign.reason);
  const double seconds = std::chrono::duration<double>(elapsed).count();
  out += fmt::format(" after {}\n", format_duration(elapsed));
  const auto row = [&](std::string_view label, uint64_t n, std::string_view note = "") {
    out += fmt::format("  {:<11}{:>13}{}{}\n", label, format_count(n), note.empty() ? "" : "   ", note);
  };
  row("read", read);
  if (invalid > 0) row("invalid", invalid, campaign.rejects_path);
  if (duplicate > 0) row("duplicate", duplicate);
  row("accepted", counts.accepted);
  const auto delivered = static_cast<double>(counts.delivered - std::min(counts.delivered, delivered_before));
  row("delivered", counts.delivered, seconds >= 1 && delivered > 0 ? format_rate(delivered / seconds) : "");
  row("bounced", counts.bounced);
  if (counts.expired > 0) row("expired", counts.expired);
  if (counts.suppressed > 0) row("suppressed", counts.suppressed);
  if (counts.cancelled > 0) row("cancelled", counts.cancelled);
  row("queued", counts.queued, queued_note(campaign, counts));
  return out;
}

}  // namespace volley::cli
