// Gauges of the whole queue for /metrics: due now, waiting for a retry, parked; and how much lies in the intake stream.
//
// Purpose    Asked of the queue when somebody scrapes, at most once a second; the last known values while it does not answer.
// Ownership  Owns a Store. Shared with the registry, which asks it.
// Thread     Any (a mutex inside).
#pragma once

#include <memory>
#include <mutex>

#include "base/time.h"
#include "metrics/registry.h"
#include "queue/store.h"

namespace volley::cli {

class QueueGauges {
 public:
  explicit QueueGauges(std::unique_ptr<queue::Store> store);
  void fill(metrics::Shard& scratch);

 private:
  void refresh();

  std::mutex mutex_;
  std::unique_ptr<queue::Store> store_;
  TimePoint next_{};
  queue::Counts counts_;
  queue::IntakeBacklog intake_;
};

// The registry keeps the gauges alive.
void export_queue(metrics::Registry& registry, std::unique_ptr<queue::Store> store);

}  // namespace volley::cli
