// One transactional message, as the HTTP API hands it over, made into Content.
//
// Purpose  Validation of what a program sent us (addresses, header names, CR/LF/NUL, UTF-8) and
// conversion to a literal
//          Content: no templating. Render it with no columns and number 0.
// Thread   Pure. Errors kData: `field: what is wrong`, fit for a 400 answer.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/address.h"
#include "base/result.h"
#include "engine/message/content.h"

namespace volley::message {

struct SingleMessage {
  std::string id;    // ours; becomes part of Message-ID
  std::string from;  // mailbox
  std::string to;    // mailbox, one
  std::string subject;
  std::optional<std::string> text, html;                     // at least one
  std::vector<std::pair<std::string, std::string>> headers;  // Reply-To may be among them
};

struct SingleContent {
  Content content;
  Address from;  // for the `senders` check
  Address recipient;
};

Result<SingleContent> make_single(const SingleMessage& message);

}  // namespace volley::message
