// Hosts: mail exchangers as this loop knows them: how often one could not be reached, until when it is left alone.
//
// Purpose  Back-off, and the count towards being proven. What is learned about a host for all loops and the next run is in
//          host_memory.h, under Host::key. One table per loop, shared by all paths that name the host.
// Ownership shared_ptr: a path keeps its hosts alive; forget_stale() drops those nobody uses and nothing is known about.
// Thread   The loop's. Pure: time is an argument.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/random.h"
#include "base/time.h"

namespace volley::delivery {

// Messages after which a host's replies are believed at once (ClientOptions::hold_until_mark).
inline constexpr uint32_t kProvenAfter = 50;

struct Host {
  std::string name;
  std::string key;         // "name:port"
  uint32_t delivered = 0;  // stops at kProvenAfter
  uint32_t failures = 0;   // in a row
  TimePoint bad_until{};
  TimePoint others_first_until{};  // a message needs what it lacks
  bool without_smtputf8 = false;   // at its last EHLO
  Duration rcpt_time{};            // what the last recipients took, all together
  uint32_t rcpt_replies = 0;

  bool bad(TimePoint now) const { return failures > 0 && now < bad_until; }
  void failed(TimePoint now, Random& random);
  void worked() { failures = 0; }
  // True while recipients take more than 20 s each, on average of the last 10 to 20; one or two alone say little.
  bool is_tarpit(Duration took, uint32_t replies);
};

class Hosts {
 public:
  std::shared_ptr<Host> find(std::string_view name, uint16_t port);
  void forget_stale(TimePoint now);
  size_t size() const { return hosts_.size(); }

 private:
  std::unordered_map<std::string, std::shared_ptr<Host>> hosts_;
};

}  // namespace volley::delivery
