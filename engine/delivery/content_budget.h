// ContentBudget: what large single messages may take of a loop's memory.
//
// Purpose   A single message has a content of its own, up to 10 MB, where the recipients of a campaign share one. A large one
//           is kept in the queue by itself, and fetched when there is room for it, in the order of asking; until its size is
//           known it counts as kUnknown. Others do not wait for it: what is claimed with its content inside counts as
//           recipients do (PartitionOwner).
// Thread    The loop's. Units: bytes of content; a message in hand takes about two and a half times that.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <vector>

namespace volley::delivery {

class ContentBudget {
 public:
  static constexpr uint64_t kUnknown = uint64_t{10} << 20;

  explicit ContentBudget(uint64_t most) : most_(most) {}
  bool full() const { return used_ >= most_; }
  uint64_t used() const { return used_; }
  void take(uint64_t bytes) { used_ += bytes; }
  void give_back(uint64_t bytes) { used_ -= bytes; }

  void wait(uint64_t ticket) { waiting_.push_back(ticket); }
  std::optional<uint64_t> next();  // who may fetch now; nullopt: there is no room, or nobody waits
  // Those that need not wait any more leave the line, room or not.
  std::vector<uint64_t> leave(const std::function<bool(uint64_t ticket)>& pointless);

 private:
  const uint64_t most_;
  uint64_t used_ = 0;
  std::deque<uint64_t> waiting_;
};

}  // namespace volley::delivery
