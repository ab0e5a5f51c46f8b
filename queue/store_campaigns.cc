#include <fmt/format.h>

#include "queue/pack.h"
#include "queue/record.h"
#include "queue/schedule.h"
#include "queue/store_impl.h"

namespace volley::queue {

namespace {

constexpr uint64_t kMaxContent = uint64_t{256} << 20;

Error no_campaign(std::string_view id) {
  return {Errc::kData, fmt::format("no campaign is called '{}'", id)};
}

}  // namespace

const std::vector<std::string_view> kCountFields = {
    "accepted",      "delivered", "bounced", "expired",   "suppressed", "in_flight",
    "waiting_retry", "deferrals", "parked",  "cancelled", "held"};

Command counts_command(uint32_t partition, std::string_view id) {
  Command command("HMGET");
  command.arg(partition_key(partition, fmt::format("c:{}", id)));
  for (const std::string_view field : kCountFields) command.arg(field);
  return command;
}

// A cancelled campaign's recipients are not counted one by one: cancelling is at once, whatever lies in the lists.
Counts counts_of(const ReplyView& fields, bool cancelled) {
  Counts c;
  c.accepted = fields.at(0).unsigned_number();
  c.delivered = fields.at(1).unsigned_number();
  c.bounced = fields.at(2).unsigned_number();
  c.expired = fields.at(3).unsigned_number();
  c.suppressed = fields.at(4).unsigned_number();
  c.in_flight = fields.at(5).unsigned_number();
  c.waiting_retry = cancelled ? 0 : fields.at(6).unsigned_number();
  c.deferrals = fields.at(7).unsigned_number();
  c.parked = cancelled ? 0 : fields.at(8).unsigned_number();
  c.held = cancelled ? 0 : fields.at(10).unsigned_number();
  const uint64_t finals = c.delivered + c.bounced + c.expired + c.suppressed;
  c.cancelled = cancelled ? c.accepted - finals - c.in_flight : fields.at(9).unsigned_number();
  c.queued = c.accepted - finals - c.cancelled;
  return c;
}

Result<std::optional<Campaign>> Store::find(std::string_view id) {
  auto json = impl_->link.run(Command("HGET").arg(campaign_key(id, "rec")).arg("json"));
  if (!json) return json.error();
  if (json->view().is_nil()) return std::optional<Campaign>();
  auto campaign = Campaign::from_json(json->view().text());
  if (!campaign) return campaign.error();
  return std::optional<Campaign>(std::move(*campaign));
}

Result<Campaign> Store::Impl::get(std::string_view id) {
  auto json = link.run(Command("HGET").arg(campaign_key(id, "rec")).arg("json"));
  if (!json) return json.error();
  if (json->view().is_nil()) return no_campaign(id);
  return Campaign::from_json(json->view().text());
}

Result<std::vector<Campaign>> Store::list() {
  auto ids = impl_->link.run(Command("ZRANGE").arg(global_key("campaigns")).arg("0").arg("-1"));
  if (!ids) return ids.error();
  std::vector<Command> commands;
  for (size_t i = 0; i < ids->view().size(); ++i) {
    commands.push_back(
        Command("HGET").arg(campaign_key(ids->view().at(i).text(), "rec")).arg("json"));
  }
  auto records = impl_->link.run(commands);
  if (!records) return records.error();
  std::vector<Campaign> out;
  for (const Reply& record : *records) {
    if (record.view().is_nil()) continue;
    auto campaign = Campaign::from_json(record.view().text());
    if (!campaign) return campaign.error();
    out.push_back(std::move(*campaign));
  }
  return out;
}

Result<Campaign> Store::create(const Campaign& wanted, std::string_view content) {
  if (Status good = check_campaign_id(wanted.id); !good) return good.error();
  if (Status good = check_key_part("tenant", wanted.tenant); !good) return good.error();
  auto now = now_ms();
  if (!now) return now.error();
  Campaign campaign = wanted;
  campaign.state = CampaignState::kImporting;
  campaign.revision = 1;
  // By the clock: an importer of a purged campaign of that name that still runs is an older one.
  campaign.import_epoch = static_cast<uint64_t>(*now);
  campaign.created_ms = *now;
  if (campaign.stream) campaign.started_ms = *now;
  std::string packed;
  pack(content, packed, 6);
  Command create = Command::function("volley1_create", campaign_key(campaign.id));
  create.arg(campaign.to_json()).arg(packed);
  auto made = impl_->link.run(create);
  if (!made) return made.error();
  if (!made->view().is_nil()) {
    auto existing = Campaign::from_json(made->view().text());
    if (!existing) return existing.error();
    campaign = std::move(*existing);
  }
  // Also for one that exists: its maker may have died before this line.
  const Command after[] = {Command("ZADD")
                               .arg(global_key("campaigns"))
                               .arg("NX")
                               .number(campaign.created_ms)
                               .arg(campaign.id),
                           Command::function("volley1_changed", global_key())};
  auto listed = impl_->link.run(after);
  if (!listed) return listed.error();
  return campaign;
}

Status Store::Impl::update(std::string_view id,
                           const std::function<Result<bool>(Campaign&, int64_t)>& change) {
  auto now = now_ms();
  if (!now) return now.error();
  for (;;) {
    auto campaign = get(id);
    if (!campaign) return campaign.error();
    const uint64_t revision = campaign->revision;
    auto changed = change(*campaign, *now);
    if (!changed) return changed.error();
    if (!*changed) return {};
    campaign->revision = revision + 1;
    Command put = Command::function("volley1_put", campaign_key(id));
    put.number(static_cast<int64_t>(revision)).arg(campaign->to_json()).arg(random_bytes(16));
    const Command commands[] = {put, Command::function("volley1_changed", global_key())};
    auto answers = link.run(commands);
    if (!answers) return answers.error();
    if ((*answers)[0].view().number() == 1) return {};
  }
}

Status Store::Impl::update_with(std::string_view function, std::string_view id,
                                std::string_view value,
                                const std::function<Result<bool>(Campaign&)>& change) {
  for (;;) {
    auto campaign = get(id);
    if (!campaign) return campaign.error();
    const auto revision = static_cast<int64_t>(campaign->revision);
    auto changed = change(*campaign);
    if (!changed) return changed.error();
    if (!*changed) return {};
    ++campaign->revision;
    Command update = Command::function(function, campaign_key(id));
    update.number(revision).arg(campaign->to_json()).arg(value).arg(random_bytes(16));
    const Command commands[] = {update, Command::function("volley1_changed", global_key())};
    auto answers = link.run(commands);
    if (!answers) return answers.error();
    if ((*answers)[0].view().number() == 1) return {};
  }
}

Status Store::set_state(std::string_view id, CampaignState to, std::string_view reason) {
  return impl_->update(id,
                       [&](Campaign& c, int64_t now) { return change_state(c, to, reason, now); });
}

Status Store::approve(std::string_view id) {
  return impl_->update(id, [](Campaign& c, int64_t now) { return queue::approve(c, now); });
}

Result<Campaign> Store::reopen(std::string_view id) {
  Status reopened = impl_->update(id, [](Campaign& c, int64_t) { return queue::reopen(c); });
  if (!reopened) return reopened.error();
  return impl_->get(id);
}

Status Store::replace_content(std::string_view id, std::string_view content,
                              std::string_view fingerprint, std::string_view from_domain,
                              bool sign) {
  std::string packed;
  pack(content, packed, 6);
  return impl_->update_with("volley1_update", id, packed, [&](Campaign& c) {
    return queue::replace_content(c, fingerprint, from_domain, sign);
  });
}

Status Store::edit(std::string_view id, const std::function<void(Campaign&)>& change) {
  return impl_->update(id, [&](Campaign& c, int64_t now) -> Result<bool> {
    const Campaign before = c;
    change(c);
    // Not what edit is for: the state has its own rules, the identity is for life.
    c.id = before.id;
    c.tenant = before.tenant;
    c.lane = before.lane;
    c.state = before.state;
    c.revision = before.revision;
    c.import_epoch = before.import_epoch;
    if (!same_schedule(c, before)) {
      if (Status good = check_schedule(c, now); !good) return good.error();
      follow_schedule(c, now);
    }
    return c.to_json() != before.to_json();
  });
}

Result<Counts> Store::counts(std::string_view id) {
  bool cancelled = false;
  if (id != kSingleMessages) {
    auto campaign = impl_->get(id);
    if (!campaign) return campaign.error();
    cancelled = campaign->state == CampaignState::kCancelled;
  }
  std::vector<Command> commands;
  for (uint32_t p = 0; p < impl_->partitions; ++p) commands.push_back(counts_command(p, id));
  auto answers = impl_->link.run(commands);
  if (!answers) return answers.error();
  Counts total;
  for (const Reply& fields : *answers) total += counts_of(fields.view(), cancelled);
  return total;
}

Status Store::finish_if_done(std::string_view id) {
  auto campaign = impl_->get(id);
  if (!campaign) return campaign.error();
  if (!may_finish(*campaign)) return {};
  auto total = counts(id);
  if (!total) return total.error();
  if (total->queued != 0) return {};
  return impl_->update(id, [revision = campaign->revision](Campaign& c, int64_t now) {
    return finish(c, revision, now);
  });
}

Result<uint64_t> Store::unpark(std::string_view id) {
  std::vector<Command> commands;
  for (uint32_t p = 0; p < impl_->partitions; ++p) {
    commands.push_back(Command::function("volley1_unpark", partition_key(p)));
    commands.back().arg(id);
  }
  auto answers = impl_->link.run(commands);
  if (!answers) return answers.error();
  uint64_t total = 0;
  for (const Reply& answer : *answers) total += answer.view().unsigned_number();
  return total;
}

Result<std::string> Store::content(std::string_view id) {
  auto packed = impl_->link.run(Command("GET").arg(campaign_key(id, "content")));
  if (!packed) return packed.error();
  if (packed->view().is_nil()) return no_campaign(id);
  return unpack(packed->view().text(), kMaxContent);
}

Status Store::put_suppressions(std::string_view id, std::string_view packed_hashes) {
  return impl_->update_with("volley1_suppress", id, packed_hashes, [](Campaign& c) -> Result<bool> {
    if (Status stays = check_stays(c); !stays) return stays.error();
    ++c.suppress_revision;
    return true;
  });
}

}  // namespace volley::queue
