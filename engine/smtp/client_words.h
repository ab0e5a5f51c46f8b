// What replies say to the client core: the few words and codes that are read beyond the first digit.
//
// Purpose  Shared by the client's .cc files; nobody else includes it.
// Thread   Pure.
#pragma once

#include <algorithm>
#include <string_view>
#include <utility>

#include "base/utf8.h"
#include "engine/smtp/outcome.h"
#include "engine/smtp/reply.h"

namespace volley::smtp {

// What a 4xx or 5xx makes of a transaction.
inline Outcome judged(Stage stage, Reply reply) {
  Outcome outcome;
  outcome.kind = reply.first_digit() == 5 ? Outcome::Kind::kFailed : Outcome::Kind::kRetry;
  outcome.stage = stage;
  outcome.reply = std::move(reply);
  return outcome;
}

// ASCII letters of `text` match in either case.
inline bool contains(std::string_view text, std::string_view lower_needle) {
  const auto same = [](char a, char b) { return ascii_lower(a) == b; };
  return std::search(text.begin(), text.end(), lower_needle.begin(), lower_needle.end(), same) !=
         text.end();
}

// A parameter of MAIL or RCPT, not the address (x.1.x).
inline bool refuses_parameter(const Reply& reply) {
  const bool syntax = reply.code == 501 && !(reply.enhanced && reply.enhanced->subject == 1);
  return syntax || reply.code == 504 || reply.code == 555;
}

// Recipients in a transaction, or messages on a connection: more in another one.
inline bool too_many(const Reply& reply) {
  if (reply.code != 452 && reply.code != 552) return false;
  if (reply.enhanced && reply.enhanced->subject == 5 && reply.enhanced->detail == 3) return true;
  return contains(reply.text, "too many recipients") || contains(reply.text, "too many messages");
}

inline bool unknown_command(const Reply& reply) { return reply.code == 500 || reply.code == 502; }

// A server that looks at the last RCPT only says so of the whole (RFC 2920 section 1).
inline bool denies_recipients(const Reply& reply) {
  return contains(reply.text, "no valid recipients");
}

}  // namespace volley::smtp
