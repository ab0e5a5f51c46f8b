// The asynchronous door into the queue: what a delivery loop does with its partitions.
//
// Purpose    Own partitions by lease, claim chunks, settle them, all pipelined over one connection per loop; all calls of
//            one loop turn leave in one write, so they share one fsync under `appendfsync always`.
// Ownership  The Door owns its connection. Callbacks are moved out before they run and never run after the Door is
//            destroyed; capture ids or objects that outlive the Door.
// Thread     The loop's.
// Errors     A call whose connection died is repeated after reconnecting (back-off 50 ms to 5 s with jitter): every
//            function is idempotent. A callback gets an Error only for what repeating cannot mend: kData (fenced,
//            corrupt). While disconnected, calls wait; `connected()` tells.
// Time       queue_now_ms() is Redis's TIME, carried forward by the monotonic clock since the last reply.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "queue/campaign.h"
#include "queue/types.h"
#include "queue/url.h"

namespace volley::net {
class Loop;
}
namespace volley::metrics {
struct Shard;
}

namespace volley::queue {

struct Lease {         // of a partition
  uint64_t epoch = 0;  // 0: somebody else holds it
  std::string holder;  // who, when it is not us
};

struct Claimed {
  uint64_t lease = 0;  // of this chunk, unique in its partition
  Destination destination;
  std::string chunk;  // encoded, queue/chunk.h
  std::string
      done;  // progress already recorded: packed recipient numbers (see pack_numbers); usually empty
  uint32_t reclaims = 0;
  bool more = true;  // the domain had more that is ready, or that is not known
};

struct ClaimReply {
  std::vector<Claimed> chunks;
  int64_t next_due_ms =
      0;  // milliseconds until the partition has something next: 0 now, -1 nothing known
};

struct ClaimRequest {
  uint32_t partition = 0;
  uint64_t epoch = 0;
  uint32_t max_chunks = 8;
  uint32_t max_bytes = 256 * 1024;
  bool transactional_only =
      false;  // with `wanted` empty: any domain, but on the transactional lane
  // Domains to take more of, each on one lane, one chunk for each time it is listed. Empty: any domain whose time has come,
  // one chunk each. A domain that was claimed from is not offered to "any" again until a settle() or ready() names it: the
  // claimer asks for more of it by name. No chunk in the reply: name it in ready() once its work is done.
  std::vector<Destination> wanted;  // campaign is ignored: the queue picks by weighted virtual time
};

struct Grant {
  uint64_t recipients = 0;
  bool all_out = false;  // all is granted, and no engine has any of it left
};

struct Retry {
  int64_t delay_ms =
      0;  // from now; rounded up to a turn of the queue's wheel: an eighth of it at most, 250 ms to 5 s (tests: finer by meta record)
  uint32_t recipients = 0;
  std::string chunk;
};

// Recipients that bounced or expired, as a chunk: kept, to be tried again on demand. Not of single messages.
struct Kept {
  Outcome outcome = Outcome::kBounced;
  std::string chunk;
};

struct Settlement {
  uint32_t partition = 0;
  uint64_t epoch = 0;
  uint64_t lease = 0;
  uint32_t sequence = 0;               // 1, 2, ... for one lease: a repeated call changes nothing
  bool close = false;                  // the lease ends: everything is in done, retries, remainder
  std::vector<FinalOutcome> outcomes;  // final since the last settlement of this lease
  uint32_t deferrals = 0;
  std::string
      done;  // pack_numbers of all recipients of this lease that are final or moved so far (close = false)
  std::vector<Retry> retries;
  std::vector<Kept> kept;
  uint32_t remainder_recipients = 0;
  std::string remainder;    // a chunk that goes back to the head of its list; empty: none
  int64_t ready_in_ms = 0;  // when the domain may be offered again; -1: it is still being worked on
  // Last reply of a deferred single message, for its status (transactional lane only).
  std::vector<std::pair<uint64_t, std::string>> single_notes;
};

enum class SettleResult { kApplied, kAlreadyApplied, kFenced };

class Door {
 public:
  // counters: the loop's.
  Door(net::Loop& loop, const QueueUrl& url, std::string engine_id,
       metrics::Shard* counters = nullptr);
  ~Door();

  bool connected() const;
  std::string last_error() const;  // why not connected, for status
  int64_t queue_now_ms() const;
  int64_t clock_leap_ms()
      const;  // the queue's clock leapt by so much, and is not followed; 0: it did not
  size_t pending() const;
  // How often the server was another process than before. It may not know all that was confirmed: chunks may be leased to us that
  // we have long settled, so that whoever owns partitions owns them anew.
  uint64_t restarts() const;

  // Acquires, or renews when `epoch` is ours. An engine's own earlier lease (same engine_id) is taken back at once. A reply
  // with another epoch than the one asked for is a new ownership: what was held under the old one is lost.
  void own(uint32_t partition, uint64_t epoch, int64_t ttl_ms,
           std::function<void(Result<Lease>)> done);
  void release(uint32_t partition, uint64_t epoch, std::function<void(Status)> done);
  // In-flight chunks of older epochs, now leased to this epoch; call until it returns none, before claiming. A chunk reclaimed
  // more than 3 times is parked instead (Counts::parked).
  void recover(uint32_t partition, uint64_t epoch,
               std::function<void(Result<std::vector<Claimed>>)> done);
  // Leases of the parked chunks: what is known of their recipients must be kept, an unpark() brings them back under the same number.
  void parked(uint32_t partition, std::function<void(Result<std::vector<uint64_t>>)> done);
  // A chunk in flight that cannot be read waits for people (Counts::parked). `done`: its recipients; 0: it was not ours any more.
  void park(uint32_t partition, uint64_t epoch, uint64_t lease, std::string_view why,
            std::function<void(Result<uint64_t>)> done);
  // Where nothing is to be had: recipients of these running campaigns that no index names. mend(): makes them findable, a page
  // of the server's keys at a time; `done`: lists that were not.
  void drift(uint32_t partition, std::span<const std::string> campaigns,
             std::function<void(Result<uint64_t>)> done);
  void mend(uint32_t partition, std::function<void(Result<uint64_t>)> done);
  void claim(const ClaimRequest& request, std::function<void(Result<ClaimReply>)> done);
  void settle(const Settlement& settlement, std::function<void(Result<SettleResult>)> done);
  // The domain may be offered to "any" again in `in_ms`.
  void ready(uint32_t partition, uint64_t epoch, const Destination& destination, int64_t in_ms);

  // Campaign control. apply() tells a partition the campaign's state and weight; paused and cancelled campaigns are skipped
  // (dropped) as claims meet them, a resumed one's domains are offered again.
  void apply(uint32_t partition, uint64_t epoch, const Campaign& campaign,
             std::function<void(Status)> done);
  void global_revision(
      std::function<void(Result<uint64_t>)> done);  // moves when any campaign record changes
  void campaigns(std::function<void(Result<std::vector<Campaign>>)> done);
  void campaign(std::string_view id, std::function<void(Result<Campaign>)> done);
  void content(std::string_view id, std::function<void(Result<std::string>)> done);
  void content_ref(uint32_t partition, std::string_view ref,
                   std::function<void(Result<std::string>)> done);
  void suppressions(std::string_view id, std::function<void(Result<std::string>)> done);
  void set_state(std::string_view id, CampaignState to, std::string_view reason,
                 std::function<void(Status)> done);
  void finish_if_done(std::string_view id, std::function<void(Status)> done);
  void keep_schedule(std::string_view id, std::function<void(Status)> done);  // queue/schedule.h
  // How many more recipients of a canary this engine may try, of `wanted`; all engines together, no more than `limit`. left: of
  // what it was granted before.
  void grant(std::string_view id, uint64_t wanted, uint64_t limit, uint64_t left,
             std::function<void(Result<Grant>)> done);
  void await_approval(std::string_view id, std::function<void(Status)> done);
  // `done`: how many engines have published theirs within the last seconds, this one among them; and how often engines were
  // asked to seal their journals (Store::seal_journals).
  void publish_status(std::string_view json,
                      std::function<void(uint64_t engines, uint64_t seals)> done = {});
  // The engine's mark moves forward (queue/history.h), unless the queue has less than `expected`. `done`: what it had.
  void history(uint64_t mark, uint64_t expected, std::function<void(Result<uint64_t>)> done);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// A compact set of recipient numbers (sorted, delta varints).
std::string pack_numbers(std::vector<uint64_t> numbers);
Result<std::vector<uint64_t>> unpack_numbers(std::string_view packed);

// Inline content that is only a reference ("ref:<hash>") to a large single message, read with Door::content_ref.
bool is_content_ref(std::string_view inline_content, std::string_view& ref);

}  // namespace volley::queue
