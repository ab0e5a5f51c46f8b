// StsDesk: where routers ask what a domain's MTA-STS policy says, and have it fetched.
//
// Purpose   Decides from what is remembered (StsCache) and the domain's TXT answer; when a fetch is due, StsService makes it
//           and remembers what came of it.
// Ownership One for all loops, in Commons; the fetcher in it ends before the loops do.
// Thread    Any. `done` comes on the fetcher's thread: post from there.
// Errors    In the decision.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "base/time.h"
#include "engine/delivery/sts_cache.h"
#include "engine/delivery/sts_fetcher.h"

namespace volley::delivery {

class StsDesk {
 public:
  virtual ~StsDesk() = default;
  virtual StsDecision decide(const std::string& domain, const dns::TxtAnswer& txt) = 0;
  // False: too many wait; `done` is dropped.
  virtual bool fetch(const std::string& domain, const std::string& id,
                     std::function<void()> done) = 0;
};

class StsService final : public StsDesk {
 public:
  explicit StsService(StsCache& cache) : cache_(cache) {}
  Status start(const StsFetcherSettings& settings);
  void stop() { fetcher_.reset(); }
  bool running() const { return fetcher_ != nullptr; }

  StsDecision decide(const std::string& domain, const dns::TxtAnswer& txt) override;
  bool fetch(const std::string& domain, const std::string& id, std::function<void()> done) override;

 private:
  StsCache& cache_;
  std::unique_ptr<StsFetcher> fetcher_;
};

}  // namespace volley::delivery
