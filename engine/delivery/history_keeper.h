// HistoryKeeper: moves the engine's mark in the queue forward, and the range that the data directory remembers (queue/history.h).
//
// Purpose    tick() once a second, while the queue is connected. A queue that has less than it had has been restored from a backup
//            under us: on_forgotten(), once, and the mark stays where it is, so that the next start sees it, too.
// Ownership  References outlive it, and so does whoever on_forgotten speaks to. Destroy the Door first.
// Thread     The loop's; the file is written on the work pool.
// Errors     A file that cannot be written is logged, once until it can; the mark waits below what the file says.
#pragma once

#include <functional>
#include <memory>

#include "base/net/loop.h"
#include "queue/door.h"
#include "queue/history.h"

namespace volley::delivery {

class HistoryKeeper {
 public:
  HistoryKeeper(net::Loop& loop, queue::Door& door, queue::History history,
                std::function<void(uint64_t had, uint64_t has)> on_forgotten);
  ~HistoryKeeper();
  void tick();

 private:
  bool young() const;
  void answered(uint64_t mark, const Result<uint64_t>& had);
  void save();
  void save_now();
  uint64_t sure() const { return certain_ ? confirmed_ : confirmed_before_; }

  net::Loop& loop_;
  queue::Door& door_;
  queue::History history_;
  std::function<void(uint64_t, uint64_t)> on_forgotten_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  uint64_t confirmed_ = 0;         // the queue has it
  uint64_t confirmed_before_ = 0;  // at the save before: no power cut takes that away
  uint64_t ticks_ = 0;
  bool
      certain_;  // what the queue answers survives a power cut: the start could write it down at once
  bool asking_ = false, saving_ = false, forgotten_ = false, complained_ = false;
};

}  // namespace volley::delivery
