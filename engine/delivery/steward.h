// Steward: what one loop does for the whole engine, once a second.
//
// Purpose    Finishes campaigns of which nothing is left, keeps schedules and canaries, fills the campaign gauges,
//            publishes the status document and so learns how many engines share the queue, and when journals are to be sealed.
// Ownership  References outlive it.
// Thread     Loop 0's.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>

#include "base/net/timer.h"
#include "engine/delivery/campaign_cache.h"
#include "engine/delivery/clock_watch.h"
#include "engine/delivery/history_keeper.h"
#include "engine/delivery/status.h"
#include "metrics/registry.h"
#include "queue/door.h"

namespace volley::delivery {

class Steward {
 public:
  Steward(net::Loop& loop, queue::Door& door, CampaignCache& campaigns, ControlTable& controls,
          const StatusBoard& board, metrics::Shard& shard, HistoryKeeper& history,
          std::function<void()> seal_journals);
  void start();

 private:
  void round();
  void glance();
  void look_at_clock();
  void look_at(const queue::Campaign& record);
  void ration_canary(const queue::Campaign& record);

  net::Loop& loop_;
  queue::Door& door_;
  CampaignCache& campaigns_;
  ControlTable& controls_;
  const StatusBoard& board_;
  metrics::Shard& shard_;
  HistoryKeeper& history_;
  ClockWatch clock_;
  std::function<void()> seal_journals_;
  uint64_t seals_ = 0;                     // asked for so far
  std::set<std::string> asked_;            // campaigns whose canary's grant is under way
  std::map<std::string, unsigned> looks_;  // by campaign: at glances to come, whether it is over
  net::Timer timer_, glance_timer_;
};

}  // namespace volley::delivery
