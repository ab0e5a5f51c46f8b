#include "engine/delivery/tls_report.h"

namespace volley::delivery {
namespace {

constexpr size_t kMostPairs = 10'000;

}  // namespace

TlsReport::Counts& TlsReport::entry(PolicyType policy, const std::string& site) {
  const Key key{policy, site};
  const auto found = counts_.find(key);
  if (found != counts_.end()) return found->second;
  return counts_[counts_.size() < kMostPairs ? key : Key{policy, "other"}];
}

void TlsReport::succeeded(PolicyType policy, const std::string& site) {
  const std::lock_guard lock(mutex_);
  ++entry(policy, site).successful;
}

void TlsReport::failed(PolicyType policy, const std::string& site, std::string_view result_type) {
  const std::lock_guard lock(mutex_);
  ++entry(policy, site).failed[std::string(result_type)];
}

std::map<TlsReport::Key, TlsReport::Counts> TlsReport::counts() const {
  const std::lock_guard lock(mutex_);
  return counts_;
}

std::vector<metrics::Series> to_series(const std::map<TlsReport::Key, TlsReport::Counts>& counts) {
  using metrics::SeriesMetric;
  std::vector<metrics::Series> out;
  for (const auto& [key, count] : counts) {
    const auto& [policy, site] = key;
    const metrics::Series::Label type{"policy_type", std::string(to_string(policy))};
    if (count.successful > 0) {
      out.push_back({SeriesMetric::kTlsSessionsSuccessful, site, {type}, count.successful});
    }
    for (const auto& [result, failed] : count.failed) {
      out.push_back(
          {SeriesMetric::kTlsSessionsFailed, site, {type, {"result_type", result}}, failed});
    }
  }
  return out;
}

}  // namespace volley::delivery
