#include <algorithm>
#include <utility>

#include "base/log.h"
#include "engine/delivery/partition_owner.h"

namespace volley::delivery {
namespace {

constexpr Duration kRetryOwning = std::chrono::seconds(1);

std::string name_of(uint32_t partition) { return "partition " + std::to_string(partition); }

}  // namespace

PartitionOwner::PartitionOwner(net::Loop& loop, queue::Door& door, const message::DkimKeyRing& keys,
                               ControlTable& controls, ReplayBook& replay, metrics::Shard& shard,
                               Delivery& delivery, OwnerOptions options)
    : loop_(loop),
      door_(door),
      replay_(replay),
      shard_(shard),
      delivery_(delivery),
      options_(std::move(options)),
      random_(options_.seed),
      cache_(std::make_unique<CampaignCache>(loop, door, keys, options_.dedupe_key,
                                             options_.singles_retry, controls, *this)),
      timer_(loop, [this] { run(); }),
      report_timer_(loop, [this] { report_losses(); }),
      content_(options_.content_in_memory) {
  for (uint32_t number = options_.loop; number < options_.partitions; number += options_.loops) {
    auto p = std::make_unique<Partition>();
    p->number = number;
    partitions_.push_back(std::move(p));
  }
}

PartitionOwner::~PartitionOwner() {
  for (const auto& [ticket, held] : held_)
    held->control->in_memory -= static_cast<int64_t>(held->remaining);
}

void PartitionOwner::start() {
  cache_->poll();
  run();
}

void PartitionOwner::wake() {
  for (auto& p : partitions_) {
    p->poll_at = p->urgent_at = TimePoint{};
    p->backoff = {};
  }
  cache_->poll();
  run();
}

void PartitionOwner::stop() {
  stopping_ = recall_ = true;
  unpark_at_ = TimePoint{};
  for (auto& p : partitions_) p->wants.clear();
  run();
}

bool PartitionOwner::stopped() const {
  return stopping_ && held_.empty() &&
         std::all_of(partitions_.begin(), partitions_.end(),
                     [](const auto& p) { return p->state == State::kReleased; });
}

// A server that was restarted, or replaced, may have forgotten settlements that it confirmed: their chunks are leased to
// us and nobody works on them. The next owner, which is us again, recovers them.
void PartitionOwner::look_for_restart() {
  if (restarts_ == door_.restarts()) return;
  restarts_ = door_.restarts();
  for (auto& p : partitions_) {
    if (p->state == State::kOwned || p->state == State::kRecovering)
      lose(*p, "Redis was restarted: what it may have forgotten is looked for");
  }
}

// One look at every partition; the timer brings us back for what is not due yet, callbacks for the rest.
void PartitionOwner::run() {
  look_for_restart();
  TimePoint next = unpark();
  const size_t count = partitions_.size();
  // Those that had something first: the others ask for what is left of the room.
  idle_.clear();
  for (size_t i = 0; i < count; ++i) {
    Partition& p = *partitions_[(turn_ + i) % count];
    if (p.backoff > Duration{} && p.wants.empty()) {
      idle_.push_back(&p);
    } else {
      next = std::min(next, step(p));
    }
  }
  for (Partition* p : idle_) next = std::min(next, step(*p));
  if (count > 0) turn_ = (turn_ + 1) % count;
  if (std::exchange(recall_, false)) recall_waiters();
  shard_[metrics::Metric::kRecipientsInMemory].set(in_memory_);
  timer_.set(next);
}

TimePoint PartitionOwner::step(Partition& p) {
  const TimePoint now = loop_.now();
  switch (p.state) {
    case State::kFree:
      if (stopping_) {
        p.state = State::kReleased;
        return kNever;
      }
      if (now < p.retry_at) return p.retry_at;
      acquire(p);
      return kNever;
    case State::kLost:
      // Its works come back first: a recipient must not be in two of them.
      if (p.held > 0 || p.claiming || p.claiming_wanted) return kNever;
      p.state = State::kFree;
      p.retry_at = now + kRetryOwning;
      return stopping_ ? step(p) : p.retry_at;
    case State::kRecovering:
    case State::kOwned:
      break;
    case State::kAcquiring:
    case State::kReleasing:
    case State::kReleased:
      return kNever;
  }
  if (now >= p.fence_at) {
    lose(p, "its lease could not be renewed in time");
    return step(p);
  }
  if (now >= p.renew_at && !p.renewing) renew(p);
  TimePoint next = p.renewing ? p.fence_at : p.renew_at;
  if (p.state != State::kOwned) return next;
  if (stopping_) {
    if (p.held == 0 && !p.claiming && !p.claiming_wanted && !p.renewing) release(p);
    return next;
  }
  if (!p.claiming_wanted && !p.wants.empty() && chunks_to_claim() > 0) claim_wanted(p);
  if (p.claiming) return next;
  const bool full = chunks_to_claim() == 0;
  uint32_t chunks = full ? urgent_chunks() : chunks_to_claim();
  if (chunks == 0) return next;
  // A claim takes room for what it may bring: those that had nothing the last time would keep it from those that have.
  if (!full && p.backoff > Duration{} && now < p.due_at) chunks = 1;
  const TimePoint due = full ? p.urgent_at : p.poll_at;
  if (now < due) return std::min(next, due);
  claim_any(p, chunks, full);
  return next;
}

void PartitionOwner::acquire(Partition& p) {
  p.state = State::kAcquiring;
  const auto ttl =
      std::chrono::duration_cast<std::chrono::milliseconds>(options_.lease_ttl).count();
  door_.own(p.number, 0, ttl,
            [this, number = p.number, sent = loop_.now()](const Result<queue::Lease>& lease) {
              acquired(number, sent, lease);
            });
}

void PartitionOwner::acquired(uint32_t number, TimePoint sent, const Result<queue::Lease>& lease) {
  Partition& p = at(number);
  p.state = State::kFree;
  p.retry_at = loop_.now() + kRetryOwning;
  if (!lease.ok()) {
    log_warn(name_of(number) + " cannot be owned: " + lease.error().message);
    return run();
  }
  p.holder = lease->holder;
  // A reply that was long on its way may speak of a lease that is over.
  if (lease->epoch == 0 || loop_.now() >= sent + options_.lease_ttl * 2 / 3) return run();
  p.holder.clear();
  p.epoch = lease->epoch;
  p.renew_at = sent + options_.lease_ttl / 3;
  p.fence_at = sent + options_.lease_ttl * 2 / 3;
  p.renewing = false;
  p.revoked = std::make_shared<std::atomic<bool>>(false);
  p.contexts.clear();
  p.wants.clear();
  p.replay = replay_.of(number);
  p.recovered.clear();
  p.state = State::kRecovering;
  for (const auto& [id, record] : cache_->records()) {
    if (record.state != queue::CampaignState::kFinished) apply(p, record);
  }
  recover(p);
  run();
}

void PartitionOwner::apply(Partition& p, const queue::Campaign& record) {
  door_.apply(p.number, p.epoch, record, [number = p.number, id = record.id](const Status& done) {
    if (!done.ok()) log_debug(name_of(number) + ", campaign " + id + ": " + done.error().message);
  });
}

void PartitionOwner::on_campaign(const queue::Campaign& record, bool resumed) {
  for (auto& p : partitions_) {
    const bool mine = p->state == State::kOwned || p->state == State::kRecovering;
    if (!mine) continue;
    apply(*p, record);
    if (record.state == queue::CampaignState::kFinished) p->contexts.erase(record.id);
    p->poll_at = TimePoint{};
    p->backoff = {};
  }
  delivery_.campaign_changed(record, resumed);
  run();
}

void PartitionOwner::renew(Partition& p) {
  p.renewing = true;
  const auto ttl =
      std::chrono::duration_cast<std::chrono::milliseconds>(options_.lease_ttl).count();
  door_.own(p.number, p.epoch, ttl,
            [this, number = p.number, epoch = p.epoch, sent = loop_.now()](
                const Result<queue::Lease>& lease) { renewed(number, epoch, sent, lease); });
}

void PartitionOwner::renewed(uint32_t number, uint64_t epoch, TimePoint sent,
                             const Result<queue::Lease>& lease) {
  Partition& p = at(number);
  if (p.epoch != epoch) return;
  p.renewing = false;
  if (p.state != State::kOwned && p.state != State::kRecovering) return run();
  if (!lease.ok()) {
    lose(p, lease.error().message);
  } else if (lease->epoch != epoch) {
    p.holder = lease->holder;
    lose(p,
         lease->epoch == 0 ? "it belongs to " + lease->holder : "somebody else had it meanwhile");
  } else {
    p.renew_at = sent + options_.lease_ttl / 3;
    p.fence_at = sent + options_.lease_ttl * 2 / 3;
  }
  run();
}

void PartitionOwner::recover(Partition& p) {
  p.claiming = true;
  door_.recover(
      p.number, p.epoch,
      [this, number = p.number, epoch = p.epoch](Result<std::vector<queue::Claimed>> claimed) {
        recovered(number, epoch, std::move(claimed));
      });
}

void PartitionOwner::recovered(uint32_t number, uint64_t epoch,
                               Result<std::vector<queue::Claimed>> claimed) {
  Partition& p = at(number);
  p.claiming = false;
  if (p.epoch != epoch) return;
  if (!claimed.ok()) {
    if (p.state == State::kRecovering) lose(p, "recovery: " + claimed.error().message);
    return run();
  }
  for (const auto& chunk : *claimed) {
    p.recovered.insert(chunk.lease);
    admit(p, chunk);
  }
  if (p.state == State::kRecovering) {
    if (claimed->empty()) {
      ask_parked(p);
    } else {
      recover(p);
    }
  }
  run();
}

// A parked chunk is in nobody's hands, but it may come back: the journal has to keep what it knows of it.
void PartitionOwner::ask_parked(Partition& p) {
  p.claiming = true;
  door_.parked(p.number, [this, number = p.number,
                          epoch = p.epoch](const Result<std::vector<uint64_t>>& leases) {
    Partition& partition = at(number);
    partition.claiming = false;
    if (partition.epoch == epoch && partition.state == State::kRecovering) {
      if (leases.ok()) {
        partition.recovered.insert(leases->begin(), leases->end());
        recovery_over(partition);
      } else {
        lose(partition, "recovery: " + leases.error().message);
      }
    }
    run();
  });
}

void PartitionOwner::recovery_over(Partition& p) {
  for (const uint64_t lease : replay_.recovered_only(p.number, p.recovered)) {
    delivery_.lease_closed(p.number, lease, options_.loop);
  }
  p.replay.clear();
  p.recovered.clear();
  p.state = State::kOwned;
  p.poll_at = TimePoint{};
  p.backoff = {};
}

// What is waiting comes back and is settled under the old epoch, if the queue still takes that; what is in flight
// finishes.
void PartitionOwner::lose(Partition& p, const std::string& why) {
  losses_[why].partitions.push_back(p.number);
  report_timer_.set_after(Duration{});
  p.state = State::kLost;
  recall_ = true;
  p.revoked->store(true, std::memory_order_relaxed);
  p.wants.clear();
  std::vector<std::string> campaigns{std::string(queue::kSingleMessages)};
  campaigns.reserve(p.contexts.size() + 1);
  for (const auto& [id, contexts] : p.contexts) campaigns.push_back(id);
  p.contexts.clear();
  delivery_.look_again(campaigns);
}

// A queue that goes away, or a loop that was held, costs all partitions at once: one line says it.
void PartitionOwner::report_losses() {
  const auto losses = std::exchange(losses_, {});
  for (const auto& [why, loss] : losses) {
    std::string what;
    if (loss.partitions.size() == 1) what = name_of(loss.partitions[0]) + " is lost";
    if (loss.partitions.size() > 1)
      what = std::to_string(loss.partitions.size()) + " partitions are lost, " +
             std::to_string(loss.partitions[0]) + " among them";
    if (loss.chunks > 0) {
      if (!what.empty()) what += ", ";
      what += std::to_string(loss.chunks) + (loss.chunks == 1 ? " chunk" : " chunks") +
              " cannot be settled";
    }
    what += ": ";
    log_warn(what += why);
  }
}

void PartitionOwner::release(Partition& p) {
  p.state = State::kReleasing;
  door_.release(p.number, p.epoch, [this, number = p.number](const Status& done) {
    if (!done.ok()) log_debug(name_of(number) + ": " + done.error().message);
    at(number).state = State::kReleased;
  });
}

OwnerSnapshot PartitionOwner::snapshot() const {
  OwnerSnapshot s;
  TimePoint due = kNever;
  s.wanted = static_cast<uint32_t>(partitions_.size());
  for (const auto& p : partitions_) {
    if (!p->holder.empty()) s.elsewhere = p->holder;
    if (p->state != State::kOwned && p->state != State::kRecovering) continue;
    ++s.owned;
    due = std::min(due, p->due_at);
  }
  if (due != kNever) {
    const auto wait = std::max<Duration>(due - loop_.now(), Duration{});
    s.next_due_ms = std::chrono::ceil<std::chrono::milliseconds>(wait).count();
  }
  s.recipients_in_memory = in_memory_;
  s.works = held_.size();
  s.unrouted = unrouted_;
  s.unrouted_reply = unrouted_reply_;
  return s;
}

}  // namespace volley::delivery
