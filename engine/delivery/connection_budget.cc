#include "engine/delivery/connection_budget.h"

#include <algorithm>
#include <limits>

namespace volley::delivery {

bool ConnectionBudget::take() {
  uint32_t used = used_.load(std::memory_order_relaxed);
  while (used < limit_) {
    if (used_.compare_exchange_weak(used, used + 1, std::memory_order_relaxed)) return true;
  }
  return false;
}

uint32_t connections_for_open_files(uint64_t open_files) {
  const uint64_t reserve = std::clamp<uint64_t>(open_files / 4, 1, 256);
  const uint64_t left = open_files > reserve ? open_files - reserve : 1;
  return static_cast<uint32_t>(std::min<uint64_t>(left, std::numeric_limits<uint32_t>::max()));
}

bool ConnectionTurns::may_open(TurnTaker& site) {
  const bool room = !budget_.exhausted();
  if (room && queue_.empty()) return true;
  if (room && queue_.front() == &site) {
    leave(site);
    return true;
  }
  if (site.waits) return false;
  site.waits = true;
  site.place = queue_.insert(queue_.end(), &site);
  return false;
}

void ConnectionTurns::leave(TurnTaker& site) {
  if (!site.waits) return;
  site.waits = false;
  queue_.erase(site.place);
}

bool ConnectionTurns::make_room(const TurnTaker& self) {
  if (going_ >= queue_.size() - (self.waits ? 1 : 0)) return false;
  ++going_;
  return true;
}

void ConnectionTurns::give_back() {
  budget_.give_back();
  if (going_ > 0) --going_;
}

}  // namespace volley::delivery
