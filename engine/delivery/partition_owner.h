// PartitionOwner: a loop's share of the queue's partitions, from lease to settlement.
//
// Purpose    Leases partitions (number % loops == loop), recovers what earlier owners left in flight, claims chunks
//            while there is room in memory, finds their campaign and route, hands them to Delivery, settles what
//            comes back.
// Rules      One settlement of a lease at a time, in order. A partition that is lost is not asked for again before
//            all its works are back: no recipient is ever in two works of one engine. A domain is offered to "any"
//            again by the settlement of its last work; more of it is claimed by name meanwhile. Transactional
//            domains are offered again at once, and claimed from a reserve when memory is full.
// Ownership  Owns the campaign cache and each work that is not with Delivery. Door, Delivery, ReplayBook outlive
//            it; destroy the Door first, its callbacks stop then.
// Thread     The loop's.
// Errors     Logged; what cannot be settled stays in flight in the queue and is recovered by the partition's next
//            owner.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/net/loop.h"
#include "base/net/timer.h"
#include "base/random.h"
#include "engine/delivery/campaign_cache.h"
#include "engine/delivery/content_budget.h"
#include "engine/delivery/delivery.h"
#include "engine/delivery/replay_book.h"
#include "engine/delivery/settings.h"
#include "engine/delivery/settlement.h"
#include "metrics/registry.h"
#include "queue/door.h"

namespace volley::delivery {

struct OwnerOptions {
  unsigned loop = 0, loops = 1;
  uint32_t partitions = queue::kDefaultPartitions;
  Duration lease_ttl = std::chrono::seconds(15);
  uint32_t recipients_in_memory = 16384;
  uint64_t content_in_memory = uint64_t{32} << 20;  // of large single messages
  int64_t retry_wheel_ms = 250;
  queue::RetryPolicy singles_retry = kSinglesRetry;
  std::string dedupe_key;
  uint64_t seed = 1;
  Duration park_for =
      std::chrono::seconds(2);  // a work whose site has enough to do waits here first
};

struct OwnerSnapshot {
  uint32_t owned = 0, wanted = 0;  // partitions
  std::string elsewhere;           // holder of one that somebody else has
  uint64_t recipients_in_memory = 0, works = 0;
  int64_t next_due_ms = -1;    // until a partition has something to do; -1: nothing is known
  uint64_t unrouted = 0;       // deferrals because no way to the domain was known
  std::string unrouted_reply;  // why, last
};

class PartitionOwner final : public CampaignCache::Listener {
 public:
  PartitionOwner(net::Loop& loop, queue::Door& door, const message::DkimKeyRing& keys,
                 ControlTable& controls, ReplayBook& replay, metrics::Shard& shard,
                 Delivery& delivery, OwnerOptions options);
  ~PartitionOwner();

  void start();
  void wake();           // something was queued
  void stop();           // claim nothing more; give leases back once all is settled
  bool stopped() const;  // stop() has come to its end
  CampaignCache& campaigns() { return *cache_; }
  OwnerSnapshot snapshot() const;

  void on_route(uint64_t ticket, const RouteAnswer& answer);
  void on_progress(uint64_t ticket, Portion portion);
  void on_returned(std::unique_ptr<Work> work);

  void on_context(uint64_t ticket, const ContextResult& context) override;
  void on_campaign(const queue::Campaign& record, bool resumed) override;

 private:
  // A campaign that stopped between claim and now.
  static constexpr Duration kRestNotSending = std::chrono::milliseconds(500);

  enum class State : uint8_t {
    kFree,
    kAcquiring,
    kRecovering,
    kOwned,
    kLost,
    kReleasing,
    kReleased
  };

  struct Partition {
    uint32_t number = 0;
    State state = State::kFree;
    uint64_t epoch = 0;
    std::string holder;  // somebody else
    TimePoint retry_at{}, renew_at{}, fence_at{}, poll_at{}, urgent_at{};
    TimePoint due_at = kNever;  // when the queue has something next, as it said last
    Duration backoff{};
    TimePoint drift_at{};       // whether all of it can be found is not looked at before
    uint64_t unfound = 0;       // recipients that mending found no list of: their counter is off
    TimePoint mend_again_at{};  // while it is as many, not before
    bool looking = false;       // at that
    bool renewing = false, claiming = false, claiming_wanted = false;
    size_t held = 0;                             // leases of chunks we know of
    std::shared_ptr<std::atomic<bool>> revoked;  // of this tenure
    // Contexts of this tenure, and what each was made from.
    std::map<std::string, std::pair<std::shared_ptr<const CampaignContext>,
                                    std::shared_ptr<const CampaignContext>>>
        contexts;
    std::set<std::string> wants;                     // keys of domains to claim by name
    std::string last_wanted;                         // the last one that was
    std::map<uint64_t, std::vector<Record>> replay;  // while recovering
    std::set<uint64_t> recovered;
  };

  struct Domain {
    queue::Destination destination;
    uint32_t partition = 0;
    uint32_t works = 0;
    uint64_t remaining = 0;   // recipients of its works not settled
    uint64_t chunk_size = 0;  // of the last one
    uint32_t burst = 1;       // chunks to claim by name at a time
    TimePoint rest_until{}, dry_until{};
    bool wanting = false;  // a claim by name is under way
    std::shared_ptr<const Path> path;
  };

  struct Loss {
    std::vector<uint32_t> partitions;
    uint32_t chunks = 0;  // that could not be settled
  };

  struct Asked {  // by a claim
    std::vector<std::string> wanted;
    uint32_t reserved = 0;
    bool urgent = false;
    size_t bytes = SIZE_MAX;  // of its reply, at most
  };

  enum class Stage : uint8_t { kContext, kRoute, kParked, kOut, kBack };

  struct Held {  // a claimed chunk, until its lease is closed
    uint64_t ticket = 0;
    uint32_t partition = 0;
    uint64_t epoch = 0, lease = 0;
    std::string domain;  // key
    Stage stage = Stage::kContext;
    std::unique_ptr<Work> work;  // not while it is out
    std::shared_ptr<CampaignControl> control;
    uint64_t remaining = 0;
    uint64_t content = 0, inline_content = 0;  // bytes; a single message's
    uint32_t sequence = 0;
    unsigned site_loop = 0;
    TimePoint parked_at{};
    bool outstanding = false, closing = false, dead = false, fenced = false;
    bool frees = false;  // its settlement offers the domain to "any" again
    Portion pending;
    std::vector<uint64_t> numbers;  // settled or on the way
  };

  // partition_leases.cc: owning partitions
  void run();
  void look_for_restart();
  TimePoint step(Partition& p);
  void poll_now(Partition& p);
  void acquire(Partition& p);
  void acquired(uint32_t number, TimePoint sent, const Result<queue::Lease>& lease);
  void renew(Partition& p);
  void renewed(uint32_t number, uint64_t epoch, TimePoint sent, const Result<queue::Lease>& lease);
  void recover(Partition& p);
  void recovered(uint32_t number, uint64_t epoch, Result<std::vector<queue::Claimed>> claimed);
  void ask_parked(Partition& p);
  void recovery_over(Partition& p);
  void lose(Partition& p, const std::string& why);
  void report_losses();
  void release(Partition& p);
  void apply(Partition& p, const queue::Campaign& record);

  // partition_trouble.cc: what cannot be read, or found
  void park(Partition& p, const queue::Claimed& claimed, const std::string& why);
  void look_for_drift(Partition& p);
  void mend(uint32_t number, uint64_t epoch, uint64_t lost);

  // partition_claims.cc: from claim to Delivery
  uint64_t claimed() const;
  uint32_t chunks_to_claim() const;
  uint32_t urgent_chunks() const;
  void claim_any(Partition& p, uint32_t chunks, bool urgent);
  void claim_wanted(Partition& p);
  void on_claimed(uint32_t number, uint64_t epoch, const Asked& asked,
                  Result<queue::ClaimReply> reply);
  void adapt_burst(const std::string& domain_key);
  std::vector<std::string> next_wanted(Partition& p, uint32_t most);
  void wanted_over(Partition& p, const std::vector<std::string>& wanted, bool cut_short);
  void admit(Partition& p, const queue::Claimed& claimed);
  void use_route(Held& held, const RouteAnswer& answer);
  bool ahead_of_pace(const Held& held) const;
  void hand_over(Held& held, std::shared_ptr<const Path> path);
  void deliver(Held& held, std::shared_ptr<const Path> path);
  TimePoint unpark();
  void maybe_want(const std::string& domain_key);

  // partition_contexts.cc: whose a chunk is
  void find_context(Held& held);
  void find_single(Held& held);
  void ask_single(Held& held);
  void fetch_contents();
  void recall_waiters();
  bool lost(const Held& held);
  void use_context(Held& held, const ContextResult& context);
  std::shared_ptr<const CampaignContext> of_tenure(Partition& p,
                                                   std::shared_ptr<const CampaignContext> context);
  void expire_overdue(Held& held);

  // partition_settle.cc: from outcome to queue
  void decide_all(Held& held, const Record& like);
  void decide(Held& held, size_t index, Record record);
  void give_back(Held& held, Duration rest);
  void come_to_rest(Held& held);
  void settle_next(Held& held);
  int64_t ready_in(Domain& domain) const;
  void on_settled(uint64_t ticket, const Result<queue::SettleResult>& result);
  void let_go(Held& held);
  void settled_some(Held& held, uint64_t recipients);

  Partition& at(uint32_t number) { return *partitions_[number / options_.loops]; }
  Held* find(uint64_t ticket);

  net::Loop& loop_;
  queue::Door& door_;
  ReplayBook& replay_;
  metrics::Shard& shard_;
  Delivery& delivery_;
  OwnerOptions options_;
  Random random_;
  std::unique_ptr<CampaignCache> cache_;
  net::Timer timer_;
  net::Timer report_timer_;
  std::map<std::string, Loss> losses_;  // by cause; of this turn
  std::vector<std::unique_ptr<Partition>> partitions_;
  std::unordered_map<std::string, Domain> domains_;
  std::unordered_map<uint64_t, std::unique_ptr<Held>> held_;
  std::map<std::string, std::deque<uint64_t>> parked_;  // by path, oldest first
  TimePoint unpark_at_{};
  uint64_t next_ticket_ = 1;
  ContentBudget content_;
  bool recall_ = false;          // some may wait for room that have no use for it any more
  uint64_t inline_content_ = 0;  // bytes
  uint64_t in_memory_ = 0;       // recipients
  uint64_t reserved_ = 0;        // by claims under way
  size_t turn_ = 0;              // whose claim comes first
  std::vector<Partition*> idle_;  // run()'s, kept for its memory
  uint64_t unrouted_ = 0;        // deferrals for want of a route
  std::string unrouted_reply_;
  uint64_t restarts_ = 0;  // of the server, that we have seen
  bool stopping_ = false;
};

}  // namespace volley::delivery
