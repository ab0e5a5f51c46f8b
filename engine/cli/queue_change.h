// Changing the queue from the command line: hold, release, delete, retry.
//
// Purpose  Walks, changes what matches chunk by chunk, and does so again for what moved on between look and change. What is
//          in flight is counted and left alone. A campaign that has nothing left is finished.
// Thread   Blocks on the queue; the main thread. Errors: the store's.
#pragma once

#include <cstdint>
#include <string>

#include "engine/cli/queue_filter.h"
#include "queue/store.h"

namespace volley::cli {

struct ChangeTotals {
  uint64_t changed = 0;    // recipients; with dry_run: those that would be
  uint64_t in_flight = 0;  // match, but an engine has them
  uint64_t moved = 0;      // match, but went on each time they were to be changed
  uint64_t woken = 0;      // domains that rested
  uint64_t corrupt = 0;    // chunks passed over

  std::string json(queue::Change what, bool dry_run) const;
  std::string text(queue::Change what, bool dry_run) const;
};

Result<ChangeTotals> change_queue(queue::Store& store, queue::Change what, const QueueFilter& filter, bool dry_run);

}  // namespace volley::cli
