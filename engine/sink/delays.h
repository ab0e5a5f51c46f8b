// Delays: how long the sink takes, and where.
//
// Purpose   Two different things. `distance` is the way: everything that answers what arrived at t leaves at t + distance,
//           in order, and a pipelined group pays it once. `work` is what a command costs the receiver: it is answered that
//           much after its turn came, and only then is the next one looked at, so ten pipelined RCPTs pay ten times.
//           Each is a range; where its ends differ, every time is drawn anew.
//           At `body` it is the pause after each piece of content that is read (a slow reader); at `idle` the silence that
//           counts as one.
// Thread    Values. Errors: kUsage.
#pragma once

#include <array>
#include <string_view>

#include "base/random.h"
#include "base/result.h"
#include "base/time.h"
#include "engine/sink/rule.h"

namespace volley::sink {

struct DelayRange {
  Duration least{}, most{};
  bool none() const { return most == Duration::zero(); }
  Duration draw(Random& random) const;
};

struct Delays {
  DelayRange distance;
  std::array<DelayRange, kSteps> work;
  const DelayRange& at(Step step) const { return work[static_cast<size_t>(step)]; }
  bool work_none() const;
};

// "80", "80..120" or "rcpt=50..70", milliseconds, into `delays`.
Status parse_delay(std::string_view text, Delays& delays);

}  // namespace volley::sink
