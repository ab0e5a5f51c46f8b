#include "dns/cache.h"

#include <algorithm>
#include <chrono>

namespace volley::dns {

namespace {

constexpr std::chrono::seconds kPositiveMin{60};
constexpr std::chrono::seconds kPositiveMax{86400};
constexpr std::chrono::seconds kNegativeMin{30};
constexpr std::chrono::seconds kNegativeMax{15 * 60};
constexpr std::chrono::seconds kFailure{10};

}  // namespace

Duration clamp_positive_ttl(uint32_t seconds) {
  return std::clamp(std::chrono::seconds(seconds), kPositiveMin, kPositiveMax);
}

Duration clamp_negative_ttl(std::optional<uint32_t> soa_seconds) {
  return std::clamp(std::chrono::seconds(soa_seconds.value_or(0)), kNegativeMin, kNegativeMax);
}

Duration failure_ttl() { return kFailure; }

}  // namespace volley::dns
