// The intake stream: entries that programs in any language XADD, read as a consumer group.
//
// Purpose    Redis's side of docs/stream.md: reads, takes over what a dead engine left, parks, publishes results, settles.
//            What an entry means is engine/intake's business.
// Contract   An entry that was read stays pending with its consumer until settle(), and pending() reads it again, in
//            order: after a crash, and after a lost reply. park() may repeat itself when a reply was lost, and so may
//            publish(); everything else may be repeated without harm. The three keys have no common hash tag: no call
//            touches two of them.
// Ownership  Owns a connection, because next() blocks it. A batch's entries are views into it.
// Thread     One at a time; blocks.
// Errors     As Store's. A missing group (or stream) is made anew, from the stream's beginning.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "queue/store_link.h"
#include "queue/url.h"

namespace volley::queue {

inline constexpr std::string_view kIntakeStream = "volley:intake";
inline constexpr std::string_view kIntakeParked = "volley:intake:parked";
inline constexpr std::string_view kIntakeResults = "volley:intake:results";
inline constexpr std::string_view kIntakeGroup = "volley";
inline constexpr int64_t kIntakeResultsKept = 100'000;  // about

using StreamField = std::pair<std::string_view, std::string_view>;

struct IntakeEntry {
  std::string_view id;              // "1699999999999-0"
  std::vector<StreamField> fields;  // none: somebody has deleted it
  size_t bytes = 0;
};

struct IntakeBatch {
  Reply reply;
  std::vector<IntakeEntry> entries;
};

class IntakeStream {
 public:
  // The consumer's name is the engine's instance id: what it left unsettled is its own after a restart.
  IntakeStream(QueueUrl url, bool memory_durability, std::string consumer);
  void set_patience(Duration patience) { link_.set_patience(patience); }

  // What this consumer has read and not settled, the oldest first.
  Result<IntakeBatch> pending(size_t count);
  // New entries; waits that long for the first one.
  Result<IntakeBatch> next(size_t count, Duration wait);
  // Makes entries that no consumer has touched for so long this one's: pending() has them. Returns how many.
  Result<size_t> claim_idle(Duration idle, size_t count);
  // Fields in their order; ends with what the caller adds. Refused when Redis is full.
  Status park(std::span<const StreamField> fields);
  // Best effort: the stream of results forgets the oldest.
  Status publish(std::span<const std::vector<StreamField>> results);
  // Deletes and acknowledges.
  Status settle(std::span<const std::string_view> ids);

 private:
  Result<Reply> run_in_group(const Command& command);
  Result<IntakeBatch> read(const Command& command);

  StoreLink link_;
  std::string consumer_;
  std::string cursor_ = "0-0";  // where claim_idle() goes on
};

}  // namespace volley::queue
