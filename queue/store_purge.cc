#include <fmt/format.h>

#include "queue/record.h"
#include "queue/store_impl.h"

namespace volley::queue {

Status Store::Impl::empty_partition(uint32_t partition, const Campaign& campaign,
                                    bool keep_counts) {
  std::string phase = "0", cursor = "0";
  while (phase != "3") {
    Command step = Command::function("volley1_purge", partition_key(partition));
    step.arg(campaign.id).arg(lane_tenant(campaign.lane, campaign.tenant));
    step.arg(phase).arg(cursor).arg(keep_counts ? "1" : "0");
    step.number(static_cast<int64_t>(campaign.revision)).arg(to_string(campaign.state));
    auto answer = link.run(step);
    if (!answer && answer.error().message.find("in flight") != std::string::npos) {
      return Error{Errc::kTempFail,
                   fmt::format("campaign {}: an engine still has some of its mail", campaign.id)};
    }
    if (!answer) return answer.error();
    phase = std::to_string(answer->view().at(0).number());
    cursor = answer->view().at(1).text();
  }
  return {};
}

// Another purge may have ended it meanwhile, and somebody begun one of that name anew: that one is left alone.
Result<Store::Impl::Emptied> Store::Impl::empty(const Campaign& campaign, bool keep_counts) {
  const std::string record = campaign_key(campaign.id, "rec");
  for (uint32_t p = 0; p < partitions; ++p) {
    auto json = link.run(Command("HGET").arg(record).arg("json"));
    if (!json) return json.error();
    if (json->view().is_nil()) return Emptied::kGone;
    auto now = Campaign::from_json(json->view().text());
    if (!now) return now.error();
    if (now->created_ms != campaign.created_ms) return Emptied::kGone;
    if (!(keep_counts ? now->blotting : now->purging)) {
      return Error{Errc::kTempFail,
                   fmt::format("campaign {}: the queue went back while it was being removed: run "
                               "the same command again",
                               campaign.id)};
    }
    if (Status emptied = empty_partition(p, *now, keep_counts); !emptied) return emptied.error();
  }
  return Emptied::kEmpty;
}

Result<Campaign> Store::begin_purge(std::string_view id) {
  Status marked = impl_->update(id, [](Campaign& c, int64_t) { return queue::begin_purge(c); });
  if (!marked) return marked.error();
  return impl_->get(id);
}

Status Store::blot(std::string_view id) {
  Status marked = impl_->update(id, [](Campaign& c, int64_t) { return queue::begin_blot(c); });
  if (!marked) return marked;
  auto campaign = impl_->get(id);
  if (!campaign) return campaign.error();
  if (!campaign->blotting) return {};
  auto emptied = impl_->empty(*campaign, true);
  if (!emptied) return emptied.error();
  if (*emptied == Impl::Emptied::kGone) return {};
  return impl_->update(id, [](Campaign& c, int64_t now) { return queue::end_blot(c, now); });
}

Status Store::purge(std::string_view id) {
  auto campaign = begin_purge(id);
  if (!campaign) return campaign.error();
  auto emptied = impl_->empty(*campaign, false);
  if (!emptied) return emptied.error();
  if (*emptied == Impl::Emptied::kGone) return {};
  Command erase = Command::function("volley1_erase", campaign_key(id, ""));
  auto erased = impl_->link.run(erase.number(campaign->created_ms));
  if (!erased) return erased.error();
  if (erased->view().number() < 0) return {};  // it is another one's by now
  const Command last[] = {Command("ZREM").arg(global_key("campaigns")).arg(id),
                          Command::function("volley1_changed", global_key())};
  auto answers = impl_->link.run(last);
  if (!answers) return answers.error();
  // One of that name that was begun between the two has found it listed, and is listed again.
  auto next = impl_->link.run(Command("EXISTS").arg(campaign_key(id, "rec")));
  if (!next) return next.error();
  if (next->view().number() == 0) return {};
  auto now = impl_->get(id);
  if (!now) return now.error();
  const Command again[] = {
      Command("ZADD").arg(global_key("campaigns")).arg("NX").number(now->created_ms).arg(id),
      Command::function("volley1_changed", global_key())};
  auto listed = impl_->link.run(again);
  return listed ? Status() : Status(listed.error());
}

}  // namespace volley::queue
