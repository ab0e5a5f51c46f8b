#include <algorithm>
#include <cassert>

#include "base/log.h"
#include "engine/delivery/partition_owner.h"
#include "engine/delivery/retry.h"

namespace volley::delivery {

void PartitionOwner::on_progress(uint64_t ticket, Portion portion) {
  Held* held = find(ticket);
  if (held == nullptr || held->dead) return;
  held->pending.merge(std::move(portion));
  settle_next(*held);
}

void PartitionOwner::on_returned(std::unique_ptr<Work> work) {
  Held* held = find(work->ticket);
  if (held == nullptr) return;
  const Duration rest = std::chrono::milliseconds(work->rest_ms);
  held->work = std::move(work);
  if (held->dead) return let_go(*held);
  if (held->work->waiting == 0) return come_to_rest(*held);
  // A campaign that is not sending is out of the way as soon as its partition knows.
  const bool stopped = !held->work->campaign->sending();
  give_back(*held, stopped ? std::max<Duration>(rest, std::chrono::milliseconds(500)) : rest);
}

// One outcome that needed no session. number, recipient, times and the like are filled in here.
void PartitionOwner::decide(Held& held, size_t index, Record record) {
  Work& work = *held.work;
  const queue::Recipient& recipient = work.chunk.recipients()[index];
  record.time = wall_now();
  record.partition = held.partition;
  record.lease = held.lease;
  record.campaign = work.destination.campaign;
  if (work.campaign) {
    record.generation = work.campaign->record.generation;
    record.revision = work.campaign->record.content_revision;
  }
  record.lane = work.destination.lane;
  record.number = recipient.number;
  record.recipient = std::string(recipient.address);
  work.states[index] =
      is_final(record.verdict) ? RecipientState::kFinal : RecipientState::kDeferred;
  --work.waiting;
  delivery_.record(work, record);
  work.fresh.push_back(std::move(record));
}

void PartitionOwner::decide_all(Held& held, const Record& like) {
  Work& work = *held.work;
  const int64_t now = door_.queue_now_ms();
  const auto recipients = work.chunk.recipients();
  for (size_t i = 0; i < recipients.size(); ++i) {
    if (work.states[i] != RecipientState::kWaiting) continue;
    Record record = like;
    if (record.verdict == Verdict::kDeferred) {
      const queue::RetryPolicy& policy = work.campaign->record.retry;
      const int64_t since =
          recipients[i].first_attempt_ms == 0 ? now : recipients[i].first_attempt_ms;
      record.attempt = recipients[i].attempts + 1;
      record.delay_ms = retry_delay_ms(policy, record.attempt, Duration{}, random_);
      if (now - since > policy.give_up_after_ms) record.verdict = Verdict::kExpired;
    }
    decide(held, i, std::move(record));
  }
  come_to_rest(held);
}

void PartitionOwner::give_back(Held& held, Duration rest) {
  Domain& domain = domains_.at(held.domain);
  if (rest > Duration{}) domain.rest_until = std::max(domain.rest_until, loop_.now() + rest);
  come_to_rest(held);
}

// The work is here and stays: what is left of it is settled, and the lease closed.
void PartitionOwner::come_to_rest(Held& held) {
  held.stage = Stage::kBack;
  held.pending.merge(compose_portion(*held.work, door_.queue_now_ms(), options_.retry_wheel_ms));
  settle_next(held);
}

// Never for long: the site knows until when it rests; what is stored in the queue would outlive the reason, and this engine. What lies
// further ahead was noted before the clock went back (LONGEST_REST of the queue).
int64_t PartitionOwner::ready_in(Domain& domain) const {
  constexpr Duration kLongest = std::chrono::seconds(60);
  const Duration rest = std::min(domain.rest_until - loop_.now(), kLongest);
  if (rest <= Duration{}) return 0;
  return std::max<int64_t>(1, std::chrono::duration_cast<std::chrono::milliseconds>(rest).count());
}

void PartitionOwner::settled_some(Held& held, uint64_t recipients) {
  const uint64_t n = std::min(recipients, held.remaining);
  held.remaining -= n;
  in_memory_ -= n;
  held.control->in_memory -= static_cast<int64_t>(n);
  if (const auto domain = domains_.find(held.domain); domain != domains_.end())
    domain->second.remaining -= n;
}

void PartitionOwner::settle_next(Held& held) {
  if (held.outstanding || held.dead) return;
  const bool close = held.stage == Stage::kBack;
  if (!close && held.pending.empty()) return;
  Portion portion;
  std::swap(portion, held.pending);
  held.numbers.insert(held.numbers.end(), portion.numbers.begin(), portion.numbers.end());

  queue::Settlement settlement;
  settlement.partition = held.partition;
  settlement.epoch = held.epoch;
  settlement.lease = held.lease;
  settlement.sequence = ++held.sequence;
  settlement.close = close;
  settlement.outcomes = std::move(portion.outcomes);
  settlement.deferrals = portion.deferrals;
  settlement.retries = std::move(portion.retries);
  settlement.kept = std::move(portion.kept);
  settlement.single_notes = std::move(portion.notes);
  settlement.ready_in_ms = -1;
  if (close) {
    add_remainder(*held.work, settlement);
    Domain& domain = domains_.at(held.domain);
    --domain.works;
    const bool last = domain.works == 0 && !domain.wanting;
    const bool urgent = domain.destination.lane == queue::Lane::kTransactional;
    if (last || urgent) settlement.ready_in_ms = ready_in(domain);
    held.frees = settlement.ready_in_ms >= 0;
    settled_some(held, held.remaining);
    if (last) {
      at(held.partition).wants.erase(held.domain);
      domains_.erase(held.domain);
    }
    held.work.reset();
  } else {
    settlement.done = queue::pack_numbers(held.numbers);
    settled_some(held, portion.numbers.size());
  }
  held.outstanding = true;
  held.closing = close;
  shard_[metrics::Metric::kQueueSettlements].add();
  if (domains_.contains(held.domain)) maybe_want(held.domain);
  door_.settle(settlement, [this, ticket = held.ticket](const Result<queue::SettleResult>& result) {
    on_settled(ticket, result);
  });
}

void PartitionOwner::on_settled(uint64_t ticket, const Result<queue::SettleResult>& result) {
  Held* held = find(ticket);
  assert(held != nullptr);
  held->outstanding = false;
  Partition& p = at(held->partition);
  const bool fenced = result.ok() && *result == queue::SettleResult::kFenced;
  if (!result.ok() || fenced) {
    const std::string why = fenced ? "a newer owner took its chunks" : result.error().message;
    log_debug("partition " + std::to_string(held->partition) + ", lease " +
              std::to_string(held->lease) + " cannot be settled: " + why);
    ++losses_[why].chunks;
    report_timer_.set_after(Duration{});
    if (p.epoch == held->epoch && (p.state == State::kOwned || p.state == State::kRecovering))
      lose(p, why);
    held->dead = true;
    held->fenced = fenced;
    // The work may still be out; nothing is known about it here until it is back.
    if (held->closing || held->work) let_go(*held);
    return run();
  }
  if (!held->closing) {
    settle_next(*held);
    return run();
  }
  if (replay_.settled(held->partition, held->lease))
    log_debug("an outcome of an earlier run is settled");
  delivery_.lease_closed(held->partition, held->lease, held->site_loop);
  if (held->frees) poll_now(p);
  let_go(*held);
  run();
}

// Forgets a chunk. One that was closed has left its domain already.
void PartitionOwner::let_go(Held& held) {
  // Who took it over has it from the queue; the journal need not keep it. Not before its work is back: more of its
  // outcomes may come until then.
  if (held.fenced) delivery_.lease_closed(held.partition, held.lease, held.site_loop);
  settled_some(held, held.remaining);
  content_.give_back(held.content);
  inline_content_ -= held.inline_content;
  if (!held.closing) {
    const auto domain = domains_.find(held.domain);
    if (domain != domains_.end() && --domain->second.works == 0 && !domain->second.wanting)
      domains_.erase(domain);
  }
  Partition& p = at(held.partition);
  --p.held;
  held_.erase(held.ticket);
  if (p.held == 0)
    timer_.set_after(Duration{});  // a lost partition, or a stop, may have waited for it
  fetch_contents();
}

}  // namespace volley::delivery
