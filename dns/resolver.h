// Resolver: MX and address look-ups for delivery, cached, single-flight.
//
// Purpose    The interface delivery sees; CaresResolver is the real one (the only code that sees ares.h).
// Ownership  A Receiver outlives the Resolver or cancels its queries first. Answers come with the id the call returned,
//            never from inside the call itself.
// Thread     The loop's.
// Errors     Inside the answers; nothing here fails otherwise.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/net/endpoint.h"
#include "base/result.h"
#include "base/time.h"
#include "dns/mx.h"

namespace volley::net {
class Loop;
}

namespace volley::dns {

struct AddressAnswer {
  std::vector<net::Endpoint> addresses;  // port 0; IPv6 first when there is any; private ones left out unless allowed
  bool refused_private = false;          // some were left out for that reason
  bool permanent = false;                // NXDOMAIN or no address at all, as opposed to a failure of DNS
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
  virtual void cancel(QueryId id) = 0;
};

struct Settings {
  std::vector<net::Endpoint> servers;  // empty: those of the system
  bool allow_private = false;          // deliver to private and loopback addresses
  bool ipv6 = true;
  Duration timeout = std::chrono::seconds(10);   // of a whole query, retries included
};

struct Stats {
  uint64_t queries = 0, cache_hits = 0, failures = 0, in_flight = 0, cached = 0;
};

// seed: for the shuffle of equal preferences.
class CaresResolver final : public Resolver {
 public:
  static Result<std::unique_ptr<CaresResolver>> create(net::Loop& loop, const Settings& settings, uint64_t seed);
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
