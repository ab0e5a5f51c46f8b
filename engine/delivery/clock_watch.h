// ClockWatch: what an engine says of the queue's clock, and whether schedules can be kept by it.
//
// Purpose  Leases live by the queue's clock alone, and retries by delays: neither minds. Schedules do: nothing starts or ends by them
//          while the queue's clock, as it is followed (Door::queue_now_ms()), is far from this machine's. Clocks that drift to where
//          they are just too far apart do not flutter: they agree again only once they are half as far.
// Thread   Pure: the clocks are arguments.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace volley::delivery {

class ClockWatch {
 public:
  struct Word {
    bool error = false;  // else a warning
    std::string text;
    bool operator==(const Word&) const = default;
  };
  // Once a second. queue_ms 0: the queue's clock is not known. leap_ms: how far it is ahead of what is followed (Door::clock_leap_ms()).
  // Returns what is new.
  std::vector<Word> look(int64_t queue_ms, int64_t leap_ms, int64_t wall_ms);
  bool wrong() const { return wrong_; }

 private:
  int64_t leap_ms_ = 0;  // as it was told
  bool wrong_ = false;
};

}  // namespace volley::delivery
