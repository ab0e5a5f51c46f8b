// The body of POST /v1/messages, read strictly.
//
// Purpose    One JSON object: from, to, subject, text, html, headers. Nothing else, no key twice, no nesting beyond
//            `headers`, valid UTF-8. Whether it can be sent is message::make_single's question.
// Thread     Pure.
// Errors     kProtocol: no JSON (400). kData: JSON, but not a message (422).
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "engine/message/single.h"
#include "queue/store.h"

namespace volley::intake {

Result<message::SingleMessage> parse_single(std::string_view body);
std::string accepted_json(std::string_view id);
std::string status_json(std::string_view id, const queue::SingleStatus& status);

}  // namespace volley::intake
