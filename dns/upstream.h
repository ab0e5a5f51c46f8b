// Questions to the name servers: which server, how often, until when, how many at once.
//
// Purpose    ask() gets one record type of one name: the server that last worked first, the next
//            one after a timeout, SERVFAIL, REFUSED or a broken reply, each at most twice, until
//            the deadline. More than max_in_flight wait in a queue, on the same deadline.
// Ownership  The Listener outlives the Upstream. Replies come with the id of ask(), once each,
//            never from inside ask(); the listener may ask() from inside one, and may destroy the
//            Upstream.
// Thread     The loop's.
// Errors     In the Reply: a failure is one of DNS. NXDOMAIN and "no such record" are answers.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/net/endpoint.h"
#include "base/result.h"
#include "base/time.h"
#include "dns/answer.h"

namespace volley::net {
class Loop;
}
namespace volley::metrics {
struct Shard;
}

namespace volley::dns {

struct Reply {
  bool failed = false;
  Answer answer;       // when not failed: rcode 0 or 3; authenticated only if AD is trusted
  std::string detail;  // "SERVFAIL from 192.0.2.53:53"
};

struct UpstreamSettings {
  std::vector<net::Endpoint> servers;  // at least one
  Duration timeout{};
  size_t max_in_flight = 1;
  bool trust_ad = false;               // ask for the AD bit, and believe it
  metrics::Shard* counters = nullptr;  // the loop's
};

struct UpstreamStats {
  uint64_t sent = 0, failed = 0, in_flight = 0, waiting = 0;
};

class Upstream {
 public:
  class Listener {
   public:
    virtual void on_reply(uint64_t id, const Reply& reply) = 0;

   protected:
    ~Listener() = default;
  };

  static Result<std::unique_ptr<Upstream>> create(net::Loop& loop, UpstreamSettings settings,
                                                  Listener& listener);
  ~Upstream();
  uint64_t ask(std::string name, RecordType type);
  UpstreamStats stats() const;

 private:
  struct Impl;
  explicit Upstream(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace volley::dns
