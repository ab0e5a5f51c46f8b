#include "queue/campaign.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "queue/record.h"
#include "queue/schedule.h"

namespace volley::queue {

namespace {

using nlohmann::json;

constexpr std::array<std::string_view, 6> kStates = {"importing", "running",  "paused",
                                                     "cancelled", "finished", "scheduled"};

// One list of fields for both directions. `io(name, member)`.
template <typename C, typename Io>
void each_field(C& c, Io io) {
  io("id", c.id);
  io("name", c.name);
  io("tenant", c.tenant);
  io("reason", c.reason);
  io("revision", c.revision);
  io("import_epoch", c.import_epoch);
  io("import_closed", c.import_closed);
  io("stream", c.stream);
  io("hold", c.hold);
  io("list_fingerprint", c.list_fingerprint);
  io("content_fingerprint", c.content_fingerprint);
  io("content_revision", c.content_revision);
  io("generation", c.generation);
  io("columns", c.columns);
  io("read", c.read);
  io("invalid", c.invalid);
  io("duplicate", c.duplicate);
  io("created_ms", c.created_ms);
  io("started_ms", c.started_ms);
  io("finished_ms", c.finished_ms);
  io("weight", c.weight);
  io("rate", c.rate);
  io("retry_first_delay_ms", c.retry.first_delay_ms);
  io("retry_max_delay_ms", c.retry.max_delay_ms);
  io("retry_give_up_after_ms", c.retry.give_up_after_ms);
  io("start_ms", c.start_ms);
  io("end_ms", c.end_ms);
  io("window", c.window);
  io("stop_bounced", c.stop_bounced);
  io("stop_after", c.stop_after);
  io("canary", c.canary);
  io("canary_waits", c.canary_waits);
  io("canary_approved", c.canary_approved);
  io("from_domain", c.from_domain);
  io("return_path", c.return_path);
  io("sign", c.sign);
  io("suppress_revision", c.suppress_revision);
  io("rejects_path", c.rejects_path);
  io("purging", c.purging);
  io("blotting", c.blotting);
  io("blotted_ms", c.blotted_ms);
}

Error illegal(const Campaign& c, CampaignState to) {
  return {Errc::kData, fmt::format("campaign {} is {}: it cannot become {}", c.id,
                                   to_string(c.state), to_string(to))};
}

Error waits_for_approval(const Campaign& c) {
  return {Errc::kData, fmt::format("campaign {} waits for approval of its canary: `volley campaign "
                                   "approve {}` lets it go on",
                                   c.id, c.id)};
}

bool is_over(const Campaign& c) {
  return c.state == CampaignState::kCancelled || c.state == CampaignState::kFinished;
}

Status check_may_go(const Campaign& c) {
  if (is_over(c)) return {};
  return Error{Errc::kData, fmt::format("campaign {} is {}: `volley campaign cancel {}` first",
                                        c.id, to_string(c.state), c.id)};
}

}  // namespace

std::string_view to_string(CampaignState state) { return kStates[static_cast<size_t>(state)]; }

Result<CampaignState> parse_campaign_state(std::string_view text) {
  const auto found = std::find(kStates.begin(), kStates.end(), text);
  if (found == kStates.end())
    return Error{Errc::kData, fmt::format("no campaign state is called '{}'", text)};
  return static_cast<CampaignState>(found - kStates.begin());
}

Status check_campaign_id(std::string_view id) {
  const bool good = !id.empty() && id.size() <= 64 && id[0] != '_' && id[0] != '.' &&
                    std::all_of(id.begin(), id.end(), [](unsigned char c) {
                      return (c < 0x80 && std::isalnum(c)) || c == '-' || c == '_' || c == '.';
                    });
  if (good) return {};
  return Error{Errc::kData,
               "a campaign id is 1 to 64 letters, digits, '-', '_' or '.', and does not start with "
               "'_' or '.'"};
}

std::string Campaign::to_json() const {
  json out = json::object();
  each_field(*this, [&](const char* key, const auto& member) { out[key] = member; });
  out["lane"] = to_string(lane);
  out["state"] = to_string(state);
  // Names and paths need not be UTF-8; a record must be writable all the same.
  return out.dump(-1, ' ', false, json::error_handler_t::replace);
}

Result<Campaign> Campaign::from_json(std::string_view text) {
  const json in = json::parse(text, nullptr, false);
  if (!in.is_object())
    return Error{Errc::kData, "campaign record in the queue is not a JSON object"};
  Campaign c;
  try {
    each_field(c, [&](const char* key, auto& member) {
      // Absent: written by an older Volley; the default holds.
      if (const auto found = in.find(key); found != in.end()) found->get_to(member);
    });
    c.lane = in.value("lane", std::string("bulk")) == "transactional" ? Lane::kTransactional
                                                                      : Lane::kBulk;
    auto state = parse_campaign_state(in.at("state").get<std::string>());
    if (!state) return state.error();
    c.state = *state;
  } catch (const json::exception& e) {
    return Error{Errc::kData, fmt::format("campaign record in the queue is corrupt: {}", e.what())};
  }
  if (c.id.empty()) return Error{Errc::kData, "campaign record in the queue has no id"};
  return c;
}

bool may_send(const Campaign& c) {
  return c.state == CampaignState::kRunning || (c.state == CampaignState::kImporting && c.stream);
}

std::string_view partition_state(const Campaign& c) {
  return may_send(c) ? to_string(CampaignState::kRunning) : to_string(c.state);
}

Status check_stays(const Campaign& c) {
  if (!c.purging) return {};
  return Error{Errc::kData, fmt::format("campaign {} is being purged: `volley campaign purge {}` "
                                        "ends that",
                                        c.id, c.id)};
}

Result<bool> begin_purge(Campaign& c) {
  if (c.purging) return false;
  if (Status over = check_may_go(c); !over) return over.error();
  c.purging = true;
  c.reason = kBeingPurged;
  return true;
}

Result<bool> begin_blot(Campaign& c) {
  if (Status stays = check_stays(c); !stays) return stays.error();
  if (Status over = check_may_go(c); !over) return over.error();
  if (c.blotting || c.blotted_ms != 0) return false;
  c.blotting = true;
  return true;
}

Result<bool> end_blot(Campaign& c, int64_t now_ms) {
  if (!c.blotting) return false;
  c.blotting = false;
  c.blotted_ms = now_ms;
  return true;
}

Result<bool> change_state(Campaign& c, CampaignState to, std::string_view reason, int64_t now_ms) {
  using enum CampaignState;
  if (Status stays = check_stays(c); !stays) return stays.error();
  const bool wants_to_run = to == kRunning;
  // Resuming what was paused before its list was complete resumes the import.
  if (to == kRunning && !c.import_closed && c.id != kSingleMessages) to = kImporting;
  const bool over = is_over(c);
  if (wants_to_run && !over) {
    if (c.canary_waits) return waits_for_approval(c);
    if (Status runs = check_not_ended(c, now_ms); !runs) return runs.error();
    if (to == kRunning && is_shut(c, now_ms)) to = kScheduled;
  }
  if (c.state == to) return false;
  const bool legal = !over && (to == kPaused || to == kCancelled || to == kRunning ||
                               to == kScheduled || (to == kImporting && c.state == kPaused) ||
                               (to == kFinished && (c.state == kRunning || c.state == kScheduled)));
  if (!legal) return illegal(c, to);
  c.state = to;
  c.reason = to == kPaused || to == kCancelled ? std::string(reason) : std::string();
  if (to == kScheduled) c.reason = when_it_opens(c, now_ms);
  if (may_send(c) && c.started_ms == 0) c.started_ms = now_ms;
  if (to == kCancelled || to == kFinished) c.finished_ms = now_ms;
  return true;
}

bool may_finish(const Campaign& c) {
  return c.import_closed &&
         (c.state == CampaignState::kRunning || c.state == CampaignState::kScheduled);
}

Result<bool> finish(Campaign& c, uint64_t revision, int64_t now_ms) {
  if (c.revision != revision || !may_finish(c)) return false;
  return change_state(c, CampaignState::kFinished, {}, now_ms);
}

Result<bool> reopen(Campaign& c) {
  using enum CampaignState;
  if (Status stays = check_stays(c); !stays) return stays.error();
  if (c.state == kCancelled || c.state == kImporting) return illegal(c, kRunning);
  if (!c.knows_recipients()) {
    return Error{Errc::kData,
                 fmt::format("campaign {}: its recipients were dropped after [privacy] "
                             "retain: nobody is known who could be tried again",
                             c.id)};
  }
  // Also one that runs: it must not finish, nor send by what it knows of suppressions, before all are queued.
  if (c.state != kPaused) {
    c.state = kPaused;
    c.reason = kTryingAgain;
    c.finished_ms = 0;
  }
  ++c.generation;
  return true;
}

Result<bool> replace_content(Campaign& c, std::string_view fingerprint,
                             std::string_view from_domain, bool sign) {
  if (Status stays = check_stays(c); !stays) return stays.error();
  if (c.state != CampaignState::kPaused) {
    return Error{Errc::kData,
                 fmt::format("campaign {} is {}: `volley campaign pause {}` first, so that "
                             "nobody gets the old content after this",
                             c.id, to_string(c.state), c.id)};
  }
  if (c.content_fingerprint == fingerprint) return false;
  c.content_fingerprint = fingerprint;
  c.from_domain = from_domain;
  c.sign = sign;
  ++c.content_revision;
  return true;
}

Result<bool> await_approval(Campaign& c, int64_t now_ms) {
  if (c.canary == 0 || c.canary_approved || c.canary_waits || !may_send(c)) return false;
  auto paused = change_state(
      c, CampaignState::kPaused,
      fmt::format("canary: the first {} are out; `volley campaign approve {}` lets it go on",
                  c.canary, c.id),
      now_ms);
  if (paused.ok()) c.canary_waits = true;
  return paused;
}

Result<bool> approve(Campaign& c, int64_t now_ms) {
  if (Status stays = check_stays(c); !stays) return stays.error();
  if (c.canary == 0)
    return Error{Errc::kData, fmt::format("campaign {} has no canary to approve", c.id)};
  if (c.canary_approved) return false;
  c.canary_approved = true;
  if (!c.canary_waits) return true;
  c.canary_waits = false;
  auto runs = change_state(c, CampaignState::kRunning, {}, now_ms);
  return runs.ok() ? Result<bool>(true) : runs;
}

Result<bool> close_list(Campaign& c, uint64_t epoch, int64_t now_ms) {
  if (Status stays = check_stays(c); !stays) return stays.error();
  if (c.import_epoch != epoch) {
    return Error{
        Errc::kData,
        fmt::format("stale importer: campaign {} is being imported by another process", c.id)};
  }
  if (c.import_closed) return false;
  if (is_over(c)) return illegal(c, CampaignState::kRunning);
  c.import_closed = true;
  if (c.hold) {
    c.state = CampaignState::kPaused;
    c.reason = "held";
  } else if (c.state == CampaignState::kImporting) {
    c.state = is_shut(c, now_ms) ? CampaignState::kScheduled : CampaignState::kRunning;
    if (c.state == CampaignState::kScheduled) c.reason = when_it_opens(c, now_ms);
    if (may_send(c) && c.started_ms == 0) c.started_ms = now_ms;
  }
  return true;
}

}  // namespace volley::queue
