// CPU work off the loop.
//
// Purpose   `work` runs on a thread of the process-wide pool, then `done` on the loop. Batch: one
// submit costs about as
//           much as ten microseconds of work.
// Ownership The closures own or copy what they touch; `done` finds its owner by id, since that may
// be gone by then.
//           Destroying the Loop waits until all its work has run; `done` is then dropped.
// Thread    submit() on the loop's thread. `work` must not touch the loop.
#pragma once

#include <functional>

namespace volley::net {

class Loop;

struct WorkPool {
  static void submit(Loop& loop, std::function<void()> work, std::function<void()> done);
};

}  // namespace volley::net
