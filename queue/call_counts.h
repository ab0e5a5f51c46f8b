// What calls to Redis add to the metrics.
//
// Purpose    One place that says what a call, a failure and a reconnect are, for both doors.
// Ownership  Refers to the Shard; without one, nothing is counted.
// Thread     That of the Shard.
#pragma once

#include <cstdint>

#include "metrics/registry.h"

namespace volley::queue {

class CallCounts {
 public:
  explicit CallCounts(metrics::Shard* shard = nullptr) : shard_(shard) {}

  // Each time a call is written: one that is repeated counts again.
  void sent(uint64_t calls) { add(metrics::Metric::kQueueCalls, calls); }
  void answered(Duration took) {
    if (shard_ != nullptr) (*shard_)[metrics::Histogram::kQueueCall].observe(took);
  }
  void failed(uint64_t calls) { add(metrics::Metric::kQueueErrors, calls); }
  void reconnected() { add(metrics::Metric::kQueueReconnects, 1); }

 private:
  void add(metrics::Metric metric, uint64_t n) {
    if (shard_ != nullptr) (*shard_)[metric].add(n);
  }

  metrics::Shard* shard_;
};

}  // namespace volley::queue
