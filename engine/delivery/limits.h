// Limits: how fast, and who said so.
//
// Purpose  TokenBucket paces messages; effective_limits() and share_count() (router.h) are implemented beside it; limit_share()
//          is one loop's part of a number; matching_override() says which [site."..."] makes a domain a site of its own.
// Order    Later wins: built-in defaults, [site."default"], the provider table, [site."provider"], [site.".mx-suffix"],
//          or [site."address"], [site."recipient-domain"]; --connections only lowers. A static route starts from generous defaults without a rate
//          and takes [site."default"] not at all.
// Thread   Pure.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "dns/mx.h"
#include "engine/delivery/settings.h"

namespace volley::delivery {

// Rates of direct mail, in messages/s, when nobody said otherwise.
inline constexpr double kDefaultRate = 50;
inline constexpr double kProviderRate = 10;

// One second's worth of burst, at least one message. rate 0: never empty.
class TokenBucket {
 public:
  void set_rate(double per_second, TimePoint now);  // keeps what is in it, cut to the new size
  double rate() const { return rate_; }
  bool available(TimePoint now);
  bool take(TimePoint now);
  TimePoint next(TimePoint now);  // when one will be there; `now` if it is

 private:
  void refill(TimePoint now);
  double rate_ = 0, tokens_ = 1;
  TimePoint last_{};
};

// The `rank`-th of `shares` loops' part of `total`; the first gets the remainder.
uint32_t limit_share(uint32_t total, unsigned shares, unsigned rank);

// True when `host` is `suffix` (which starts with '.') or below it, at a label boundary.
bool has_suffix(std::string_view host, std::string_view suffix);

// The override of this recipient domain, else of the longest MX suffix that one of the hosts has, or of a route's address;
// nullptr: none.
const SiteOverride* matching_override(const Settings& settings, std::string_view domain,
                                      const std::vector<dns::MxHost>& hosts);

}  // namespace volley::delivery
