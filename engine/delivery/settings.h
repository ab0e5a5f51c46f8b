// What delivery is told: host name, sources, routes, limits. Parsed elsewhere (engine/cli), converted by engine/app.
//
// Units   Rates in messages per second, 0: no cap. Thread: values, constant after start.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/net/endpoint.h"
#include "base/time.h"
#include "dns/resolver.h"
#include "engine/delivery/relay_login.h"
#include "engine/message/dkim.h"
#include "queue/campaign.h"
#include "queue/history.h"

namespace volley::delivery {

// Mail for `domain` ("*": everything else) goes to this host and port, without MX; a site of its own, without rate cap.
struct Route {
  std::string domain;
  std::string host;  // address or name
  uint16_t port = 25;
  std::string str() const;  // what parse_route() reads
};
// 'DOMAIN=HOST:PORT', DOMAIN may be '*', HOST may be [v6].
Result<Route> parse_route(std::string_view text);

enum class TlsPolicy : uint8_t {
  kOpportunistic,  // with whoever answers, in the clear when TLS does not come about
  kRequired,       // encrypted, to whoever answers
  kVerified,       // to the host its certificate names, by a CA we trust
  kNever,
};

enum class ChunkingPolicy : uint8_t {
  kAuto,    // BDAT streaming to hosts that have proven themselves
  kAlways,  // at once: the operator knows them
  kNever,
};

// Each set field overrides what the provider table or the default says.
struct SiteLimits {
  std::optional<uint32_t> connections;
  std::optional<uint32_t> messages_per_connection;
  std::optional<double> rate;  // messages/s
  std::optional<TlsPolicy> tls;
  std::optional<uint32_t> recipients;  // per transaction, where their message is the same
  std::optional<uint64_t> daily;       // messages in any 24 hours
  std::optional<ChunkingPolicy> chunking;
};

// Everything that no route takes goes through this host: one site, named "relay".
struct Relay {
  std::string host;
  uint16_t port = 587;
  bool implicit_tls = false;          // from the first byte (port 465)
  std::shared_ptr<RelayLogin> login;  // null: none
  SiteLimits limits;
};

struct SiteOverride {
  std::string
      match;  // [site."..."]: a provider ("google"), a recipient domain, an MX suffix (".example.net"),
              // the address of a route's host, or "default"
  SiteLimits limits;
};

// Single messages are what people wait for: tried often, and worth nothing after a day.
inline constexpr queue::RetryPolicy kSinglesRetry{60'000, 30LL * 60'000, 24LL * 3600 * 1000};

struct Settings {
  unsigned loops = 1;
  std::string hostname;   // EHLO name and right side of Message-ID
  std::string source_ip;  // bind address for outgoing connections, empty: the system's choice
  uint16_t smtp_port = 25;
  std::vector<Route> routes;
  std::optional<Relay> relay;
  std::string ca_file;  // CAs to trust besides the system's
  bool mta_sts = true;  // keep to recipients' MTA-STS policies
  bool dane = true;     // and to TLSA records, where dns.trust_ad says that DNSSEC is checked
  double rate = 0;      // messages/s of this engine, over all campaigns; 0: none
  uint32_t max_connections = 1000;  // of the whole process
  uint32_t connections_cap = 0;     // per site, summed over loops; 0: as limits say
  std::vector<SiteOverride> sites;
  dns::Settings dns;
  std::string data_directory;  // journal lives in <data>/journal
  queue::History history;      // what tells a restored backup; empty: none is kept
  Duration lease_ttl = std::chrono::seconds(12);
  Duration idle_connection = std::chrono::seconds(5);
  Duration connect_timeout = std::chrono::seconds(30);
  Duration progress_interval =
      std::chrono::seconds(1);  // fresh records older than this are handed over
  Duration idle_return =
      std::chrono::seconds(30);  // work that got nowhere for so long goes back to the queue
  uint32_t recipients_in_memory = 16384;  // per loop, claimed and not settled
  Duration retry_wheel =
      std::chrono::milliseconds(250);  // the finest step of a retry; long ones have coarser ones
  queue::RetryPolicy singles_retry = kSinglesRetry;
};

}  // namespace volley::delivery
