#include "engine/delivery/limits.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "engine/delivery/router.h"
#include "engine/smtp/providers.h"

namespace volley::delivery {
namespace {

constexpr uint32_t kRoutedConnections = 20;
constexpr uint32_t kRoutedMessages = 1000;
constexpr const char* kRelaySection = "[relay]";
constexpr unsigned kConnectionsWorthALoop = 8;

const SiteOverride* find_override(const Settings& settings, std::string_view match) {
  for (const SiteOverride& site : settings.sites) {
    if (site.match == match) return &site;
  }
  return nullptr;
}

void apply(EffectiveLimits& limits, const SiteLimits& l, const std::string& from) {
  if (l.connections) {
    limits.connections = std::max(1u, *l.connections);
    limits.connections_from = from;
  }
  if (l.messages_per_connection) {
    limits.messages_per_connection = std::max(1u, *l.messages_per_connection);
    limits.messages_from = from;
  }
  if (l.rate) {
    limits.rate = *l.rate;
    limits.rate_from = from;
  }
  if (l.tls) {
    limits.tls = *l.tls;
    limits.tls_from = from;
  }
  if (l.recipients) limits.recipients = std::max(1u, *l.recipients);
  if (l.daily) {
    limits.daily = *l.daily;
    limits.daily_from = from;
  }
  if (l.chunking) limits.chunking = *l.chunking;
}

void apply(EffectiveLimits& limits, const SiteOverride* override) {
  if (override == nullptr) return;
  apply(limits, override->limits, fmt::format("[site.\"{}\"]", override->match));
}

void apply_provider(EffectiveLimits& limits, std::string_view provider) {
  const smtp::ProviderLimits known = smtp::provider_limits(provider);
  const std::string from = fmt::format("provider {}", provider);
  limits.connections = known.connections;
  limits.messages_per_connection = known.messages;
  limits.recipients = known.rcpts;
  limits.rate = kProviderRate;
  limits.connections_from = limits.messages_from = limits.rate_from = from;
  if (known.tls_required) {
    limits.tls = TlsPolicy::kRequired;
    limits.tls_from = from;
  }
}

// Only a route's host is an address: no MX is, and no recipient's domain.
bool same_address(std::string_view host, std::string_view match) {
  const auto address = net::Endpoint::from_ip(match, 0);
  return address && address == net::Endpoint::from_ip(host, 0);
}

void cap_connections(const Settings& settings, EffectiveLimits& limits) {
  if (settings.connections_cap == 0 || settings.connections_cap >= limits.connections) return;
  limits.connections = settings.connections_cap;
  limits.connections_from = "--connections";
}

}  // namespace

void TokenBucket::set_rate(double per_second, TimePoint now) {
  refill(now);
  if (rate_ == 0) tokens_ = std::max(1.0, per_second);
  rate_ = per_second;
  tokens_ = std::min(tokens_, std::max(1.0, rate_));
}

void TokenBucket::refill(TimePoint now) {
  if (now > last_) {
    const double seconds = std::chrono::duration<double>(now - last_).count();
    tokens_ = std::min(std::max(1.0, rate_), tokens_ + seconds * rate_);
    last_ = now;
  }
}

bool TokenBucket::available(TimePoint now) {
  if (rate_ == 0) return true;
  refill(now);
  return tokens_ >= 1;
}

bool TokenBucket::take(TimePoint now) {
  if (!available(now)) return false;
  if (rate_ != 0) tokens_ -= 1;
  return true;
}

TimePoint TokenBucket::next(TimePoint now) {
  if (available(now)) return now;
  // A microsecond more, so that rounding never wakes us just before the token is whole.
  const double seconds = (1 - tokens_) / rate_ + 1e-6;
  return now + std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
}

uint32_t limit_share(uint32_t total, unsigned shares, unsigned rank) {
  if (shares <= 1) return total;
  return total / shares + (rank == 0 ? total % shares : 0);
}

bool has_suffix(std::string_view host, std::string_view suffix) {
  if (!suffix.starts_with('.')) return false;
  return host == suffix.substr(1) || (host.size() > suffix.size() && host.ends_with(suffix));
}

const SiteOverride* matching_override(const Settings& settings, std::string_view domain,
                                      const std::vector<dns::MxHost>& hosts) {
  if (const SiteOverride* exact = find_override(settings, domain); exact && domain != "default") {
    return exact;
  }
  const SiteOverride* best = nullptr;
  for (const SiteOverride& site : settings.sites) {
    const bool matches = std::any_of(hosts.begin(), hosts.end(), [&](const dns::MxHost& host) {
      return has_suffix(host.name, site.match) || same_address(host.name, site.match);
    });
    if (matches && (best == nullptr || site.match.size() > best->match.size())) best = &site;
  }
  return best;
}

EffectiveLimits effective_limits(const Settings& settings, std::string_view provider,
                                 std::string_view domain, const std::vector<dns::MxHost>& hosts,
                                 bool routed) {
  EffectiveLimits limits;
  limits.connections_from = limits.messages_from = limits.rate_from = limits.tls_from =
      routed ? "static route" : "default";
  if (routed) {
    limits.connections = kRoutedConnections;
    limits.messages_per_connection = kRoutedMessages;
  } else {
    const smtp::ProviderLimits defaults = smtp::provider_limits({});
    limits.connections = defaults.connections;
    limits.messages_per_connection = defaults.messages;
    limits.rate = kDefaultRate;
    apply(limits, find_override(settings, "default"));
    if (!provider.empty()) {
      apply_provider(limits, provider);
      apply(limits, find_override(settings, provider));
    }
  }
  const SiteOverride* own = matching_override(settings, domain, hosts);
  // The suffix first, so that a domain's own section wins where both speak.
  if (own != nullptr && own->match == domain) apply(limits, matching_override(settings, {}, hosts));
  apply(limits, own);
  cap_connections(settings, limits);
  return limits;
}

EffectiveLimits relay_limits(const Settings& settings, const Relay& relay) {
  EffectiveLimits limits;
  limits.connections = kRoutedConnections;
  limits.messages_per_connection = kRoutedMessages;
  limits.connections_from = limits.messages_from = limits.rate_from = limits.tls_from =
      kRelaySection;
  if (relay.login) limits.tls = TlsPolicy::kVerified;
  apply(limits, relay.limits, kRelaySection);
  cap_connections(settings, limits);
  return limits;
}

unsigned share_count(const EffectiveLimits& limits, unsigned loops) {
  if (loops <= 1 || limits.rate > 0 || limits.daily > 0 ||
      limits.connections / loops < kConnectionsWorthALoop)
    return 1;
  return loops;
}

}  // namespace volley::delivery
