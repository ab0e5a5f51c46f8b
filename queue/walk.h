// What is queued, recipient by recipient: a walk through the lists of chunks.
//
// Purpose   Store::walk() passes by every queued recipient, in pages of few elements; Redis is never asked for much at once, and
//           nothing is held whole. Reads only. A place is one list: of what is ready, waits for a retry, is held, in flight or parked.
// Complete  While nothing is sent or imported every recipient is met exactly once. Otherwise one that moves on meanwhile may
//           be met twice, and one that is deferred meanwhile may be missed.
// Ownership A Found and all it refers to live as long as the callback. The callback may use the Store.
// Thread    As Store. Errors: the store's; a chunk or lease that is corrupt is reported and passed over.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "queue/chunk.h"
#include "queue/types.h"

namespace volley::queue {

// Bounced and expired recipients are kept to be tried again on demand; a walk meets them, and nothing else, when told to.
enum class Where : uint8_t { kReady, kWaiting, kInFlight, kHeld, kParked, kBounced, kExpired };
inline bool is_final(Where where) { return where == Where::kBounced || where == Where::kExpired; }
std::string_view to_string(Where where);

struct Place {
  uint32_t partition = 0;
  Where where = Where::kReady;
  Destination destination;
  bool over = false;   // its campaign is cancelled or finished: what lies here is dropped when met
  int64_t due_ms = 0;  // kWaiting
  uint64_t lease = 0;  // kInFlight, kParked
  std::string key;     // of the list
};

struct Found {  // one chunk
  const Place& place;
  int64_t index = 0;  // in its list; negative: from the tail
  std::string_view bytes;
  const Chunk& chunk;
  std::vector<Recipient> recipients;  // of the chunk, without those that were settled already
};

struct WalkFilter {
  std::string campaign{};  // empty: all
  std::string domain{};    // without '#k'; empty: all
  std::optional<Lane> lane{};
  bool failed = false;  // those that bounced or expired, instead of those that are queued
  bool settled = false;  // also chunks in flight or parked of which nobody is left
  std::function<bool(const Place&)> wants{};  // null: every place
};

// kGone: the callback took the element out of its list, so the next one has its index.
enum class Step { kOn, kGone, kStop };

struct WalkVisitor {
  std::function<Step(const Found&)> found;
  std::function<void(std::string_view key, std::string_view why)> corrupt;
};

}  // namespace volley::queue
