// Work: one claimed chunk on its way through delivery, and what became of each of its recipients.
//
// Purpose    The thing that travels: the partition's owner makes it, the loop of its site delivers it, the owner settles it.
//            Only one loop has it at a time.
// Ownership  unique_ptr, moved from loop to loop by Loop::post.
// Thread     Whoever holds it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/time.h"
#include "engine/delivery/campaign_context.h"
#include "engine/delivery/router.h"
#include "queue/chunk.h"
#include "queue/door.h"
#include "queue/types.h"

namespace volley::delivery {

// What became of one attempt at one recipient. The journal's record, the event's source, the settlement's input.
enum class Verdict : uint8_t {
  kDelivered = 1,
  kBounced,
  kExpired,
  kSuppressed,
  kDeferred,
  kInDoubt
};

struct Record {
  WallTime time;
  Verdict verdict = Verdict::kDelivered;
  uint32_t partition = 0;
  uint64_t lease = 0;  // of the chunk
  std::string campaign;
  queue::Lane lane = queue::Lane::kBulk;
  uint64_t number = 0;
  uint32_t generation = 1, revision = 1;  // of the campaign, of its content
  uint32_t attempt =
      0;  // this one, from 1; 0: decided without trying (suppressed, expired in the queue)
  std::string recipient;
  std::string site, host, source;
  uint16_t code = 0;
  std::string enhanced, text;  // sanitised
  int64_t delay_ms = 0;        // kDeferred, kInDoubt: when to try again
};

enum class RecipientState : uint8_t { kWaiting, kInFlight, kFinal, kDeferred };

struct Work {
  // where it came from
  uint32_t partition = 0;
  uint64_t epoch = 0, lease = 0;
  unsigned owner_loop = 0;
  uint64_t ticket = 0;  // the owner's name for it, on that loop
  queue::Destination destination;
  queue::Chunk chunk;
  std::shared_ptr<const CampaignContext> campaign;
  std::shared_ptr<const Path>
      path;  // how to reach its domain; set by the owner before it hands the work over
  int64_t claimed_ms = 0;  // Door::queue_now_ms() when it was claimed, and
  TimePoint claimed_at{};  // the loop's now() at the same moment

  // how far it is
  std::vector<RecipientState>
      states;                 // one per chunk.recipients(); empty at hand-over: all are kWaiting
  std::vector<Record> fresh;  // journalled, not yet handed to the owner for settlement
  size_t next = 0;            // first that may still be kWaiting
  size_t waiting = 0, in_flight = 0;

  // why it came back with recipients still waiting, and for how long the domain should rest
  int64_t rest_ms = 0;
  bool finished() const { return in_flight == 0 && waiting == 0; }
};

}  // namespace volley::delivery
