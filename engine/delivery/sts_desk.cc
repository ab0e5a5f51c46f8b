#include "engine/delivery/sts_desk.h"

#include <utility>

namespace volley::delivery {

Status StsService::start(const StsFetcherSettings& settings) {
  auto fetcher = StsFetcher::start(settings);
  if (!fetcher) return fetcher.error();
  fetcher_ = std::move(*fetcher);
  return {};
}

StsDecision StsService::decide(const std::string& domain, const dns::TxtAnswer& txt) {
  return cache_.decide(domain, txt, wall_now());
}

bool StsService::fetch(const std::string& domain, const std::string& id,
                       std::function<void()> done) {
  if (!fetcher_) return false;
  return fetcher_->fetch(domain,
                         [this, domain, id, done = std::move(done)](const StsOutcome& outcome) {
                           cache_.store(domain, id, outcome, wall_now());
                           done();
                         });
}

}  // namespace volley::delivery
