// CampaignGuard: the brakes a campaign brings along, as its loops see them.
//
// Purpose  Stop: counted() is told each final outcome, and says when the share of bounces is over what the user allows; over
//          the outcomes of this engine since it started, or since the campaign was resumed: what a person has looked at does not
//          count again. Canary: take() is asked for each recipient's first attempt, and lets so many through as the queue
//          granted (Door::grant), so that all engines together try no more than the user said.
// Thread   Any; lock-free, each call one or two atomics, and one load where there is no brake. Pure.
// Units    share: 0..1.
#pragma once

#include <atomic>
#include <cstdint>

#include "queue/campaign.h"

namespace volley::delivery {

class CampaignGuard {
 public:
  void set(const queue::Campaign& record);
  void start_over();  // the campaign was resumed

  // True: too many bounced; for each further one as well.
  bool counted(bool bounced);

  bool canary() const { return canary_.load(std::memory_order_relaxed); }
  bool take();
  void give_back() { left_.fetch_add(1, std::memory_order_relaxed); }
  void granted(uint64_t recipients) {
    left_.fetch_add(static_cast<int64_t>(recipients), std::memory_order_relaxed);
  }
  int64_t left() const { return left_.load(std::memory_order_relaxed); }

 private:
  std::atomic<double> share_{0};  // 0: no such brake
  std::atomic<uint64_t> after_{0}, finals_{0}, bounced_{0};
  std::atomic<bool> canary_{false};
  std::atomic<int64_t> left_{0};
};

}  // namespace volley::delivery
