// One fetch of an MTA-STS policy, on a loop: addresses, connection, TLS, request, reply.
//
// Purpose    What StsFetcher runs several of. The rules are in its header; here is the course of one.
// Ownership  `done` is called once, as the last thing, perhaps from inside start(); it may destroy the StsFetch.
//            Destroying it earlier ends it, and nothing is called. Resolver, context and settings outlive it.
// Thread     The loop's.
// Errors     kWebPkiInvalid: no TLS with a good certificate came about. kPolicyInvalid: a document came that is no policy.
//            kFetchError: all else (RFC 8460 section 4.3).
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/net/stream.h"
#include "base/net/timer.h"
#include "dns/resolver.h"
#include "engine/delivery/sts_cache.h"
#include "engine/delivery/sts_fetcher.h"
#include "engine/http/reply_reader.h"

namespace volley::net {
class Loop;
class TlsContext;
}  // namespace volley::net

namespace volley::delivery {

class StsFetch final : private net::StreamListener, private dns::Resolver::Receiver {
 public:
  using Done = std::function<void(StsOutcome)>;

  // domain: canonical.
  StsFetch(net::Loop& loop, dns::Resolver& resolver, net::TlsContext& tls,
           const StsFetcherSettings& settings, const std::string& domain, Done done);
  ~StsFetch() override;
  void start();

 private:
  void on_mx(dns::QueryId, const dns::MxAnswer&) override {}  // never asked for
  void on_addresses(dns::QueryId id, const dns::AddressAnswer& answer) override;
  void on_connected() override;
  void on_tls_ready(const net::TlsInfo& info) override;
  void on_data(std::span<const char> bytes) override;
  void on_closed(Error error) override;

  void try_next_address();
  void on_reply();
  void fail(StsFailure failure, const std::string& why);
  void finish(StsOutcome outcome);

  net::Loop& loop_;
  dns::Resolver& resolver_;
  net::TlsContext& tls_;
  const StsFetcherSettings& settings_;
  std::string host_;
  Done done_;
  net::Timer deadline_, connect_deadline_;
  dns::QueryId query_ = 0;                // 0: none is out
  std::vector<net::Endpoint> addresses_;  // not tried yet, the next one last
  std::string last_problem_;
  net::StreamPtr stream_;
  bool tls_ready_ = false;
  http::ReplyReader reader_{kMaxStsPolicy};
};

}  // namespace volley::delivery
