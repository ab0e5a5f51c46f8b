#include "engine/delivery/hosts.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/delivery/retry.h"

namespace volley::delivery {
namespace {

constexpr Duration kQuirksLast = std::chrono::hours(7 * 24);
// Broken TLS is usually mended soon, and going without is the worse choice.
constexpr Duration kNoTlsLasts = std::chrono::hours(1);

}  // namespace

smtp::Quirks Host::quirks_at(TimePoint now) const {
  smtp::Quirks known = now < quirks_until ? quirks : smtp::Quirks{0};
  if (now < no_tls_until) known |= smtp::kNoTls;
  return known;
}

bool Host::learn(smtp::Quirks shown, TimePoint now) {
  if (shown == 0) return false;
  const bool fresh = (shown & ~quirks_at(now)) != 0;
  const auto lasting = static_cast<smtp::Quirks>(shown & ~smtp::kNoTls);
  if (lasting != 0) {
    quirks = static_cast<smtp::Quirks>((now < quirks_until ? quirks : 0) | lasting);
    quirks_until = now + kQuirksLast;
  }
  if (shown & smtp::kNoTls) no_tls_until = now + kNoTlsLasts;
  return fresh;
}

void Host::failed(TimePoint now, Random& random) {
  ++failures;
  bad_until = now + connect_backoff(failures, random);
}

std::shared_ptr<Host> Hosts::find(std::string_view name, uint16_t port) {
  auto& host = hosts_[fmt::format("{}:{}", name, port)];
  if (!host) {
    host = std::make_shared<Host>();
    host->name = name;
  }
  return host;
}

void Hosts::forget_stale(TimePoint now) {
  std::erase_if(hosts_, [now](const auto& entry) {
    const Host& host = *entry.second;
    return entry.second.use_count() == 1 && host.quirks_at(now) == 0 && !host.bad(now);
  });
}

}  // namespace volley::delivery
