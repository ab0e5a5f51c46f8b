#include "engine/delivery/brakes.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <unordered_map>

namespace volley::delivery {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

constexpr uint32_t kInARow = 50;
constexpr Duration kFirstPause = minutes(15);
constexpr Duration kLongestPause = hours(4);
constexpr size_t kSitesAtOnce = 5;
constexpr Duration kWindow = minutes(10);
// A permanent refusal speaks of us by intent; a refused connection may be a dead host.
constexpr uint32_t kPermanentWeight = 4;
constexpr uint32_t kRefusing = 10;
constexpr uint16_t kSmtpPort = 25;

struct Site {
  uint32_t in_a_row = 0;
  uint32_t weight = 0;
  uint32_t pauses = 0;  // in a row, for doubling
  bool refused = false, timed_out = false;
  TimePoint last{};
};

struct CampaignSites {
  // When each site last refused (or timed out for) mail of this campaign.
  std::map<std::string, TimePoint, std::less<>> refused, timed_out;
};

}  // namespace

struct Brakes::Impl {
  std::mutex mutex;
  std::unordered_map<std::string, Site> sites;
  std::map<std::string, CampaignSites, std::less<>> campaigns;
  bool port_25_proven = false;
  TimePoint port_25_last{};

  // Sites of `seen` that are still in the state `flag` says, and were so within the window.
  size_t at_once(const std::map<std::string, TimePoint, std::less<>>& seen, bool Site::*flag,
                 TimePoint now) const {
    return static_cast<size_t>(std::count_if(seen.begin(), seen.end(), [&](const auto& entry) {
      const auto site = sites.find(entry.first);
      return site != sites.end() && site->second.*flag && now - entry.second <= kWindow;
    }));
  }
};

Brakes::Brakes() : impl_(std::make_unique<Impl>()) {}
Brakes::~Brakes() = default;

Braking Brakes::refused(std::string_view site, std::string_view campaign, bool permanent,
                        TimePoint now) {
  const std::lock_guard lock(impl_->mutex);
  Site& s = impl_->sites[std::string(site)];
  if (now - s.last > kWindow) s.weight = 0;
  s.last = now;
  s.weight += permanent ? kPermanentWeight : 1;
  s.refused = s.weight >= kRefusing;
  Braking braking;
  if (++s.in_a_row >= kInARow) {
    s.in_a_row = 0;
    braking.pause_site = std::min(kFirstPause * (1 << std::min(s.pauses, 8u)), kLongestPause);
    ++s.pauses;
  }
  if (!s.refused) return braking;
  auto& seen = impl_->campaigns[std::string(campaign)].refused;
  seen[std::string(site)] = now;
  if (seen.size() < kSitesAtOnce) return braking;
  const size_t count = impl_->at_once(seen, &Site::refused, now);
  if (count >= kSitesAtOnce) {
    braking.pause_campaign_reason = fmt::format(
        "{} receivers refuse us at once, the last one {}: see their replies", count, site);
    seen.clear();
  }
  return braking;
}

Braking Brakes::connect_timed_out(std::string_view site, std::string_view campaign, uint16_t port,
                                  TimePoint now) {
  const std::lock_guard lock(impl_->mutex);
  Site& s = impl_->sites[std::string(site)];
  s.last = now;
  s.timed_out = true;
  Braking braking;
  if (port != kSmtpPort) return braking;
  if (impl_->port_25_proven && now - impl_->port_25_last <= kWindow) return braking;
  auto& seen = impl_->campaigns[std::string(campaign)].timed_out;
  seen[std::string(site)] = now;
  if (impl_->at_once(seen, &Site::timed_out, now) >= kSitesAtOnce) {
    braking.pause_campaign_reason =
        "every connection to port 25 times out: is port 25 blocked here? use a relay";
    seen.clear();
  }
  return braking;
}

void Brakes::connected(uint16_t port, TimePoint now) {
  if (port != kSmtpPort) return;
  const std::lock_guard lock(impl_->mutex);
  impl_->port_25_proven = true;
  impl_->port_25_last = now;
}

void Brakes::succeeded(std::string_view site, TimePoint) {
  const std::lock_guard lock(impl_->mutex);
  impl_->sites.erase(std::string(site));
}

void Brakes::forget_campaign(std::string_view campaign) {
  const std::lock_guard lock(impl_->mutex);
  const auto it = impl_->campaigns.find(campaign);
  if (it == impl_->campaigns.end()) return;
  // The sites' own counts start again too, else the next refusal would pause the campaign at once.
  for (const auto& [site, when] : it->second.refused) impl_->sites.erase(site);
  for (const auto& [site, when] : it->second.timed_out) impl_->sites.erase(site);
  impl_->campaigns.erase(it);
}

}  // namespace volley::delivery
