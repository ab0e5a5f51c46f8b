#include "engine/delivery/campaign_context.h"

#include <algorithm>

#include "base/address.h"

namespace volley::delivery {
namespace {

// Logins at the same relay end within this time of each other.
constexpr Duration kSayOnce = std::chrono::seconds(30);

uint64_t big_endian(std::string_view bytes) {
  uint64_t value = 0;
  for (const char c : bytes) value = value << 8 | static_cast<uint8_t>(c);
  return value;
}

}  // namespace

Result<SuppressionSet> SuppressionSet::unpack(std::string_view packed,
                                              std::string_view dedupe_key) {
  if (packed.size() % 16 != 0)
    return Error{Errc::kData, "the campaign's suppression set is damaged: odd size"};
  auto hashes = std::make_shared<std::vector<Hash128>>();
  hashes->reserve(packed.size() / 16);
  for (; !packed.empty(); packed.remove_prefix(16)) {
    hashes->push_back({big_endian(packed.substr(0, 8)), big_endian(packed.substr(8, 8))});
  }
  if (!std::is_sorted(hashes->begin(), hashes->end())) {
    return Error{Errc::kData, "the campaign's suppression set is damaged: not sorted"};
  }
  SuppressionSet set;
  set.hashes_ = std::move(hashes);
  set.hash_ = std::make_shared<const KeyedHash>(dedupe_key);
  return set;
}

bool SuppressionSet::contains(std::string_view address) const {
  if (empty()) return false;
  return std::binary_search(hashes_->begin(), hashes_->end(), (*hash_)(fold_address(address)));
}

std::shared_ptr<CampaignControl> ControlTable::find(const std::string& campaign) {
  const std::lock_guard lock(mutex_);
  return controls_[campaign].control;
}

bool ControlTable::update(const queue::Campaign& record, TimePoint now) {
  const std::lock_guard lock(mutex_);
  Entry& entry = controls_[record.id];
  CampaignControl& control = *entry.control;
  if (record.revision < control.revision.load(std::memory_order_relaxed)) return false;
  control.revision.store(record.revision, std::memory_order_relaxed);
  entry.rate = record.rate;
  share_rate(entry, now);
  control.guard.set(record);
  // What was the matter then may be the matter again.
  if (record.state != queue::CampaignState::kPaused &&
      control.state.load(std::memory_order_relaxed) == queue::CampaignState::kPaused) {
    said_.erase(record.id);
    control.guard.start_over();
  }
  return control.state.exchange(record.state, std::memory_order_relaxed) != record.state;
}

void ControlTable::share_rate(Entry& entry, TimePoint now) const {
  entry.control->pace.set_rate(entry.rate / static_cast<double>(engines_), now);
}

void ControlTable::forget_revisions() {
  const std::lock_guard lock(mutex_);
  for (auto& [id, entry] : controls_) entry.control->revision.store(0, std::memory_order_relaxed);
}

void ControlTable::set_engines(uint64_t engines, TimePoint now) {
  const std::lock_guard lock(mutex_);
  if (engines == 0 || engines == engines_) return;
  engines_ = engines;
  for (auto& [id, entry] : controls_) share_rate(entry, now);
}

void ControlTable::forget(const std::string& campaign) {
  const std::lock_guard lock(mutex_);
  controls_.erase(campaign);
  said_.erase(campaign);
}

bool ControlTable::first_to_say(const std::string& campaign, const std::string& reason,
                                TimePoint now) {
  const std::lock_guard lock(mutex_);
  const auto [said, first] = said_.try_emplace(campaign, Said{reason, now});
  if (first) return true;
  const bool again = said->second.reason == reason && now - said->second.at < kSayOnce;
  if (!again) said->second = {reason, now};
  return !again;
}

}  // namespace volley::delivery
