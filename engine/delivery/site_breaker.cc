#include "engine/delivery/site_breaker.h"

#include <algorithm>
#include <functional>

namespace volley::delivery {
namespace {

using std::chrono::hours;

constexpr Duration kFirstPause = std::chrono::minutes(15);
constexpr Duration kLongestPause = hours(4);
// For a site that nobody writes to any more; beyond the longest pause, and the retries after it.
constexpr Duration kStaysOpen = hours(24);
constexpr Duration kStaysBelieved = hours(24);
constexpr Duration kOutage = hours(1);  // most are over by then
constexpr uint32_t kMostDoublings = 8;

uint32_t hash_of(std::string_view name) {
  return static_cast<uint32_t>(std::hash<std::string_view>{}(name));
}

}  // namespace

void SiteBreaker::Domains::add(Hash domain) {
  const auto end = seen.begin() + count;
  if (count == kDomains || std::find(seen.begin(), end, domain) != end) return;
  seen[count++] = domain;
}

bool SiteBreaker::enough(const Domains& domains) const {
  return domains.count == kDomains || all_domains_.count == 1;
}

SiteBreaker::Domains SiteBreaker::domains_of_unknown() const {
  Domains domains;
  for (uint32_t i = 0; i < answers_; ++i) {
    if (unknown_[i]) domains.add(domains_[i]);
  }
  return domains;
}

void SiteBreaker::add(bool unknown, Hash domain) {
  unknown_.set(next_, unknown);
  domains_[next_] = domain;
  next_ = (next_ + 1) % kWindow;
  answers_ = std::min(answers_ + 1, kWindow);
}

bool SiteBreaker::taken(std::string_view domain, std::string_view campaign) {
  const Hash to = hash_of(domain);
  all_domains_.add(to);
  add(false, to);
  taken_ = std::min(taken_ + 1, kTookBefore);
  forget(campaign);
  const bool change = open_until_ != TimePoint{} || believed_until_ != TimePoint{};
  close();
  return change;
}

void SiteBreaker::forget(std::string_view campaign) {
  if (campaigns_.empty()) return;
  std::erase_if(campaigns_, [of = hash_of(campaign)](const Row& r) { return r.campaign == of; });
}

void SiteBreaker::close() {
  row_ = {};
  trips_ = confirmed_ = 0;
  open_until_ = believed_until_ = {};
}

SiteBreaker::Trip SiteBreaker::refused(const Refusal& refusal, TimePoint now) {
  const Hash domain = hash_of(refusal.domain);
  const Hash campaign = hash_of(refusal.campaign);
  all_domains_.add(domain);
  if (now < quiet_until_) return Trip::kNone;
  if (refusal.confirms) return confirmed(now);
  if (refusal.contradicts) confirmed_ = 0;
  const bool believed = now < believed_until_;
  if (!believed) add(refusal.unknown_recipient, domain);
  if (refusal.of_message) return refused_campaign(campaign, domain, now);
  if (believed) return Trip::kNone;
  if (!refusal.unknown_recipient) {
    row_.one_campaign = row_.count == 0 || (row_.one_campaign && row_.campaign == campaign);
    row_.campaign = campaign;
    row_.domains.add(domain);
    if (++row_.count >= kInARow && taken_ >= kTookBefore && enough(row_.domains)) {
      return trip(Trip::kEverything, now);
    }
  }
  if (answers_ == kWindow && unknown_.count() > kMostUnknown && enough(domains_of_unknown())) {
    return trip(Trip::kUnknownRecipients, now);
  }
  return Trip::kNone;
}

SiteBreaker::Trip SiteBreaker::refused_campaign(Hash campaign, Hash domain, TimePoint now) {
  auto row = std::find_if(campaigns_.begin(), campaigns_.end(),
                          [campaign](const Row& r) { return r.campaign == campaign; });
  if (row == campaigns_.end()) {
    if (campaigns_.size() == kMostCampaigns) campaigns_.erase(campaigns_.begin());
    row = campaigns_.insert(campaigns_.end(), Row{.campaign = campaign});
  }
  if (now < row->doubted_until) return Trip::kNone;  // on the wire when it was paused
  row->domains.add(domain);
  // A single company that refuses everything it ever was sent is no reason to stop a list.
  const bool meant =
      row->domains.count == kDomains || (all_domains_.count == 1 && taken_ == kTookBefore);
  if (++row->count < kInARow || !meant) return Trip::kNone;
  row_seen_ = *row;
  *row = Row{.campaign = campaign};
  row->doubted_until = now + kStaysOpen;
  return Trip::kCampaign;
}

SiteBreaker::Trip SiteBreaker::confirmed(TimePoint now) {
  if (!is_open(now) || now - opened_at_ < kOutage || ++confirmed_ < kConfirmed) return Trip::kNone;
  believe(now);
  return Trip::kBelieved;
}

SiteBreaker::Trip SiteBreaker::trip(Trip why, TimePoint now) {
  unknown_seen_ = static_cast<uint32_t>(unknown_.count());
  row_seen_ = row_;
  const uint32_t before = is_open(now) ? std::min(trips_, kMostDoublings) : 0;
  open(std::min(kFirstPause * (1 << before), kLongestPause), now);
  return why;
}

void SiteBreaker::open(Duration pause, TimePoint now) {
  pause_ = pause;
  if (!is_open(now)) {
    trips_ = 0;
    opened_at_ = now;
  }
  ++trips_;
  answers_ = next_ = confirmed_ = 0;
  unknown_.reset();
  row_ = {};
  believed_until_ = {};
  open_until_ = now + kStaysOpen;
  quiet_until_ = now + pause;
}

void SiteBreaker::believe(TimePoint now) {
  close();
  answers_ = next_ = 0;
  unknown_.reset();
  believed_until_ = now + kStaysBelieved;
}

void SiteBreaker::resumed(std::string_view campaign, bool pause_lifted) {
  forget(campaign);
  if (pause_lifted) quiet_until_ = {};
}

bool SiteBreaker::doubts(std::string_view campaign, TimePoint now) const {
  if (is_open(now)) return true;
  return !campaigns_.empty() &&
         std::any_of(campaigns_.begin(), campaigns_.end(), [&](const Row& row) {
           return row.campaign == hash_of(campaign) && now < row.doubted_until;
         });
}

bool SiteBreaker::remembers(TimePoint now) const {
  return is_open(now) || now < believed_until_ ||
         std::any_of(campaigns_.begin(), campaigns_.end(),
                     [now](const Row& row) { return now < row.doubted_until; });
}

}  // namespace volley::delivery
