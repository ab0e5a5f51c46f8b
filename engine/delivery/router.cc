#include "engine/delivery/router.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <unordered_map>
#include <utility>

#include "base/hash.h"
#include "base/log.h"
#include "base/net/loop.h"
#include "dns/cache.h"
#include "engine/delivery/limits.h"
#include "engine/smtp/providers.h"

namespace volley::delivery {
namespace {

constexpr Duration kConfirmAfter = std::chrono::seconds(60);
constexpr Duration kConfirmWithin = std::chrono::hours(7 * 24);
constexpr size_t kLongestSiteName = 100;
constexpr size_t kMostSites = 4;  // of one domain, in kSitesWithin
constexpr Duration kSitesWithin = std::chrono::hours(24);
constexpr size_t kDomainsWatched = 20'000;
constexpr size_t kLongestPublicLabel = 3;  // "co.uk", "com.au": no one's

// What sites one domain's MX sets were; hashes of their names.
struct SitesOfDomain {
  std::array<uint64_t, kMostSites> names{};
  std::string shared;  // suffix of all their hosts
  size_t count = 0;
  TimePoint until{};
  bool too_many = false;
};

RouteAnswer refusal(bool permanent, uint16_t code, std::string_view enhanced, std::string text) {
  RouteAnswer answer;
  answer.permanent = permanent;
  answer.code = code;
  answer.enhanced = enhanced;
  answer.text = std::move(text);
  return answer;
}

// The MX set by name, whatever the preferences; short enough to be a label.
std::string mx_set_name(const std::vector<dns::MxHost>& hosts) {
  std::vector<std::string_view> names;
  names.reserve(hosts.size());
  for (const dns::MxHost& host : hosts) names.push_back(host.name);
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  std::string all = fmt::format("{}", fmt::join(names, ","));
  if (all.size() <= kLongestSiteName) return all;
  return fmt::format("{}+{}~{:08x}", names.front(), names.size() - 1,
                     static_cast<uint32_t>(xxh64(all)));
}

std::string path_key(std::string_view site, std::vector<dns::MxHost> hosts, uint16_t port) {
  std::sort(hosts.begin(), hosts.end(), [](const auto& a, const auto& b) {
    return std::tie(a.preference, a.name) < std::tie(b.preference, b.name);
  });
  std::string key = fmt::format("{} {}", site, port);
  for (const dns::MxHost& host : hosts) key += fmt::format(" {}:{}", host.preference, host.name);
  return key;
}

}  // namespace

std::string shared_suffix(std::string_view a, std::string_view b) {
  size_t same = 0, at = 0;  // octets from the end: in whole labels, and so far
  const size_t shorter = std::min(a.size(), b.size());
  const auto label_ends = [&](std::string_view name) {
    return at == name.size() || name[name.size() - 1 - at] == '.';
  };
  while (at < shorter && a[a.size() - 1 - at] == b[b.size() - 1 - at]) {
    ++at;
    if (label_ends(a) && label_ends(b)) same = at;
  }
  const std::string_view suffix = a.substr(a.size() - same);
  const size_t dot = suffix.find('.');
  if (dot == std::string_view::npos) return {};
  const bool two_labels = suffix.find('.', dot + 1) == std::string_view::npos;
  const bool public_suffix = two_labels && dot <= kLongestPublicLabel && suffix.size() - dot == 3;
  return public_suffix ? std::string() : std::string(suffix);
}

struct Router::Impl {
  const Settings& settings;
  dns::Resolver& resolver;
  StsDesk* sts;
  Receiver& receiver;
  std::function<TimePoint()> clock;

  // What is being found out about one domain, and who waits for it.
  struct Search {
    std::vector<uint64_t> ids;
    dns::MxAnswer mx;
    dns::TxtAnswer txt;
  };
  std::unordered_map<std::string, Search> searches;                  // by domain
  std::unordered_map<dns::QueryId, std::string> queries;             // whose
  std::unordered_map<std::string, std::weak_ptr<const Path>> paths;  // by key
  std::unordered_map<std::string, TimePoint> not_found;  // domain -> when an NXDOMAIN confirms
  dns::TtlCache<SitesOfDomain> sites_of{kDomainsWatched};
  size_t sweep_at = 1024;

  const Route* static_route(std::string_view domain) const {
    const Route* fallback = nullptr;
    for (const Route& route : settings.routes) {
      if (route.domain == domain) return &route;
      if (route.domain == "*") fallback = &route;
    }
    return fallback;
  }

  void sweep() {
    if (paths.size() + not_found.size() < sweep_at) return;
    std::erase_if(paths, [](const auto& entry) { return entry.second.expired(); });
    const TimePoint now = clock();
    std::erase_if(not_found, [now](const auto& e) { return now - e.second > kConfirmWithin; });
    sweep_at = std::max<size_t>(1024, 2 * (paths.size() + not_found.size()));
  }

  std::shared_ptr<const Path> intern(Path path) {
    sweep();
    auto& known = paths[path.key];
    if (auto alive = known.lock()) return alive;
    path.shares = share_count(path.limits, settings.loops);
    path.home_loop = static_cast<unsigned>(xxh64(path.site) % std::max(1u, settings.loops));
    auto made = std::make_shared<const Path>(std::move(path));
    known = made;
    return made;
  }

  RouteAnswer routed(const Route& route, std::string_view domain) {
    Path path;
    const std::string text = route.str();
    path.site = text.substr(text.find('=') + 1);
    path.hosts = {{0, route.host}};
    path.port = route.port;
    path.routed = true;
    // Of several domains on one route the first one's section would count for all: only the host's is looked at.
    path.limits =
        effective_limits(settings, {}, route.domain == "*" ? "" : domain, path.hosts, true);
    path.key = "route " + path.site;
    if (const SiteOverride* own = matching_override(settings, route.domain, path.hosts)) {
      path.key += " " + own->match;
    }
    RouteAnswer answer;
    answer.path = intern(std::move(path));
    return answer;
  }

  RouteAnswer relayed(const Relay& relay) {
    Path path;
    path.site = kRelaySite;
    path.provider = smtp::kRelayProvider;
    path.hosts = {{0, relay.host}};
    path.port = relay.port;
    path.routed = true;
    path.implicit_tls = relay.implicit_tls;
    path.login = relay.login;
    path.auth_in_clear = net::is_this_machine(relay.host);
    path.limits = relay_limits(settings, relay);
    path.key = fmt::format("relay {}:{}", relay.host, relay.port);
    RouteAnswer answer;
    answer.path = intern(std::move(path));
    return answer;
  }

  RouteAnswer direct(const std::string& domain, const dns::MxAnswer& mx,
                     const StsDecision& policy) {
    Path path;
    path.hosts = mx.hosts;
    path.mx_authenticated = mx.authenticated;
    path.sts = policy.verdict;
    if (policy.verdict == StsVerdict::kEnforce) {
      std::erase_if(path.hosts,
                    [&](const dns::MxHost& host) { return !matches(*policy.policy, host.name); });
      if (path.hosts.empty()) {
        return refusal(false, 451, "4.7.5",
                       "no mail exchanger of " + domain + " is one that its MTA-STS policy names");
      }
    }
    path.port = settings.smtp_port;
    path.provider = smtp::provider_of(mx.hosts.front().name);
    path.limits = effective_limits(settings, path.provider, domain, path.hosts, false);
    const SiteOverride* own = matching_override(settings, domain, path.hosts);
    path.site = own != nullptr          ? own->match
                : path.provider.empty() ? site_of(domain, path.hosts)
                                        : path.provider;
    path.key = path_key(path.site, path.hosts, path.port);
    if (path.mx_authenticated) path.key += " dnssec";
    if (path.sts == StsVerdict::kEnforce) path.key += " sts";
    if (path.sts == StsVerdict::kTesting) path.key += " sts-testing";
    RouteAnswer answer;
    answer.path = intern(std::move(path));
    return answer;
  }

  std::string site_of(const std::string& domain, const std::vector<dns::MxHost>& hosts) {
    std::string name = mx_set_name(hosts);
    const TimePoint now = clock();
    SitesOfDomain sites;
    sites.until = now + kSitesWithin;
    sites.shared = hosts.front().name;
    if (const SitesOfDomain* known = sites_of.find(domain, now)) sites = *known;
    const auto end = sites.names.begin() + static_cast<std::ptrdiff_t>(sites.count);
    const uint64_t hash = xxh64(name);
    if (std::find(sites.names.begin(), end, hash) != end) return name;
    for (const dns::MxHost& host : hosts) sites.shared = shared_suffix(sites.shared, host.name);
    if (sites.count < kMostSites) {
      sites.names[sites.count++] = hash;
    } else {
      name = sites.shared.empty() ? domain : "*." + sites.shared;
      if (!std::exchange(sites.too_many, true)) {
        log_warn(fmt::format(
            "{} has other mail exchangers at every look-up: they share the limits of site {}",
            domain, name));
      }
    }
    const TimePoint until = sites.until;
    sites_of.put(domain, std::move(sites), until - now, now);
    return name;
  }

  // The same answer out of the resolver's cache confirms nothing.
  RouteAnswer no_such_domain(const std::string& domain, Duration ttl) {
    sweep();
    const TimePoint now = clock();
    const auto [confirms, first] =
        not_found.try_emplace(domain, now + std::max(kConfirmAfter, ttl));
    if (!first && now >= confirms->second) {
      return refusal(true, 550, "5.1.2", "no such domain: " + domain);
    }
    return refusal(false, 451, "4.4.4", "no such domain, to be confirmed: " + domain);
  }

  std::string answered(dns::QueryId query) {
    const auto found = queries.find(query);
    if (found == queries.end()) return {};
    std::string domain = std::move(found->second);
    queries.erase(found);
    return domain;
  }

  void tell(const std::string& domain, const RouteAnswer& result) {
    auto search = searches.extract(domain);
    for (const uint64_t waiting : search.mapped().ids) receiver.on_route(waiting, result);
  }
  void finish(const std::string& domain, const StsDecision& policy) {
    tell(domain, answer(domain, searches[domain].mx, policy));
  }
  void refuse(const std::string& domain, std::string why) {
    tell(domain, refusal(false, 451, "4.7.5", std::move(why)));
  }

  RouteAnswer answer(const std::string& domain, const dns::MxAnswer& mx,
                     const StsDecision& policy) {
    if (mx.kind != dns::MxKind::kNxDomain) not_found.erase(domain);
    switch (mx.kind) {
      case dns::MxKind::kHosts:
        if (!mx.hosts.empty()) return direct(domain, mx, policy);
        break;
      case dns::MxKind::kNullMx:
        return refusal(true, 556, "5.1.10", "domain accepts no mail (null MX): " + domain);
      case dns::MxKind::kNxDomain:
        return no_such_domain(domain, mx.ttl);
      case dns::MxKind::kTempFail:
        break;
    }
    return refusal(false, 451, "4.4.3",
                   "MX look-up failed: " + (mx.detail.empty() ? domain : mx.detail));
  }
};

Router::Router(net::Loop& loop, const Settings& settings, dns::Resolver& resolver, StsDesk* sts,
               Receiver& receiver, std::function<TimePoint()> clock)
    : loop_(loop),
      impl_(std::make_shared<Impl>(
          Impl{settings, resolver, sts, receiver, std::move(clock), {}, {}, {}, {}})) {}

Router::~Router() {
  for (const auto& [query, domain] : impl_->queries) impl_->resolver.cancel(query);
}

std::optional<RouteAnswer> Router::route(std::string_view domain, uint64_t id) {
  if (const Route* fixed = impl_->static_route(domain)) return impl_->routed(*fixed, domain);
  if (impl_->settings.relay) return impl_->relayed(*impl_->settings.relay);
  std::string name(domain);
  const auto [search, first] = impl_->searches.try_emplace(name);
  search->second.ids.push_back(id);
  if (first) impl_->queries.emplace(impl_->resolver.mx(domain, *this), std::move(name));
  return std::nullopt;
}

void Router::on_mx(dns::QueryId id, const dns::MxAnswer& mx) {
  const std::string domain = impl_->answered(id);
  if (domain.empty()) return;
  Impl::Search& search = impl_->searches[domain];
  search.mx = mx;
  if (impl_->sts == nullptr || mx.kind != dns::MxKind::kHosts) return impl_->finish(domain, {});
  impl_->queries.emplace(impl_->resolver.txt(sts_txt_name(domain), *this), domain);
}

void Router::on_txt(dns::QueryId id, const dns::TxtAnswer& txt) {
  const std::string domain = impl_->answered(id);
  if (domain.empty()) return;
  impl_->searches[domain].txt = txt;
  look_at_policy(domain);
}

// The fetch that this may wait for ends on another thread, and perhaps after us.
void Router::look_at_policy(const std::string& domain) {
  const StsDecision decision = impl_->sts->decide(domain, impl_->searches[domain].txt);
  const bool waits = decision.verdict == StsVerdict::kWait;
  bool fetching = false;
  if (decision.fetch) {
    fetching = impl_->sts->fetch(
        domain, decision.id, [this, &loop = loop_, waits, domain, alive = std::weak_ptr(impl_)] {
          if (!waits) return;
          loop.post([this, domain, alive] {
            if (!alive.expired()) look_at_policy(domain);
          });
        });
  }
  if (waits && fetching) return;
  // Too many fetches wait already: the domain's turn comes with its next message.
  if (waits) return impl_->refuse(domain, "its MTA-STS policy is not fetched yet: " + domain);
  impl_->finish(domain, decision);
}

void Router::on_addresses(dns::QueryId, const dns::AddressAnswer&) {}

}  // namespace volley::delivery
