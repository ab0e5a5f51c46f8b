// Steward: what one loop does for the whole engine, once a second.
//
// Purpose    Finishes campaigns of which nothing is left, fills the campaign gauges, publishes the status document.
// Ownership  References outlive it.
// Thread     Loop 0's.
#pragma once

#include "base/net/timer.h"
#include "engine/delivery/campaign_cache.h"
#include "engine/delivery/status.h"
#include "metrics/registry.h"
#include "queue/door.h"

namespace volley::delivery {

class Steward {
 public:
  Steward(net::Loop& loop, queue::Door& door, CampaignCache& campaigns, const StatusBoard& board,
          metrics::Shard& shard);
  void start();

 private:
  void round();

  queue::Door& door_;
  CampaignCache& campaigns_;
  const StatusBoard& board_;
  metrics::Shard& shard_;
  net::Timer timer_;
};

}  // namespace volley::delivery
