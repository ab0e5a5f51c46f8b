#include "engine/delivery/ledger.h"

#include <algorithm>
#include <cassert>

#include "engine/delivery/path_pool.h"

namespace volley::delivery {
namespace {

using metrics::Metric;

void fill_reply(Record& record, const smtp::Outcome& outcome) {
  if (outcome.reply.code != 0 && outcome.error.empty()) {
    record.code = static_cast<uint16_t>(outcome.reply.code);
    if (outcome.reply.enhanced) record.enhanced = outcome.reply.enhanced->str();
    record.text = outcome.reply.text;
    return;
  }
  record.code = static_cast<uint16_t>(outcome.reply.code);
  if (outcome.local) {
    record.enhanced = outcome.local->str();
  } else if (outcome.reply.enhanced) {
    record.enhanced = outcome.reply.enhanced->str();
  }
  record.text = outcome.error;
  if (!outcome.reply.text.empty()) record.text += ": " + outcome.reply.text;
}

Metric metric_of(Verdict verdict, bool transactional) {
  Metric bulk = Metric::kDeferredBulk;
  switch (verdict) {
    case Verdict::kDelivered:
      bulk = Metric::kDeliveredBulk;
      break;
    case Verdict::kBounced:
      bulk = Metric::kBouncedBulk;
      break;
    case Verdict::kExpired:
      bulk = Metric::kExpiredBulk;
      break;
    case Verdict::kSuppressed:
      bulk = Metric::kSuppressedBulk;
      break;
    case Verdict::kDeferred:
      break;
    case Verdict::kInDoubt:
      return Metric::kInDoubt;
  }
  return static_cast<Metric>(static_cast<uint16_t>(bulk) + (transactional ? 1 : 0));
}

}  // namespace

void Ledger::enter(ActiveWork& work, TimePoint now) {
  Work& w = *work.work;
  if (w.states.empty()) w.states.assign(w.chunk.recipients().size(), RecipientState::kWaiting);
  assert(w.states.size() == w.chunk.recipients().size());
  w.in_flight = 0;
  w.waiting =
      static_cast<size_t>(std::count(w.states.begin(), w.states.end(), RecipientState::kWaiting));
  work.moved = now;
  work.pool->site().waiting(static_cast<int64_t>(w.waiting));
  if (!w.fresh.empty()) progress_.emplace_back(now, work.id);
  check_over(work);
}

void Ledger::take(ActiveWork& work, uint32_t index) {
  Work& w = *work.work;
  assert(w.states[index] == RecipientState::kWaiting);
  w.states[index] = RecipientState::kInFlight;
  --w.waiting;
  ++w.in_flight;
  if (!work.returning) work.pool->lanes().count(work, -1);
  work.pool->site().waiting(-1);
  work.pool->site().in_flight(1);
}

void Ledger::put_back(ActiveWork& work, uint32_t index, TimePoint now) {
  Work& w = *work.work;
  assert(w.states[index] == RecipientState::kInFlight);
  w.states[index] = RecipientState::kWaiting;
  ++w.waiting;
  --w.in_flight;
  work.moved = now;
  if (!work.returning) work.pool->lanes().count(work, 1);
  work.pool->site().waiting(1);
  work.pool->site().in_flight(-1);
  check_over(work);
}

void Ledger::decide(ActiveWork& work, uint32_t index, const Decision& decision,
                    const Answer& answer, TimePoint now) {
  if (work.work->states[index] == RecipientState::kWaiting) take(work, index);
  Work& w = *work.work;
  const queue::Recipient& recipient = work.recipient(index);
  if (w.fresh.empty()) progress_.emplace_back(now, work.id);
  Record& record = w.fresh.emplace_back();
  record.time = wall_now();
  record.verdict = decision.verdict;
  record.partition = w.partition;
  record.lease = w.lease;
  record.campaign = w.destination.campaign;
  record.generation = w.campaign->record.generation;
  record.revision = w.campaign->record.content_revision;
  record.lane = w.destination.lane;
  record.number = recipient.number;
  record.attempt = answer.attempted ? recipient.attempts + 1 : 0;
  record.recipient = recipient.address;
  record.site = work.pool->site().name();
  record.host = answer.host;
  record.source = answer.source;
  if (answer.outcome != nullptr) fill_reply(record, *answer.outcome);
  record.delay_ms = decision.delay_ms;
  const bool final_now =
      decision.verdict != Verdict::kDeferred && decision.verdict != Verdict::kInDoubt;
  w.states[index] = final_now ? RecipientState::kFinal : RecipientState::kDeferred;
  --w.in_flight;
  work.moved = now;
  work.pool->site().in_flight(-1);
  count(work, recipient, record, now);
  listener_.on_record(w, record);
  check_over(work);
}

void Ledger::count(const ActiveWork& work, const queue::Recipient& recipient, const Record& record,
                   TimePoint now) {
  shard_[metric_of(record.verdict, work.transactional())].add();
  work.pool->site().counted(record, now);
  if (record.verdict != Verdict::kDelivered) return;
  const int64_t queued = work.queue_now_ms(now) - recipient.enqueued_ms;
  if (recipient.enqueued_ms > 0 && queued >= 0) {
    shard_[metrics::Histogram::kTimeInQueue].observe(std::chrono::milliseconds(queued));
  }
}

void Ledger::retire(ActiveWork& work, int64_t rest_ms) {
  if (work.returning) return;
  work.pool->lanes().count(work, -static_cast<int64_t>(work.work->waiting));
  work.returning = true;
  work.work->rest_ms = rest_ms;
  work.pool->lanes().update(work);
  check_over(work);
}

void Ledger::check_over(ActiveWork& work) {
  const Work& w = *work.work;
  if (w.in_flight != 0 || (w.waiting != 0 && !work.returning) || work.over) return;
  work.over = true;
  returns_.push_back(&work);
  work.pool->wake();
}

std::vector<uint64_t> Ledger::take_progress(TimePoint before) {
  std::vector<uint64_t> due;
  while (!progress_.empty() && progress_.front().first <= before) {
    due.push_back(progress_.front().second);
    progress_.pop_front();
  }
  return due;
}

void Ledger::leave(ActiveWork& work) {
  work.pool->site().waiting(-static_cast<int64_t>(work.work->waiting));
  work.pool->lanes().remove(work);
}

}  // namespace volley::delivery
