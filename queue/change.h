// Changing what is queued: an operator's hold, release, delete and retry.
//
// Purpose   Store::change() takes picked recipients out of one chunk that a walk found, and puts them where the verb says:
//             kHold     ready, waiting -> held; still counted as queued
//             kRelease  held -> ready, or waiting when its time has not come
//             kDelete   all but in flight -> final, as Outcome::kCancelled; a single message's status becomes "cancelled"
//             kAgain    bounced, expired -> ready, as if it had never been tried; its outcome no longer counts
//             kRetry    waiting -> ready, and its domain rests no longer
//             kForget   all but in flight -> gone: what was queued is final as for kDelete, its outcome without the address;
//                       what is kept of one that failed is dropped, its outcome stays. Of campaigns that are over, too. Of a
//                       parked chunk nobody need be picked: those that were settled before go with any change
//           One call, atomic: the chunk must still be there as it was seen. Engines need not stop for it.
// Repeating A call whose answer was lost is repeated and changes nothing twice.
// Thread    As Store.
#pragma once

#include <cstdint>
#include <string_view>

#include "queue/walk.h"

namespace volley::queue {

enum class Change : uint8_t { kHold, kRelease, kDelete, kRetry, kAgain, kForget };
std::string_view to_string(Change change);
bool applies_to(Change change, Where where);

// What is known elsewhere of one recipient: Store::resolve() makes it final in the queue. Sorted by index.
struct Known {
  size_t index = 0;  // in Found::recipients
  Outcome outcome = Outcome::kDelivered;
  uint16_t code = 0;
};

enum class ChangeResult {
  kChanged,
  kMoved,  // the chunk went on meanwhile: nothing was changed
  kOver,   // the campaign was cancelled meanwhile
};

}  // namespace volley::queue
