// The words of the queue: lanes, destinations, recipients, outcomes.
//
// Purpose  Plain values shared by everyone who talks to the queue. design: chunks, not recipients, are what Redis moves;
//          a recipient has a 64-bit number, unique in its campaign, for life.
// Units    Times named *_ms are milliseconds of Redis's own TIME (Unix epoch); delays are relative. No client clock
//          ever enters the queue.
// Thread   Values.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace volley::queue {

enum class Lane : uint8_t { kBulk = 0, kTransactional = 1 };

inline constexpr std::string_view kDefaultTenant = "default";
// The campaign that messages handed in one by one belong to. User campaigns cannot start with '_'.
inline constexpr std::string_view kSingleMessages = "_messages";
inline constexpr uint32_t kDefaultPartitions = 64;
inline constexpr uint32_t kMaxChunkRecipients = 256;

// Where a chunk waits: one list per (tenant, lane, campaign, domain). `domain` is a queue key: a domain, or `domain#k`
// for one that is split.
struct Destination {
  Lane lane = Lane::kBulk;
  std::string tenant{kDefaultTenant};
  std::string campaign;
  std::string domain;
};

// Domains that get so much mail that one partition should not own all of it are split by recipient number.
std::string queue_domain(std::string_view domain, uint64_t number);
std::string_view domain_of(std::string_view queue_domain);  // without '#k'
uint32_t partition_of(std::string_view queue_domain, uint32_t partitions);
// Where a domain's mail may lie, sorted; of no domain (""): all partitions.
std::vector<uint32_t> partitions_of(std::string_view domain, uint32_t partitions);

// kCancelled: taken out of the queue by an operator, one by one. (A cancelled campaign's rest has no outcomes.)
enum class Outcome : uint8_t {
  kDelivered = 1,
  kBounced = 2,
  kExpired = 3,
  kSuppressed = 4,
  kCancelled = 5,
  kRetried = 6  // only in the queue's own lists: the recipient's outcome before this one does not count any more
};
std::string_view to_string(Outcome outcome);
std::string_view to_string(Lane lane);

// One final outcome, as kept until the campaign is purged.
struct FinalOutcome {
  uint64_t number = 0;
  Outcome outcome = Outcome::kDelivered;
  uint16_t code = 0;     // SMTP, 0: none
  std::string enhanced;  // "5.1.1" or empty
  std::string address;
};

// Numbers of one campaign. accepted = delivered + bounced + expired + suppressed + cancelled + queued, always;
// queued includes in_flight and held. deferrals counts attempts, not recipients.
struct Counts {
  uint64_t accepted = 0, delivered = 0, bounced = 0, expired = 0, suppressed = 0, cancelled = 0,
           queued = 0;
  uint64_t in_flight = 0, deferrals = 0, waiting_retry = 0, parked = 0, held = 0;
  Counts& operator+=(const Counts& other);
};

}  // namespace volley::queue
