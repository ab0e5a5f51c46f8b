// Resolver: MX and address look-ups for delivery, cached, single-flight.
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
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/net/endpoint.h"
#include "base/result.h"
#include "base/time.h"
#include "dns/mx.h"

namespace volley::net {
class Loop;
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
  };

  virtual ~Resolver() = default;
  virtual QueryId mx(std::string_view domain, Receiver& receiver) = 0;
  virtual QueryId addresses(std::string_view host, Receiver& receiver) = 0;
  virtual void cancel(QueryId id) = 0;  // unknown or answered ids are ignored
};

struct Settings {
  std::vector<net::Endpoint> servers;  // empty: those of the system; port 0: 53
  bool allow_private = false;          // deliver to private and loopback addresses
  bool ipv6 = true;
  Duration timeout = std::chrono::seconds(10);  // of a whole query, retries and waiting included
  size_t max_in_flight = 2000;                  // more wait their turn
  size_t cache_entries = 200'000;               // of each kind
};

struct Stats {
  uint64_t queries = 0;     // sent to a name server, retries included
  uint64_t cache_hits = 0;  // answered from the cache
  uint64_t failures = 0;    // no server gave an answer
  uint64_t in_flight = 0, cached = 0;
};

// seed: for the shuffles.
class CaresResolver final : public Resolver {
 public:
  static Result<std::unique_ptr<CaresResolver>> create(net::Loop& loop, const Settings& settings,
                                                       uint64_t seed);
  ~CaresResolver() override;
  QueryId mx(std::string_view domain, Receiver& receiver) override;
  QueryId addresses(std::string_view host, Receiver& receiver) override;
  void cancel(QueryId id) override;
  Stats stats() const;

 private:
  struct Impl;
  explicit CaresResolver(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace volley::dns
