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

}  // namespace volley::delivery
