// Single messages as JSON, read strictly: the body of POST /v1/messages, and what the intake stream carries.
//
// Purpose    One JSON object: from, to, subject, text, html, headers. Nothing else, no key twice, no nesting beyond
//            `headers`, valid UTF-8. A batch is an array of them, each with a `key` if it likes. Whether it can be sent is
//            message::make_single's question.
// Thread     Pure.
// Errors     kProtocol: no JSON (400). kData: JSON, but not a message (422).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "engine/message/single.h"
#include "queue/store.h"

namespace volley::intake {

Result<message::SingleMessage> parse_single(std::string_view body);

inline constexpr size_t kMaxBatch = 1000;

struct BatchItem {
  std::string body;  // its JSON without `key`, written again without spaces
  std::string key;   // empty: none
  Result<message::SingleMessage> message;
};
// What is wrong with one item is that item's error; what is wrong with the whole (no JSON, no array, none or too many
// items) is the result's.
Result<std::vector<BatchItem>> parse_batch(std::string_view body);

std::string accepted_json(std::string_view id);
std::string status_json(std::string_view id, const queue::SingleStatus& status);

}  // namespace volley::intake
