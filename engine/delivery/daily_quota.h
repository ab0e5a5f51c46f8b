// DailyQuota: at most so many messages in any 24 hours, kept across restarts.
//
// Purpose   A relay's daily limit. Whatever the provider's day is (a calendar day, or the last 24 hours), it is kept: the count is
//           over a window that moves by the hour.
// Kept      Memory writes it down once a second while it changes: kill -9 loses a second's count at most, and the receiver's own
//           refusals then say the rest.
// Thread    Any (a mutex inside); asked per message, for sites that have a quota only.
// Units     Messages; wall time. A clock set back leaves the window where it was until it is caught up with.
#pragma once

#include <array>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/result.h"
#include "base/time.h"

namespace volley::delivery {

class DailyQuota {
 public:
  // Counts one message of the site; false: `limit` were sent in the last 24 hours.
  bool take(const std::string& site, uint64_t limit, WallTime now);
  void give_back(const std::string& site, WallTime now);  // it was not sent after all
  uint64_t used(const std::string& site, WallTime now) const;
  // When the next one may go; `now` if one may.
  WallTime next(const std::string& site, uint64_t limit, WallTime now) const;

  bool changed() const;  // since the last to_json()
  std::string to_json();
  Status load(std::string_view json);

 private:
  static constexpr size_t kHours = 24;
  // The current hour and the 24 before it: what was sent in the first minute of one counts until the last of its like.
  struct Window {
    std::array<uint64_t, kHours + 1> hours{};  // by hour % size
    int64_t newest = 0;                        // hours since the epoch
    uint64_t sum() const;
    void move_to(int64_t hour);
    uint64_t& at(int64_t hour) { return hours[static_cast<size_t>(hour) % hours.size()]; }
  };

  mutable std::mutex mutex_;
  std::unordered_map<std::string, Window> sites_;
  bool changed_ = false;
};

}  // namespace volley::delivery
