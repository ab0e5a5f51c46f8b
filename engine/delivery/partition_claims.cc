#include <algorithm>

#include "base/log.h"
#include "engine/delivery/outcome_policy.h"
#include "engine/delivery/partition_owner.h"

namespace volley::delivery {
namespace {

using namespace std::chrono_literals;

constexpr Duration kPollFirst = 20ms;
constexpr Duration kPollSlowest = 200ms;  // and while memory is full, for what is urgent
constexpr unsigned kPhases = 8;
constexpr Duration kDryFor = 1s;
constexpr Duration kRestNoRoom = 5s;  // its site has enough to do
constexpr Duration kLookAtParked = 5ms;
constexpr Duration kRestAhead = 15s;  // to 30 s: its campaign's rate keeps enough of it in memory
constexpr double kSecondsAhead = 60;
constexpr double kLeastAhead = 1024;
constexpr uint32_t kMaxChunks = 8;
constexpr uint32_t kMaxUrgentChunks = 2;
constexpr uint32_t kReservePart = 8;  // an eighth of memory, for transactional mail
constexpr uint32_t kMaxBurst = 8;     // chunks of a domain in one claim by name
constexpr uint64_t kBytesOfARecipient = 2048;

// Those that have had nothing for long are asked in one write, all at once: alone, each costs more system calls than Redis has work with it.
// A loop's own moment: all of a machine's at once would keep Redis from the rest.
TimePoint next_round(TimePoint now, unsigned loop) {
  const Duration phase = kPollSlowest / kPhases * (loop % kPhases);
  return TimePoint((now.time_since_epoch() - phase) / kPollSlowest * kPollSlowest + phase + kPollSlowest);
}

// One domain on one lane; a partition is a function of the domain.
std::string key_of(const queue::Destination& d) {
  return std::string(queue::to_string(d.lane)) + '|' + d.tenant + '|' + d.domain;
}

}  // namespace

PartitionOwner::Held* PartitionOwner::find(uint64_t ticket) {
  const auto found = held_.find(ticket);
  return found == held_.end() ? nullptr : found->second.get();
}

// In recipients: what is here with its content, and what claims under way may bring.
uint64_t PartitionOwner::claimed() const {
  return in_memory_ + inline_content_ / kBytesOfARecipient + reserved_;
}

// What a claim may bring is counted as if it had come. An empty loop always takes something, however small its
// memory.
uint32_t PartitionOwner::chunks_to_claim() const {
  const uint64_t used = claimed();
  if (used == 0) {
    return std::clamp<uint32_t>(options_.recipients_in_memory / queue::kMaxChunkRecipients, 1,
                                kMaxChunks);
  }
  if (used >= options_.recipients_in_memory) return 0;
  const uint64_t room = (options_.recipients_in_memory - used) / queue::kMaxChunkRecipients;
  return static_cast<uint32_t>(std::min<uint64_t>(room, kMaxChunks));
}

// Full of bulk mail that waits for its sites, memory still has room for a password reset.
uint32_t PartitionOwner::urgent_chunks() const {
  const uint64_t reserve = std::max<uint64_t>(uint64_t{kMaxChunks} * queue::kMaxChunkRecipients,
                                              options_.recipients_in_memory / kReservePart);
  const uint64_t used = claimed(), most = options_.recipients_in_memory + reserve;
  const uint64_t room = used < most ? (most - used) / queue::kMaxChunkRecipients : 0;
  return static_cast<uint32_t>(std::min<uint64_t>(room, kMaxUrgentChunks));
}

// It is known to have something.
void PartitionOwner::poll_now(Partition& p) {
  p.poll_at = std::min(p.poll_at, loop_.now());
  p.backoff = {};
}

void PartitionOwner::claim_any(Partition& p, uint32_t chunks, bool urgent) {
  const Asked asked{{}, chunks * queue::kMaxChunkRecipients, urgent, SIZE_MAX};
  p.claiming = true;
  if (!urgent) p.urgent_at = next_round(loop_.now(), options_.loop);  // it is asked for that, too; whoever wakes us meanwhile is heard
  reserved_ += asked.reserved;
  queue::ClaimRequest request;
  request.partition = p.number;
  request.epoch = p.epoch;
  request.max_chunks = chunks;
  request.transactional_only = urgent;
  shard_[metrics::Metric::kQueueClaims].add();
  door_.claim(request,
              [this, number = p.number, epoch = p.epoch, asked](Result<queue::ClaimReply> reply) {
                on_claimed(number, epoch, asked, std::move(reply));
              });
}

// In turns: on from the one that was last.
std::vector<std::string> PartitionOwner::next_wanted(Partition& p, uint32_t most) {
  std::vector<std::string> keys;
  while (!p.wants.empty() && keys.size() < most) {
    auto next = p.wants.upper_bound(p.last_wanted);
    if (next == p.wants.end()) next = p.wants.begin();
    p.last_wanted = *next;
    p.wants.erase(next);
    const auto domain = domains_.find(p.last_wanted);
    if (domain == domains_.end()) continue;
    domain->second.wanting = true;
    keys.push_back(p.last_wanted);
  }
  return keys;
}

void PartitionOwner::claim_wanted(Partition& p) {
  queue::ClaimRequest request;
  request.partition = p.number;
  request.epoch = p.epoch;
  request.max_chunks = chunks_to_claim();
  Asked asked;
  asked.wanted = next_wanted(p, request.max_chunks);
  if (asked.wanted.empty()) return;
  // One chunk for each first; what room is left goes to those that run dry between claims.
  for (uint32_t turn = 0; turn < kMaxBurst; ++turn) {
    for (const std::string& key : asked.wanted) {
      const Domain& domain = domains_.at(key);
      if (turn < domain.burst && request.wanted.size() < request.max_chunks)
        request.wanted.push_back(domain.destination);
    }
  }
  request.max_chunks = static_cast<uint32_t>(request.wanted.size());
  asked.bytes = request.max_bytes;
  asked.reserved = request.max_chunks * queue::kMaxChunkRecipients;
  p.claiming_wanted = true;
  reserved_ += asked.reserved;
  shard_[metrics::Metric::kQueueClaims].add();
  door_.claim(request,
              [this, number = p.number, epoch = p.epoch, asked](Result<queue::ClaimReply> reply) {
                on_claimed(number, epoch, asked, std::move(reply));
              });
}

void PartitionOwner::on_claimed(uint32_t number, uint64_t epoch, const Asked& asked,
                                Result<queue::ClaimReply> reply) {
  Partition& p = at(number);
  reserved_ -= asked.reserved;
  (asked.wanted.empty() ? p.claiming : p.claiming_wanted) = false;
  const bool mine = p.epoch == epoch && p.state == State::kOwned;
  bool cut_short = false;  // the reply was full: who got nothing may have something
  if (!reply.ok()) {
    if (mine) lose(p, reply.error().message);
  } else {
    for (const auto& key : asked.wanted) adapt_burst(key);
    size_t bytes = 0;
    for (const auto& chunk : reply->chunks) {
      bytes += chunk.chunk.size();
      admit(p, chunk);
    }
    cut_short = bytes >= asked.bytes;
    if (asked.urgent) {
      if (reply->chunks.empty()) p.urgent_at = next_round(loop_.now(), options_.loop);
    } else if (asked.wanted.empty()) {
      const bool nothing = reply->chunks.empty() && reply->next_due_ms != 0;
      p.due_at = reply->next_due_ms < 0
                     ? kNever
                     : loop_.now() + std::chrono::milliseconds(reply->next_due_ms);
      p.backoff = nothing ? std::clamp(p.backoff * 2, kPollFirst, kPollSlowest) : Duration{};
      p.poll_at = p.backoff < kPollSlowest ? loop_.now() + p.backoff : next_round(loop_.now(), options_.loop);
      if (!reply->chunks.empty()) p.urgent_at = std::min(p.urgent_at, loop_.now());  // there may be more of it
      if (mine && reply->chunks.empty() && reply->next_due_ms < 0) look_for_drift(p);
      if (nothing && reply->next_due_ms > 0) {
        p.poll_at =
            std::min(p.poll_at, loop_.now() + std::chrono::milliseconds(reply->next_due_ms));
      }
    }
  }
  wanted_over(p, asked.wanted, cut_short);
  run();
}

// A claim takes as long as the queue's disk; what a domain sends meanwhile has to be here already.
void PartitionOwner::adapt_burst(const std::string& domain_key) {
  const auto found = domains_.find(domain_key);
  if (found == domains_.end()) return;
  Domain& domain = found->second;
  if (domain.remaining < domain.chunk_size) {
    domain.burst = std::min(domain.burst * 2, kMaxBurst);
  } else if (domain.remaining > 3 * domain.chunk_size * domain.burst) {
    domain.burst = std::max(domain.burst / 2, 1u);
  }
}

// Those that got nothing are not asked for again at once; one whose works ended meanwhile goes back to "any".
void PartitionOwner::wanted_over(Partition& p, const std::vector<std::string>& wanted,
                                 bool cut_short) {
  for (const auto& key : wanted) {
    const auto found = domains_.find(key);
    if (found == domains_.end()) continue;
    Domain& domain = found->second;
    // admit() has taken the mark from those that got something.
    if (domain.wanting && !cut_short) domain.dry_until = loop_.now() + kDryFor;
    if (domain.wanting && cut_short && domain.works > 0) p.wants.insert(key);
    domain.wanting = false;
    if (domain.works > 0) continue;
    if (p.state == State::kOwned) {
      door_.ready(p.number, p.epoch, domain.destination, ready_in(domain));
      poll_now(p);
    }
    domains_.erase(found);
  }
}

void PartitionOwner::admit(Partition& p, const queue::Claimed& claimed) {
  const std::string key = key_of(claimed.destination);
  auto made = make_work(p.number, p.epoch, claimed);
  if (!made.ok()) {
    park(p, claimed, made.error().message);
    if (!domains_.contains(key)) door_.ready(p.number, p.epoch, claimed.destination, 0);
    return;
  }
  auto held = std::make_unique<Held>();
  held->ticket = next_ticket_++;
  held->partition = p.number;
  held->epoch = p.epoch;
  held->lease = claimed.lease;
  held->domain = key;
  held->work = std::move(*made);
  held->site_loop = options_.loop;
  Work& work = *held->work;
  work.owner_loop = options_.loop;
  work.ticket = held->ticket;
  work.claimed_ms = door_.queue_now_ms();
  work.claimed_at = loop_.now();
  const auto recipients = work.chunk.recipients();
  for (size_t i = 0; i < recipients.size(); ++i) {
    if (work.states[i] == RecipientState::kFinal) held->numbers.push_back(recipients[i].number);
  }
  held->remaining = work.waiting;
  held->control = cache_->control(claimed.destination.campaign);
  held->control->in_memory += static_cast<int64_t>(held->remaining);
  in_memory_ += held->remaining;
  ++p.held;

  auto [at_domain, first] = domains_.try_emplace(key);
  Domain& domain = at_domain->second;
  if (first) {
    domain.destination = claimed.destination;
    domain.partition = p.number;
  }
  ++domain.works;
  domain.wanting = false;
  domain.remaining += held->remaining;
  domain.chunk_size = held->remaining;
  if (!claimed.more) domain.dry_until = loop_.now() + kDryFor;
  shard_[metrics::Metric::kQueueClaimedRecipients].add(held->remaining);
  // Nobody waits for a notification that is under way already.
  if (claimed.destination.lane == queue::Lane::kTransactional && p.state == State::kOwned) {
    door_.ready(p.number, p.epoch, claimed.destination, 0);
  }

  if (const auto old = p.replay.find(claimed.lease); old != p.replay.end()) {
    shard_[metrics::Metric::kReplayedOutcomes].add(apply_replay(work, old->second, wall_now()));
  }
  Held& kept = *held;
  held_.emplace(kept.ticket, std::move(held));
  if (work.waiting == 0) return come_to_rest(kept);
  if (!work.fresh.empty()) {
    kept.pending = compose_portion(work, door_.queue_now_ms(), options_.retry_wheel_ms);
    settle_next(kept);
  }
  if (p.state == State::kLost || stopping_) return give_back(kept, Duration{});
  find_context(kept);
}

void PartitionOwner::on_route(uint64_t ticket, const RouteAnswer& answer) {
  if (Held* held = find(ticket)) use_route(*held, answer);
}

void PartitionOwner::use_route(Held& held, const RouteAnswer& answer) {
  if (!held.work->campaign->sending() || stopping_) return give_back(held, kRestNotSending);
  if (answer.path && ahead_of_pace(held)) {
    const auto jitter = Duration(random_.below(static_cast<uint64_t>(kRestAhead.count())));
    return give_back(held, kRestAhead + jitter);
  }
  if (answer.path) return hand_over(held, answer.path);
  Record record;
  record.verdict = answer.permanent ? Verdict::kBounced : Verdict::kDeferred;
  record.code = answer.code;
  record.enhanced = answer.enhanced;
  record.text = answer.text;
  if (!answer.permanent) {
    unrouted_ += held.work->waiting;
    unrouted_reply_ = words_of(record);
  }
  decide_all(held, record);
}

// A campaign with a rate rests in memory, but what it can use only later leaves half of it to others.
bool PartitionOwner::ahead_of_pace(const Held& held) const {
  const CampaignControl& control = *held.control;
  if (!control.pace.limited()) return false;
  if (held.work->destination.lane == queue::Lane::kTransactional) return false;
  const double enough = std::max(kLeastAhead, kSecondsAhead * control.pace.rate());
  return static_cast<double>(control.in_memory.load(std::memory_order_relaxed)) > enough &&
         in_memory_ * 2 > options_.recipients_in_memory;
}

void PartitionOwner::hand_over(Held& held, std::shared_ptr<const Path> path) {
  Domain& domain = domains_.at(held.domain);
  domain.path = path;
  const bool urgent = domain.destination.lane == queue::Lane::kTransactional;
  if (urgent || delivery_.wants_more(*path)) return deliver(held, std::move(path));
  // A busy site is a matter of moments, mostly; what is claimed again and again costs more than it waits.
  held.stage = Stage::kParked;
  held.parked_at = loop_.now();
  parked_[path->key].push_back(held.ticket);
  held.work->path = std::move(path);
  unpark_at_ = std::min(unpark_at_, loop_.now() + kLookAtParked);
}

void PartitionOwner::deliver(Held& held, std::shared_ptr<const Path> path) {
  held.stage = Stage::kOut;
  held.work->path = std::move(path);
  const uint64_t ticket = held.ticket;
  const std::string key = held.domain;
  const unsigned loop = delivery_.accept(std::move(held.work));
  if (Held* still = find(ticket)) still->site_loop = loop;
  maybe_want(key);
}

// Hands parked works over as their sites have room; those that waited too long leave memory to others. Until when
// not again.
TimePoint PartitionOwner::unpark() {
  const TimePoint now = loop_.now();
  if (parked_.empty()) return kNever;
  if (now < unpark_at_) return unpark_at_;
  for (auto line = parked_.begin(); line != parked_.end();) {
    auto& tickets = line->second;
    while (!tickets.empty()) {
      Held* held = find(tickets.front());
      if (held == nullptr || held->stage != Stage::kParked) {
        tickets.pop_front();
        continue;
      }
      const bool stopped = stopping_ || !held->work->campaign->sending();
      const bool room = !stopped && delivery_.wants_more(*held->work->path);
      if (!stopped && !room && now - held->parked_at < options_.park_for) break;
      tickets.pop_front();
      if (room) {
        deliver(*held, held->work->path);
      } else {
        const auto jitter = Duration(random_.below(static_cast<uint64_t>(kRestNoRoom.count())));
        give_back(*held, stopped ? kRestNotSending : kRestNoRoom + jitter);
      }
    }
    line = tickets.empty() ? parked_.erase(line) : std::next(line);
  }
  unpark_at_ = now + kLookAtParked;
  return parked_.empty() ? kNever : unpark_at_;
}

// More of a domain by name: when its works run low, or when there is plenty of room.
void PartitionOwner::maybe_want(const std::string& domain_key) {
  const auto found = domains_.find(domain_key);
  if (found == domains_.end() || stopping_) return;
  Domain& domain = found->second;
  Partition& p = at(domain.partition);
  if (p.state != State::kOwned || domain.wanting || !domain.path || domain.works > 2 * domain.burst)
    return;
  if (loop_.now() < domain.dry_until || loop_.now() < domain.rest_until) return;
  const bool low = domain.remaining * 2 < domain.chunk_size;
  const bool roomy = claimed() * 2 < options_.recipients_in_memory;
  if (!(low || roomy) || !delivery_.wants_more(*domain.path)) return;
  p.wants.insert(domain_key);
}

}  // namespace volley::delivery
