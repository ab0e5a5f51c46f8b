// Brakes: when receivers refuse *us*, stop instead of hammering.
//
// Purpose    50 refusals in a row pause a site (15 min, doubling to 4 h); refusals at 5 sites at once pause the campaign; when
//            every connection to port 25 times out at 5 sites, pause and say so ("is port 25 blocked here? use a relay").
//            Pure counting over all loops.
// Counting   A site refuses "at once" with others when its latest answers, within 10 minutes, were refusals: 3 permanent or 10
//            temporary ones. Dead hosts in the long tail of a list do not stop a campaign: one connection made on port 25
//            within 10 minutes proves that the port is open.
// Thread     Any (a mutex inside; called on refusals, per connection, and on the first success after a refusal, never per
//            message).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"

namespace volley::delivery {

struct Braking {
  std::optional<Duration> pause_site;
  std::string pause_campaign_reason;  // empty: go on
};

class Brakes {
 public:
  Brakes();
  ~Brakes();
  // A path condition: refused connection, greeting, EHLO, or a 5xx/4xx reply that speaks of our IP, rate, PTR, reputation.
  Braking refused(std::string_view site, std::string_view campaign, bool permanent, TimePoint now);
  Braking connect_timed_out(std::string_view site, std::string_view campaign, uint16_t port,
                            TimePoint now);
  void connected(uint16_t port, TimePoint now);  // a TCP connection was made
  void succeeded(std::string_view site,
                 TimePoint now);  // a message accepted, or a recipient-level answer
  // A campaign the user resumed starts with a clean slate.
  void forget_campaign(std::string_view campaign);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace volley::delivery
