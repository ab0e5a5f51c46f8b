// The blocking door into the queue: campaigns, import, single messages, status.
//
// Purpose    For threads that may wait: importer, HTTP workers, commands. Loops use queue/door.h.
// Ownership  A Store owns one connection; it reconnects by itself (every function is idempotent, calls are repeated).
// Thread     One at a time; give each thread its own.
// Errors     kUnavailable: Redis unreachable, loading, full (OOM), read-only, MISCONF; the message has the remedy.
//            kData: refused by the queue's own rules (stale import epoch, cancelled campaign, corrupt).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "queue/campaign.h"
#include "queue/change.h"
#include "queue/repair.h"
#include "queue/types.h"
#include "queue/url.h"
#include "queue/walk.h"

namespace volley::metrics {
struct Shard;
}

namespace volley::queue {

struct EngineStatus {  // what an engine publishes of itself every second
  std::string engine;  // instance id
  int64_t at_ms = 0;
  std::string json;  // engine/delivery's status document
};

enum class SubmitResult {
  kQueued,
  kAlreadyThere,  // the same key with the same body, queued before
  kConflict,      // the same key with another body
  kRefused,       // cannot be queued, now or later
};

struct SingleMessage {
  uint64_t number = 0;  // unique; also what `id` encodes
  std::string address;
  std::string return_path;
  std::string
      content;  // message::Content bytes; over kMaxInlineContent it is stored once as a reference
  std::string idempotency_key;   // empty: none
  std::string body_fingerprint;  // decides between replay and conflict
};

struct Submitted {
  SubmitResult result = SubmitResult::kQueued;
  std::string id;
  std::string reason;  // of kRefused
};

// How much lies in the intake stream (queue/stream.h).
struct IntakeBacklog {
  uint64_t waiting = 0;  // entries that are not settled yet
  uint64_t parked = 0;   // entries that somebody has to look at
};

// What of the intake stream, its parked entries and its results named an address.
struct IntakeForgotten {
  uint64_t deleted = 0;   // entries
  uint64_t left = 0;      // they wait, and are others' messages, or have others' too
  bool too_long = false;  // a stream is too long to be copied: bytes of deleted entries remain for a while
  bool full = false;      // Redis has no memory for a copy: as too_long
};

struct SingleStatus {
  std::string state;  // queued, deferred, delivered, bounced, expired, suppressed, cancelled
  uint32_t attempts = 0;
  uint16_t code = 0;
  std::string text;  // last reply, sanitised
  int64_t at_ms = 0;
};

// How many blocks of outcomes each partition had.
struct OutcomeMoment {
  std::vector<uint64_t> blocks;
};

// How far an import is in one partition. A slice that takes several calls is written in the order of its domains' hashes.
struct ImportMark {
  uint64_t row = 0;    // every row (from 1) up to this number is in
  uint64_t slice = 0;  // 0, or of the rows up to this number those of domains below `upto` are in, too
  uint32_t upto = 0;   // upper half of a queue key's partition hash

  bool covers(uint64_t number, uint64_t domain_hash) const {
    return number <= row || (number <= slice && domain_hash >> 32 < upto);
  }
  bool operator==(const ImportMark&) const = default;
};

// Everything one call of an import writes into one partition: chunks and the mark together.
struct ImportFlush {
  uint32_t partition = 0;
  uint64_t mark = 0;  // rows (from 1) up to this number are settled for this partition
  uint32_t upto = 0;  // not 0: only those of domains below it; more calls with the same mark follow, the last one with 0
  // Where the partition must be for this call, which is refused when an earlier one was. None: anywhere, if no slice is half in.
  std::optional<ImportMark> after;
  struct Part {
    std::string domain;  // queue key
    uint32_t recipients = 0;
    std::string chunk;
  };
  std::vector<Part> parts;
  uint64_t suppressed = 0;  // accepted and final at once
  std::vector<FinalOutcome> suppressed_outcomes;
};

inline constexpr Duration kStorePatience = std::chrono::seconds(15);

class Store {
 public:
  // Connects, checks the server (queue/server_check.h), loads the function library, reads or creates the meta record.
  static Result<std::unique_ptr<Store>> open(const QueueUrl& url,
                                             uint32_t partitions = kDefaultPartitions,
                                             bool memory_durability = false);
  ~Store();

  // How long a call may spend reconnecting or waiting for a Redis that loads; kStorePatience unless told. What is still out of
  // reach then is kUnavailable. A full or read-only Redis refuses at once. Less than that bounds the wait for an answer, too:
  // so much and 2 s more.
  void set_patience(Duration patience);
  // Calls are counted there from now on: a Shard that only the user of this Store writes.
  void set_counters(metrics::Shard* counters);

  uint32_t partitions() const;
  // What the server check found worth saying, one line each ("appendfsync is everysec: ...").
  const std::vector<std::string>& warnings() const;
  std::string dedupe_key() const;  // random, stored with the queue: keys hashes of addresses
  Result<int64_t> now_ms();        // Redis TIME

  // --- campaigns
  Result<std::optional<Campaign>> find(std::string_view id);
  Result<std::vector<Campaign>> list();
  // New (state importing, epoch 1), or the existing one untouched.
  Result<Campaign> create(const Campaign& campaign, std::string_view content);
  Result<uint64_t> begin_import(
      std::string_view id);  // a new epoch; older importers are refused from now on
  Result<std::vector<ImportMark>> import_marks(std::string_view id);  // by partition
  Status import(std::string_view id, Lane lane, uint64_t epoch,
                std::span<const ImportFlush> flushes);  // pipelined
  // importing -> running (or paused, when held); counts are those of the whole list.
  Status close_import(std::string_view id, uint64_t epoch, uint64_t read, uint64_t invalid,
                      uint64_t duplicate);
  // Compare-and-set of the state; other fields by edit, and a state that a changed schedule asks for. kData: the edge is not legal,
  // named with the state; a schedule that cannot be kept.
  Status set_state(std::string_view id, CampaignState to, std::string_view reason);
  // A new generation, for recipients that are tried again (queue/record.h). Returns the record.
  Result<Campaign> reopen(std::string_view id);
  // Other content for those not sent to yet, while the campaign is paused; bytes as for create().
  Status replace_content(std::string_view id, std::string_view content, std::string_view fingerprint,
                         std::string_view from_domain, bool sign);
  Status approve(std::string_view id);  // of what a canary showed; it goes on
  Status edit(std::string_view id, const std::function<void(Campaign&)>& change);
  Status finish_if_done(std::string_view id);  // running and closed and nothing queued
  // Marked as being purged, which only purge() ends: nothing resumes it, nor tries its recipients again. kData: it is not over.
  Result<Campaign> begin_purge(std::string_view id);
  // Every trace of it in the queue; only once it is finished or cancelled. kTempFail: an engine still has some of its mail. What was
  // interrupted goes on.
  Status purge(std::string_view id);
  // As purge(), but its record, content and counts stay: who got it is not known any more (Campaign::blotted_ms).
  Status blot(std::string_view id);
  // Parked chunks (Counts::parked) are taken up again by the next recovery of their partitions. Returns recipients.
  Result<uint64_t> unpark(std::string_view id);
  Result<Counts> counts(std::string_view id);
  Result<std::string> content(std::string_view id);
  // Suppression set of a campaign: keyed hashes of folded addresses (base/hash.h), replaced as a whole.
  Status put_suppressions(std::string_view id, std::string_view packed_hashes);
  // Final outcomes, streamed in blocks; false from the callback stops. `domain`: only where that domain's mail lies, which is
  // not its own only. Each partition is seen as it was at one moment, one partition after the other: nobody is met twice there, and
  // who is tried again afterwards is met with the outcome of before; between two calls anybody may be. What is purged meanwhile is
  // not met. With `since`, taken before a walk: also who became final since, and who was tried again since is met with all
  // outcomes from then on, so that between walk and outcomes nobody is missed.
  Status each_outcome(std::string_view id, const std::function<bool(const FinalOutcome&)>& visit,
                      std::string_view domain = {}, const OutcomeMoment* since = nullptr);
  Result<OutcomeMoment> outcome_moment(std::string_view id);
  // How many recipients were tried again so far, each as often as it was: the same before and after, and none was meanwhile.
  Result<uint64_t> tried_again(std::string_view id);
  // Of recipients that were tried again, by number, how many outcomes in that partition do not count any more: the first ones.
  Result<std::unordered_map<uint64_t, uint32_t>> retried(uint32_t partition, std::string_view id);

  // --- what is queued, recipient by recipient
  Status walk(const WalkFilter& filter, const WalkVisitor& visitor);
  // `revision`: of the campaign's record, for kAgain.
  Result<ChangeResult> change(Change what, const Found& found, std::span<const size_t> picked,
                              uint64_t revision = 0);
  // Picked recipients are final, by what is known elsewhere (change.h). engine: ours, which is not running; what others have in
  // flight is kMoved.
  Result<ChangeResult> resolve(const Found& found, std::span<const Known> known,
                               std::string_view engine);
  // Lists that no index names are findable again; dry_run: only counted.
  Result<RepairTotals> repair(bool dry_run);
  Result<std::vector<DamagedChunk>> damaged();
  // Its recipients are cancelled, as many as were counted. None: it is not there any more.
  Result<std::optional<uint64_t>> drop(const DamagedChunk& chunk);
  // Domains of one lane that rest may be offered now. Returns how many rested.
  Result<uint64_t> wake(const Destination& destination, uint32_t partition);

  // --- forgetting a person (recipients: change(), Change::kForget); all of these may be repeated
  using Test = std::function<bool(std::string_view)>;
  // Final outcomes at `domain` whose address is_it() lose it, their number stays. Returns how many.
  Result<uint64_t> forget_outcomes(std::string_view id, const std::string& domain, const Test& is_it);
  // Last replies of single messages, and reasons of campaigns, that name the address. Returns how many.
  Result<uint64_t> forget_words(const Test& names);
  // Entries that name the address; of those that wait only messages to it (is_it).
  Result<IntakeForgotten> forget_intake(const Test& names, const Test& is_it);
  // Running engines begin new journals, within seconds; what is settled goes with the old ones.
  Status seal_journals();
  // Rewrites the append-only file, so that what is deleted leaves the disk, and waits for that. False: there is none.
  // kUnavailable: refused, or it failed. kTempFail: `stop` said so.
  Result<bool> rewrite_log(const std::function<bool()>& stop);

  // --- single messages, transactional lane
  Result<SubmitResult> submit(const SingleMessage& message, std::string& id_out);
  // The same for many, in three round trips; the answers are in their order. After an error some may be queued: with keys,
  // the same call again queues the others.
  Result<std::vector<Submitted>> submit(std::span<const SingleMessage> messages);
  Result<std::optional<SingleStatus>> single(std::string_view id);
  Result<IntakeBacklog> intake_backlog();

  // --- engines
  Result<std::vector<EngineStatus>> engines();
  Status publish_status(std::string_view engine, std::string_view json);
  // The engine's mark (queue/history.h) as it was; it is moved forward to `mark`.
  Result<uint64_t> history(std::string_view engine, uint64_t mark);
  Result<bool> syncs_always();  // what was answered survives a power cut; false: not known

 private:
  struct Impl;
  explicit Store(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

std::string single_message_id(uint64_t number, uint32_t partition);

}  // namespace volley::queue
