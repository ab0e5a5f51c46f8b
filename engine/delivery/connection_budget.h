// ConnectionBudget: how many connections this process may have open, over all loops; ConnectionTurns: who gets the next one.
//
// Purpose   A connection is a descriptor, and descriptors end. When all are taken, sites of a loop get theirs in the order they
//           asked, one at a time, and sites that have some make room: connections with nothing more to send close at once, busy ones
//           after a fair share of messages. So a long tail of small sites never starves behind a few big ones.
// Ownership The budget outlives the turns; whoever waits leaves before it is destroyed.
// Thread    ConnectionBudget: any. ConnectionTurns: its loop's; what another loop gives back is noticed within a second.
// Not for   Limits of a site: site.h.
#pragma once

#include <atomic>
#include <cstdint>
#include <list>

namespace volley::delivery {

class ConnectionBudget {
 public:
  explicit ConnectionBudget(uint32_t limit) : limit_(limit) {}
  bool take();  // false: all are taken
  void give_back() { used_.fetch_sub(1, std::memory_order_relaxed); }
  bool exhausted() const { return used_.load(std::memory_order_relaxed) >= limit_; }
  uint32_t limit() const { return limit_; }

 private:
  const uint32_t limit_;
  std::atomic<uint32_t> used_{0};
};

// What so many open files leave for connections: some are kept for the queue, journals, DNS and HTTP.
uint32_t connections_for_open_files(uint64_t open_files);

// Who may wait for a turn.
struct TurnTaker {
  bool waits = false;
  std::list<TurnTaker*>::iterator place;
};

class ConnectionTurns {
 public:
  explicit ConnectionTurns(ConnectionBudget& budget) : budget_(budget) {}

  // May this site open one more connection now? If not, it is in the queue.
  bool may_open(TurnTaker& site);
  void leave(TurnTaker& site);  // it wants none any more
  // The one that may open a connection now; nullptr: nobody waits, or there is no room.
  TurnTaker* next() const {
    return queue_.empty() || budget_.exhausted() ? nullptr : queue_.front();
  }
  bool crowded() const { return !queue_.empty(); }
  // True for as many connections as there are other sites waiting: one of this site's should go.
  bool make_room(const TurnTaker& self);

  bool take() { return budget_.take(); }
  void give_back();
  uint32_t limit() const { return budget_.limit(); }

 private:
  ConnectionBudget& budget_;
  std::list<TurnTaker*> queue_;
  size_t going_ = 0;  // connections that were told to make room and are not closed yet
};

}  // namespace volley::delivery
