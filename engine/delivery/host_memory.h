// HostMemory: what mail exchangers have shown about themselves, over all loops and across restarts.
//
// Purpose   Quirks, how many messages a connection and how many recipients a transaction may have, whether a host has proven to
//           answer in order, whether it is a tarpit: each for a while, since hosts are mended. Kept by "name:port".
// Limits    100,000 hosts; those whose knowledge ends first are forgotten.
// Thread    Any (a mutex inside): asked once per connection, told when something is learned.
// Units     Wall time, as it is kept across restarts. What lies further ahead than its term (a clock was set back) is cut to it.
// Not for   back-off after failures, which each loop keeps for itself: hosts.h.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/result.h"
#include "base/time.h"
#include "engine/smtp/outcome.h"

namespace volley::delivery {

struct HostFacts {
  smtp::Quirks quirks = 0;
  uint32_t messages = 0;    // it closes a connection after so many; 0: not known
  uint32_t recipients = 0;  // it takes so many in one transaction; 0: not known
  bool tarpit = false;      // it takes very long for each recipient
  bool proven = false;      // its replies have come in order often enough to be believed at once
};

class HostMemory {
 public:
  HostFacts facts(const std::string& host, WallTime now) const;
  bool learn(const std::string& host, smtp::Quirks shown,
             WallTime now);  // true: some of it is news
  // It closed a connection between two messages, after so many: the same number twice is a limit.
  void closed_after(const std::string& host, uint32_t messages, WallTime now);
  void takes_recipients(const std::string& host, uint32_t recipients, WallTime now);
  bool tarpit(const std::string& host, WallTime now);  // true: it is news
  void proven(const std::string& host, WallTime now);
  // A host that lost count must prove itself again.
  void disproven(const std::string& host);

  size_t size() const;
  // As one JSON object, without what is over; and back again.
  std::string to_json(WallTime now) const;
  Status load(std::string_view json, WallTime now);

 private:
  static constexpr size_t kFacts = 20;  // 16 quirks, then messages, recipients, proven, tarpit
  struct Entry {
    std::array<WallTime, kFacts> until{};
    uint32_t messages = 0, recipients = 0;
    uint32_t closed_after = 0, closed_times = 0;
  };
  struct Fact;
  static const std::array<Fact, 12>& table();
  void keep(Entry& entry, size_t fact, WallTime now);
  Entry& entry_of(const std::string& host);
  void make_room();

  mutable std::mutex mutex_;
  std::unordered_map<std::string, Entry> hosts_;
};

}  // namespace volley::delivery
