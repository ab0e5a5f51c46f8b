// Router: from a recipient domain to the path its mail takes.
//
// Purpose    Static routes first (an exact domain beats "*"), then the relay when there is one; else MX look-up, rolled up to a *site*: the provider matched by
//            MX suffix (smtp::provider_of, label boundary), or the MX set itself. A domain or an MX suffix that the operator
//            named in [site."..."] is a site of its own. A domain with an MTA-STS policy in force has only the hosts that the
//            policy names, on a path of their own. A Path is one MX set within a site: sessions are shared only within
//            a path, limits within the site.
// Rotation   A domain whose MX set is another one at each look-up would have a new site, with fresh limits, each time: after
//            four in a day, its further sets belong to one site. That is named by what the hosts of all its sets share
//            ("*.example.net"), so that all domains of a hoster meet there; by the domain if they share nothing.
// Ownership  The Receiver outlives the Router. Paths are shared and immutable; one object per MX set and Router, so pointers
//            of one Router compare; across loops compare Path::key.
// Thread     The loop's.
// Errors     Answers: a path, or a permanent refusal (null MX, no such domain after a second confirmation) or a temporary
//            one, with the codes a bounce or deferral carries.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "dns/resolver.h"
#include "engine/delivery/settings.h"
#include "engine/delivery/sts_desk.h"

namespace volley::net {
class Loop;
}

namespace volley::delivery {

inline constexpr const char* kRelaySite = "relay";

// Effective limits, and where each comes from ("default", "provider google", "[site.\"google\"]", "--connections").
struct EffectiveLimits {
  uint32_t connections = 10;
  uint32_t messages_per_connection = 100;
  double rate = 0;  // messages/s, 0: none
  TlsPolicy tls = TlsPolicy::kOpportunistic;
  uint32_t recipients = 100;  // per transaction
  uint64_t daily = 0;         // messages in any 24 hours, 0: no limit
  ChunkingPolicy chunking = ChunkingPolicy::kAuto;
  std::string connections_from, messages_from, rate_from, tls_from, daily_from;
};

struct Path {
  std::string site;                // name; all limits hang on it
  std::string provider;            // "google", "" when none
  std::string key;                 // the MX set, sorted; unique per path
  std::vector<dns::MxHost> hosts;  // in preference order
  uint16_t port = 25;
  bool routed = false;            // static route or relay: private addresses allowed, no rate cap
  bool mx_authenticated = false;  // by DNSSEC
  StsVerdict sts =
      StsVerdict::kNone;  // kTesting, kEnforce: what the domains' policies want of these hosts
  bool implicit_tls = false;
  bool auth_in_clear = false;         // a relay on this machine: a password may travel without TLS
  std::shared_ptr<RelayLogin> login;  // the relay's
  EffectiveLimits limits;
  unsigned shares = 1;     // over how many loops the site's sessions are spread
  unsigned home_loop = 0;  // first of them
};

struct RouteAnswer {
  std::shared_ptr<const Path> path;  // set, or one of the two below
  bool permanent = false;
  uint16_t code = 0;  // 550, 556, 451
  std::string enhanced, text;
};

class Router final : public dns::Resolver::Receiver {
 public:
  class Receiver {
   public:
    virtual ~Receiver() = default;
    virtual void on_route(uint64_t id, const RouteAnswer& answer) = 0;
  };
  // sts: null when MTA-STS is not looked at.
  Router(net::Loop& loop, const Settings& settings, dns::Resolver& resolver, StsDesk* sts,
         Receiver& receiver, std::function<TimePoint()> clock = monotonic_now);
  ~Router() override;
  // Answers by on_route(id) later, or at once through the return value when no look-up is needed (static route). Several ids
  // may wait for one domain. The first NXDOMAIN is temporary (451 4.4.4); one more, a minute or later and not out of the
  // resolver's cache, is permanent.
  std::optional<RouteAnswer> route(std::string_view domain, uint64_t id);
  void on_mx(dns::QueryId id, const dns::MxAnswer& answer) override;
  void on_addresses(dns::QueryId id, const dns::AddressAnswer& answer) override;
  void on_txt(dns::QueryId id, const dns::TxtAnswer& answer) override;

 private:
  struct Impl;
  void look_at_policy(const std::string& domain);

  net::Loop& loop_;
  std::shared_ptr<Impl> impl_;  // shared so that late answers can tell whether it is still there
};

// Pure: limits of a site from provider table, overrides and cap; shares and home loop.
EffectiveLimits effective_limits(const Settings& settings, std::string_view provider,
                                 std::string_view domain, const std::vector<dns::MxHost>& hosts,
                                 bool routed);
EffectiveLimits relay_limits(const Settings& settings, const Relay& relay);
// What two host names end in, in whole labels and at least two of them. Two of at most three and of two letters ("co.uk")
// are as good as none: "".
std::string shared_suffix(std::string_view a, std::string_view b);
unsigned share_count(const EffectiveLimits& limits,
                     unsigned loops);  // 1 when it has a rate or fewer than 8 connections a loop

}  // namespace volley::delivery
