#include "engine/delivery/content_budget.h"

namespace volley::delivery {

std::optional<uint64_t> ContentBudget::next() {
  if (full() || waiting_.empty()) return std::nullopt;
  const uint64_t ticket = waiting_.front();
  waiting_.pop_front();
  return ticket;
}

}  // namespace volley::delivery
