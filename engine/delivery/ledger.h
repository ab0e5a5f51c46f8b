// Ledger: the one place where a recipient changes its state and a Record is made.
//
// Purpose  Keeps Work::states, waiting and in_flight, the lanes' counts and the metrics in step; calls Listener::on_record at
//          once; remembers which works are over (to return) and which have records to hand over (progress).
// Ownership Points to works and pools that outlive their entries here: forget() before a work goes.
// Thread   The loop's.
#pragma once

#include <cstdint>
#include <deque>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/delivery/active_work.h"
#include "engine/delivery/outcome_policy.h"
#include "engine/delivery/site.h"
#include "engine/delivery/site_table.h"
#include "engine/smtp/outcome.h"

namespace volley::delivery {

// Who answered what, for the Record.
struct Answer {
  const smtp::Outcome* outcome = nullptr;
  std::string_view host, source;
  bool attempted = true;  // false: decided without trying
};

class Ledger {
 public:
  Ledger(metrics::Shard& shard, SiteTable::Listener& listener)
      : shard_(shard), listener_(listener) {}

  void enter(ActiveWork& work, TimePoint now);                     // counts what waits
  void take(ActiveWork& work, uint32_t index);                     // waiting -> in flight
  void put_back(ActiveWork& work, uint32_t index, TimePoint now);  // in flight -> waiting
  void decide(ActiveWork& work, uint32_t index, const Decision& decision, const Answer& answer,
              TimePoint now);
  // Take nothing more from it; it goes back once nothing is in flight.
  void retire(ActiveWork& work, int64_t rest_ms);

  std::vector<ActiveWork*> take_returns() { return std::exchange(returns_, {}); }
  bool has_returns() const { return !returns_.empty(); }
  // Works whose oldest record is from before `before`; each once.
  std::vector<uint64_t> take_progress(TimePoint before);
  void leave(ActiveWork& work);  // before it is handed back

 private:
  void count(const ActiveWork& work, const queue::Recipient& recipient, const Record& record,
             TimePoint now);
  void check_over(ActiveWork& work);

  metrics::Shard& shard_;
  SiteTable::Listener& listener_;
  std::vector<ActiveWork*> returns_;
  std::deque<std::pair<TimePoint, uint64_t>> progress_;  // since when, which
};

}  // namespace volley::delivery
