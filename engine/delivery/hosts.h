// Hosts: what the mail exchangers have shown about themselves.
//
// Purpose  Quirks (with expiry), how often it could not be reached and until when it is left alone, whether it has proven to
//          answer in order. One table per loop, shared by all paths that name the host.
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
#include "engine/smtp/outcome.h"

namespace volley::delivery {

// Messages after which a host's replies are believed at once (ClientOptions::hold_until_mark).
inline constexpr uint32_t kProvenAfter = 50;

struct Host {
  std::string name;
  smtp::Quirks quirks = 0;
  TimePoint quirks_until{};
  TimePoint no_tls_until{};
  uint32_t delivered = 0;  // stops at kProvenAfter
  uint32_t failures = 0;   // in a row
  TimePoint bad_until{};

  bool bad(TimePoint now) const { return failures > 0 && now < bad_until; }
  bool proven() const { return delivered >= kProvenAfter; }
  smtp::Quirks quirks_at(TimePoint now) const;
  // True when something of it was not known before.
  bool learn(smtp::Quirks shown, TimePoint now);
  void failed(TimePoint now, Random& random);
  void worked() { failures = 0; }
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
