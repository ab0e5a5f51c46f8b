// What an entry of the intake stream says: one message, or a batch of them.
//
// Purpose    Fields `message` and `key`, or `batch`; nothing else, none twice. Messages and keys are held to the same rules as
//            the HTTP API's.
// Ownership  An item's text may be a view into the fields.
// Thread     Pure.
// Errors     kData or kProtocol: the entry as a whole is nothing that can be sent. What is wrong with one message of a
//            batch is that item's error.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/message/single.h"
#include "queue/stream.h"

namespace volley::intake {

struct StreamItem {
  std::optional<size_t> index;  // within a batch, from 0
  std::string body;             // of a batch's item: its JSON without `key`
  std::string key;              // the producer's; empty: none
  std::string fingerprint;      // of the body
  Result<message::SingleMessage> message;
};

Result<std::vector<StreamItem>> read_entry(std::span<const queue::StreamField> fields);

// The idempotency key of an item without one: nothing that a producer could choose (it has spaces).
std::string entry_key(std::string_view entry_id, const std::optional<size_t>& index);

}  // namespace volley::intake
