#include "engine/cli/queue_gauges.h"

#include <algorithm>

namespace volley::cli {
namespace {

constexpr Duration kRefresh = std::chrono::seconds(1);

bool unfinished(queue::CampaignState state) {
  return state != queue::CampaignState::kFinished && state != queue::CampaignState::kCancelled;
}

}  // namespace

QueueGauges::QueueGauges(std::unique_ptr<queue::Store> store) : store_(std::move(store)) {
  store_->set_patience(kRefresh);  // a scrape does not wait for a queue that is down
}

void QueueGauges::refresh() {
  if (auto intake = store_->intake_backlog()) intake_ = *intake;
  auto campaigns = store_->list();
  if (!campaigns) return;
  queue::Counts sum;
  if (auto singles = store_->counts(queue::kSingleMessages)) sum += *singles;
  for (const queue::Campaign& campaign : *campaigns) {
    if (!unfinished(campaign.state)) continue;
    auto counts = store_->counts(campaign.id);
    if (!counts) return;
    sum += *counts;
  }
  counts_ = sum;
}

void QueueGauges::fill(metrics::Shard& scratch) {
  const std::lock_guard lock(mutex_);
  if (const TimePoint now = monotonic_now(); now >= next_) {
    refresh();
    next_ = now + kRefresh;
  }
  const uint64_t later = counts_.waiting_retry + counts_.parked + counts_.held;
  scratch[metrics::Metric::kQueued].add(counts_.queued - std::min(counts_.queued, later));
  scratch[metrics::Metric::kWaitingRetry].add(counts_.waiting_retry);
  scratch[metrics::Metric::kParked].add(counts_.parked);
  scratch[metrics::Metric::kIntakeWaitingEntries].add(intake_.waiting);
  scratch[metrics::Metric::kIntakeParkedEntries].add(intake_.parked);
}

void export_queue(metrics::Registry& registry, std::unique_ptr<queue::Store> store) {
  store->set_counters(&registry.new_shard());  // written with the gauges' mutex held
  auto gauges = std::make_shared<QueueGauges>(std::move(store));
  registry.on_scrape([gauges](metrics::Shard& scratch) { gauges->fill(scratch); });
}

}  // namespace volley::cli
