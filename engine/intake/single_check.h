// What every way in for single messages demands: the HTTP API and the intake stream.
//
// Purpose    From a parsed message to one that the queue can take: `from` within the senders, addresses that can be
//            written to, content that can be sent; and which idempotency keys there are.
// Thread     Pure but for the generator.
// Errors     kNoPermission: `from` is nobody we may send as. kData: cannot be sent.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/random.h"
#include "base/result.h"
#include "engine/intake/sender_list.h"
#include "engine/message/single.h"
#include "queue/store.h"

namespace volley::intake {

inline constexpr size_t kMaxSingleBytes = size_t{10} << 20;  // of one message as JSON

inline constexpr char kUsableKey[] = "at most 255 visible ASCII characters";
bool is_usable_key(std::string_view key);  // an empty one is: none

// Key and fingerprint are the caller's to fill in.
Result<queue::SingleMessage> to_submit(message::SingleMessage parsed, const SenderList& senders,
                                       uint32_t partitions, Random& random);

}  // namespace volley::intake
