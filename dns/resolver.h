// Resolver: MX, address, TLSA and TXT look-ups for delivery, cached, single-flight.
//
// Purpose    The interface delivery sees; CaresResolver is the real one. Only this box sees ares.h.
// Ownership  A Receiver outlives the Resolver or cancels its queries first. Answers come with the
//            id the call returned, never from inside the call itself, once each; a cancelled query
//            is never answered. A receiver may call anything here from inside an answer, and may
//            destroy the resolver.
// Thread     The loop's.
// Errors     Inside the answers; nothing here fails otherwise. Every query is answered within
//            Settings::timeout.
// Order      Each answer of mx() and of addresses() is shuffled anew (among equals), cached or not.
// DNSSEC     Nothing is validated here: `authenticated` passes on what a validating name server says
//            (the AD bit), and only with Settings::trust_ad, since anybody between it and us could
//            set that bit. A bogus answer arrives as SERVFAIL, that is as a failure: it must never
//            be taken for "no such record", which would let an attacker switch DANE off.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/net/endpoint.h"
#include "base/result.h"
#include "base/time.h"
#include "dns/mx.h"
#include "dns/tlsa.h"

namespace volley::net {
class Loop;
}
namespace volley::metrics {
struct Shard;
}

namespace volley::dns {

inline constexpr size_t kMaxAddresses = 8;

struct AddressAnswer {
  // Port 0; IPv6 first when there is any; private ones left out unless allowed; at most 8, and when
  // there are more, not less than half for the smaller family.
  std::vector<net::Endpoint> addresses;
  bool refused_private = false;  // some were left out for that reason
  // NXDOMAIN or no address record at all. Not: a failure of DNS, or only private addresses, which
  // is a mistake somebody may mend.
  bool permanent = false;
  // DNSSEC vouches for it: every reply that was used, the aliases on the way included.
  bool authenticated = false;
  std::string canonical;  // the name the aliases led to; without any, the name itself
  Duration ttl{};
  std::string detail;
};

// RFC 7672 section 2.1.2: when it failed (SERVFAIL, which also says "bogus"; timeout; nonsense), the
// host must not be used as if it had no records.
struct TlsaAnswer {
  std::vector<TlsaRecord> records;  // none and not failed: there are none
  bool authenticated = false;
  bool failed = false;
  Duration ttl{};
  std::string detail;
};

struct TxtAnswer {
  std::vector<std::string> strings;  // one per record; none and not failed: there are none
  bool failed = false;
  Duration ttl{};
  std::string detail;
};

using QueryId = uint64_t;

class Resolver {
 public:
  class Receiver {
   public:
    virtual ~Receiver() = default;
    virtual void on_mx(QueryId id, const MxAnswer& answer) = 0;
    virtual void on_addresses(QueryId id, const AddressAnswer& answer) = 0;
    // For those who ask.
    virtual void on_tlsa(QueryId, const TlsaAnswer&) {}
    virtual void on_txt(QueryId, const TxtAnswer&) {}
  };

  virtual ~Resolver() = default;
  virtual QueryId mx(std::string_view domain, Receiver& receiver) = 0;
  virtual QueryId addresses(std::string_view host, Receiver& receiver) = 0;
  // Of a service over TCP: _port._tcp.host.
  virtual QueryId tlsa(std::string_view host, uint16_t port, Receiver& receiver) = 0;
  virtual QueryId txt(std::string_view name, Receiver& receiver) = 0;
  virtual void cancel(QueryId id) = 0;  // unknown or answered ids are ignored
};

struct Settings {
  std::vector<net::Endpoint> servers;  // empty: those of the system; port 0: 53
  bool allow_private = false;          // deliver to private and loopback addresses
  bool ipv6 = true;
  // Believe the AD bit: only when the way to every server is as safe as this machine, and the server
  // validates. See is_loopback().
  bool trust_ad = false;
  Duration timeout = std::chrono::seconds(10);  // of a whole query, retries and waiting included
  size_t max_in_flight = 2000;                  // more wait their turn
  size_t cache_entries = 200'000;               // of each kind
};

// Whether all of them, and there is one, are on this machine: nobody can forge what they answer.
bool is_loopback(std::span<const net::Endpoint> servers);

struct Stats {
  uint64_t queries = 0;     // sent to a name server, retries included
  uint64_t cache_hits = 0;  // answered from the cache
  uint64_t failures = 0;    // no server gave an answer
  uint64_t in_flight = 0, cached = 0;
};

// seed: for the shuffles. counters: the loop's.
class CaresResolver final : public Resolver {
 public:
  static Result<std::unique_ptr<CaresResolver>> create(net::Loop& loop, const Settings& settings,
                                                       uint64_t seed,
                                                       metrics::Shard* counters = nullptr);
  ~CaresResolver() override;
  QueryId mx(std::string_view domain, Receiver& receiver) override;
  QueryId addresses(std::string_view host, Receiver& receiver) override;
  QueryId tlsa(std::string_view host, uint16_t port, Receiver& receiver) override;
  QueryId txt(std::string_view name, Receiver& receiver) override;
  void cancel(QueryId id) override;
  Stats stats() const;

 private:
  struct Impl;
  explicit CaresResolver(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace volley::dns
