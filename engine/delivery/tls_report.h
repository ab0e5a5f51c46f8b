// TlsReport: how TLS went, by policy: the counts that TLS reports (RFC 8460) are made of.
//
// Purpose   Per (policy type, site): sessions that kept the policy, and failures by result type ("certificate-expired").
// Bounds    10,000 pairs; then further sites count under "other".
// Thread    Any (a mutex inside); once per connection.
// Shown     In the status of each site, and as series for /metrics: to_series().
// Not for   sending reports.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/delivery/tls_plan.h"
#include "metrics/registry.h"

namespace volley::delivery {

class TlsReport {
 public:
  struct Counts {
    uint64_t successful = 0;
    std::map<std::string, uint64_t, std::less<>> failed;  // by result type
  };
  using Key = std::pair<PolicyType, std::string>;

  void succeeded(PolicyType policy, const std::string& site);
  void failed(PolicyType policy, const std::string& site, std::string_view result_type);
  std::map<Key, Counts> counts() const;

 private:
  Counts& entry(PolicyType policy, const std::string& site);

  mutable std::mutex mutex_;
  std::map<Key, Counts> counts_;
};

std::vector<metrics::Series> to_series(const std::map<TlsReport::Key, TlsReport::Counts>& counts);

}  // namespace volley::delivery
