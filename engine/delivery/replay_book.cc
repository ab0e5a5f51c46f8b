#include "engine/delivery/replay_book.h"

#include <unistd.h>

#include <limits>

namespace volley::delivery {

ReplayBook::ReplayBook(Replay replay) : replay_(std::move(replay)) {
  events_logged_ = replay_.unlogged.empty();
  finish_if_done();
}

std::map<uint64_t, std::vector<Record>> ReplayBook::of(uint32_t partition) const {
  const std::lock_guard lock(mutex_);
  std::map<uint64_t, std::vector<Record>> found;
  for (auto it = replay_.unsettled.lower_bound({partition, 0});
       it != replay_.unsettled.end() && it->first.first == partition; ++it) {
    found.emplace(it->first.second, it->second);
  }
  return found;
}

bool ReplayBook::settled(uint32_t partition, uint64_t lease) {
  const std::lock_guard lock(mutex_);
  if (replay_.unsettled.erase({partition, lease}) == 0) return false;
  finish_if_done();
  return true;
}

std::vector<uint64_t> ReplayBook::recovered_only(uint32_t partition,
                                                 const std::set<uint64_t>& known) {
  const std::lock_guard lock(mutex_);
  std::vector<uint64_t> gone;
  auto it = replay_.unsettled.lower_bound({partition, 0});
  while (it != replay_.unsettled.end() && it->first.first == partition) {
    if (known.contains(it->first.second)) {
      ++it;
      continue;
    }
    gone.push_back(it->first.second);
    it = replay_.unsettled.erase(it);
  }
  finish_if_done();
  return gone;
}

void ReplayBook::events_logged() {
  const std::lock_guard lock(mutex_);
  events_logged_ = true;
  finish_if_done();
}

bool ReplayBook::done() const {
  const std::lock_guard lock(mutex_);
  return events_logged_ && replay_.unsettled.empty();
}

void ReplayBook::finish_if_done() {
  if (!events_logged_ || !replay_.unsettled.empty()) return;
  for (const auto& path : replay_.segments) ::unlink(path.c_str());
  replay_.segments.clear();
}

}  // namespace volley::delivery
