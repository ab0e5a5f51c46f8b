#include "engine/delivery/content_budget.h"

#include <algorithm>

namespace volley::delivery {

std::optional<uint64_t> ContentBudget::next() {
  if (full() || waiting_.empty()) return std::nullopt;
  const uint64_t ticket = waiting_.front();
  waiting_.pop_front();
  return ticket;
}

std::vector<uint64_t> ContentBudget::leave(const std::function<bool(uint64_t)>& pointless) {
  const auto gone = std::stable_partition(waiting_.begin(), waiting_.end(),
                                          [&](uint64_t ticket) { return !pointless(ticket); });
  std::vector<uint64_t> left(gone, waiting_.end());
  waiting_.erase(gone, waiting_.end());
  return left;
}

}  // namespace volley::delivery
