#include <fmt/format.h>

#include "base/log.h"
#include "engine/delivery/event_of.h"
#include "engine/delivery/worker.h"
#include "queue/store.h"

namespace volley::delivery {
namespace {

using namespace std::chrono_literals;
using metrics::Metric;

constexpr Duration kJournalRetryEvery = 1s;
constexpr Duration kAbandonLookEvery = 20ms;

metrics::EventKind to_kind(Verdict verdict) {
  switch (verdict) {
    case Verdict::kDelivered:
      return metrics::EventKind::kDelivered;
    case Verdict::kBounced:
      return metrics::EventKind::kBounced;
    case Verdict::kExpired:
      return metrics::EventKind::kExpired;
    case Verdict::kSuppressed:
      return metrics::EventKind::kSuppressed;
    case Verdict::kDeferred:
      return metrics::EventKind::kDeferred;
    case Verdict::kInDoubt:
      break;
  }
  return metrics::EventKind::kInDoubt;
}

Metric counter_of(Verdict verdict, queue::Lane lane) {
  const bool bulk = lane == queue::Lane::kBulk;
  switch (verdict) {
    case Verdict::kDelivered:
      return bulk ? Metric::kDeliveredBulk : Metric::kDeliveredTransactional;
    case Verdict::kBounced:
      return bulk ? Metric::kBouncedBulk : Metric::kBouncedTransactional;
    case Verdict::kExpired:
      return bulk ? Metric::kExpiredBulk : Metric::kExpiredTransactional;
    case Verdict::kSuppressed:
      return bulk ? Metric::kSuppressedBulk : Metric::kSuppressedTransactional;
    case Verdict::kDeferred:
      return bulk ? Metric::kDeferredBulk : Metric::kDeferredTransactional;
    case Verdict::kInDoubt:
      break;
  }
  return Metric::kInDoubt;
}

}  // namespace

std::string message_id(const std::string& campaign, uint64_t number, uint32_t partition) {
  return campaign == queue::kSingleMessages ? queue::single_message_id(number, partition)
                                            : campaign + '.' + std::to_string(number);
}

metrics::Event to_event(const Record& record) {
  metrics::Event event;
  event.time = record.time;
  event.kind = to_kind(record.verdict);
  event.id = message_id(record.campaign, record.number, record.partition);
  event.campaign = record.campaign;
  event.lane = queue::to_string(record.lane);
  event.recipient = record.recipient;
  event.site = record.site;
  event.host = record.host;
  event.source = record.source;
  event.code = record.code;
  event.enhanced = record.enhanced;
  event.text = record.text;
  event.attempt = record.attempt;
  event.generation = record.generation;
  event.revision = record.revision;
  return event;
}

// Sites count what their sessions did.
void Worker::on_record(const Work& work, const Record& record) { write_down(work, record); }

void Worker::record(const Work& work, const Record& record) {
  write_down(work, record);
  shard_[counter_of(record.verdict, record.lane)].add();
}

void Worker::write_down(const Work& work, const Record& record) {
  const uint64_t sequence = shared_.events.append(to_event(record));
  journal_->append(record, sequence);
  const bool tried = record.verdict == Verdict::kDelivered || record.verdict == Verdict::kBounced;
  if (!tried || !work.campaign) return;
  if (!work.campaign->control->guard.counted(record.verdict == Verdict::kBounced)) return;
  const queue::Campaign& campaign = work.campaign->record;
  work.campaign->control->shut = true;  // at once; the record follows, and what it says counts from then on
  on_pause_campaign(campaign.id, fmt::format("more than {:g} % of its mail bounced",
                                             campaign.stop_bounced * 100));
}

// Before this turn's bytes leave: what they tell a receiver must be written down.
void Worker::on_turn_end() {
  if (journal_) {
    if (auto done = journal_->flush(); !done.ok()) hold_until_journalled(done.error());
    shard_[Metric::kJournalBytes].set(journal_->bytes_written());
  }
  if (!fed_.empty()) call_for_more();
}

// The whole loop waits: whatever else it did, bytes to a receiver would be among it. Receivers wait for us, and so
// does the queue: our leases run out if this lasts, and another engine takes over.
void Worker::hold_until_journalled(const Error& error) {
  if (shared_.abandon.load()) {
    sites_.reset();
    return;
  }
  log_error(error.message + "; nothing is sent until there is room");
  shared_.board.journal_trouble(index_, error.message);
  TimePoint retry_at = monotonic_now() + kJournalRetryEvery;
  for (;;) {
    std::this_thread::sleep_for(kAbandonLookEvery);
    if (shared_.abandon.load()) {
      sites_.reset();  // unsent bytes go with it
      return;
    }
    if (monotonic_now() < retry_at) continue;
    if (journal_->flush().ok()) break;
    retry_at = monotonic_now() + kJournalRetryEvery;
  }
  shared_.board.journal_trouble(index_, {});
  log_info("the journal is written again; sending goes on");
}

}  // namespace volley::delivery
