// Large receivers, known by the names of their MX hosts.
//
// Purpose  provider_of() rolls an MX host up to a provider ("google", "o365", "yahoo", ...), by suffix at a label
//          boundary: evilgoogle.com is not google.com. provider_limits() gives careful limits to start with, per source
//          address. family_of() names the set of reply rules that applies.
// Thread   Pure; tables are constant.
// Source   reference facts of this project's rules: providers' postmaster pages, KumoMTA's shaping, experience.
// Not for  what an operator configured: that is on top, in engine/delivery.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace volley::smtp {

enum class Family : uint8_t {
  kGeneric,
  kGoogle,
  kMicrosoft,
  kYahoo,
  kApple,
  kOrange,
  kSfr,
  kFree,
  kGmx,
  kComcast,
  kQq,
  kNetease,
  kImprovmx,
  kRelay,  // whom we send through: its words are about our account
  kCount,
};

struct ProviderLimits {
  uint32_t connections = 10;    // per source address
  uint32_t messages = 100;      // per connection
  uint32_t rcpts = 100;         // per transaction
  uint32_t cold_per_hour = 50;  // messages in an hour of a new address's first day
  bool tls_required = false;
};

// What no MX host is, but the operator's relay.
inline constexpr std::string_view kRelayProvider = "relay";

// A provider's name, or empty for a host of no provider we know. The host in any case, with or without a last dot.
std::string_view provider_of(std::string_view mx_host);
std::vector<std::string_view> provider_names();             // all that provider_of() knows, sorted
ProviderLimits provider_limits(std::string_view provider);  // empty or unknown: the defaults
Family family_of(std::string_view provider);

}  // namespace volley::smtp
