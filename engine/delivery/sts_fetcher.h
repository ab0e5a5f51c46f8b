// StsFetcher: gets MTA-STS policies over HTTPS (RFC 8461 section 3.3), on a thread of its own.
//
// Purpose    fetch("example.com") is GET https://mta-sts.example.com/.well-known/mta-sts.txt: chain and name of the
//            certificate must be good, nothing is followed, text/plain only, 64 KiB, a minute for the whole.
// Order      Domains are begun in the order of asking, `parallel` at once, so that a slow one does not hold up the others.
//            Whoever asks for a domain that is being asked for gets that answer.
// Ownership  `done` is called once, or never when the fetcher is destroyed before; destroying it ends what runs at once.
// Thread     fetch() and pending() from any. `done` runs on the fetcher's own thread and should only post to the asker's
//            (net::Loop::post): so the fetcher is destroyed before the loops its callers live on.
// Errors     In the outcome. start(): kNoInput (CA file), kConfig (name servers), kInternal.
// Safety     A stranger's DNS must not make us talk to our own network: private addresses are left out unless
//            dns.allow_private. What it costs at most: `max_domains` names, `parallel` connections of about 100 KiB.
// Not for    When to fetch, and what to keep: sts_cache.h.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/net/endpoint.h"
#include "base/result.h"
#include "base/time.h"
#include "dns/resolver.h"
#include "engine/delivery/sts_cache.h"

namespace volley::delivery {

struct StsFetcherSettings {
  dns::Settings dns;
  metrics::Shard* counters = nullptr;  // of its thread
  // Names that are not looked up, as in a hosts file. Ports do not count.
  std::map<std::string, net::Endpoint> hosts;
  std::string ca_file;     // PEM: CAs to trust besides the system's
  bool system_cas = true;  // false: trust `ca_file` only
  uint16_t port = 443;
  Duration timeout = std::chrono::seconds(60);          // of a whole fetch
  Duration connect_timeout = std::chrono::seconds(10);  // then the next address gets its turn
  size_t parallel = 16;
  size_t max_domains = 10'000;  // that run or wait
};

class StsFetcher {
 public:
  using Done = std::function<void(const StsOutcome&)>;

  static Result<std::unique_ptr<StsFetcher>> start(const StsFetcherSettings& settings);
  ~StsFetcher();
  // False: too many domains are waiting, `done` is dropped. Ask again later; it is not that there is no policy.
  [[nodiscard]] bool fetch(std::string_view domain, Done done);
  size_t pending() const;  // domains that run or wait

 private:
  struct Impl;
  explicit StsFetcher(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace volley::delivery
