#include "engine/delivery/campaign_guard.h"

namespace volley::delivery {

void CampaignGuard::set(const queue::Campaign& record) {
  share_.store(record.stop_bounced, std::memory_order_relaxed);
  after_.store(record.stop_after, std::memory_order_relaxed);
  canary_.store(record.canary > 0 && !record.canary_approved, std::memory_order_relaxed);
}

void CampaignGuard::start_over() {
  finals_.store(0, std::memory_order_relaxed);
  bounced_.store(0, std::memory_order_relaxed);
}

bool CampaignGuard::counted(bool bounced) {
  const double share = share_.load(std::memory_order_relaxed);
  if (share == 0) return false;
  const uint64_t finals = finals_.fetch_add(1, std::memory_order_relaxed) + 1;
  if (!bounced) return false;
  const uint64_t bad = bounced_.fetch_add(1, std::memory_order_relaxed) + 1;
  return finals >= after_.load(std::memory_order_relaxed) &&
         static_cast<double>(bad) > share * static_cast<double>(finals);
}

bool CampaignGuard::take() {
  int64_t left = left_.load(std::memory_order_relaxed);
  while (left > 0) {
    if (left_.compare_exchange_weak(left, left - 1, std::memory_order_relaxed)) return true;
  }
  return false;
}

}  // namespace volley::delivery
