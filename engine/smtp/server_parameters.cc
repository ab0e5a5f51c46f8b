// The parameters of MAIL and RCPT in the server core.
#include <charconv>
#include <utility>

#include "engine/smtp/command.h"
#include "engine/smtp/server.h"
#include "engine/smtp/server_words.h"

namespace volley::smtp {
namespace {

constexpr size_t kEnvidMax = 100;  // RFC 3461 section 4.4
constexpr size_t kOrcptMax = 500;  // section 4.2

// NEVER, or some of the others, each once (RFC 3461 section 4.1).
bool is_notify(std::string_view list) {
  if (equals(list, "NEVER")) return true;
  bool success = false, failure = false, delay = false;
  for (;;) {
    const std::string_view word = list.substr(0, list.find(','));
    bool* seen = equals(word, "SUCCESS")   ? &success
                 : equals(word, "FAILURE") ? &failure
                 : equals(word, "DELAY")   ? &delay
                                           : nullptr;
    if (!seen || std::exchange(*seen, true)) return false;
    if (word.size() == list.size()) return true;
    list.remove_prefix(word.size() + 1);
  }
}

bool is_envid(std::string_view text) {
  if (text.empty() || text.size() > kEnvidMax) return false;
  const auto plain = from_xtext(text);
  if (!plain) return false;
  for (const char c : *plain) {
    if (c < 0x20 || c > 0x7e) return false;
  }
  return true;
}

// addr-type ";" xtext. Addresses of the type utf-8 may hold UTF-8 where SMTPUTF8 is in force (RFC 6533 section 3).
bool is_orcpt(std::string_view text, bool utf8) {
  const size_t semicolon = text.find(';');
  if (text.size() > kOrcptMax || semicolon == 0 || semicolon == std::string_view::npos ||
      semicolon + 1 == text.size()) {
    return false;
  }
  const std::string_view type = text.substr(0, semicolon), address = text.substr(semicolon + 1);
  for (const char c : type) {
    if (c < 33 || c > 126) return false;
  }
  if (utf8 && equals(type, "UTF-8")) return !has_bad_bytes(address, true);
  return from_xtext(address).has_value();
}

}  // namespace

// nullptr, or the reply.
const char* Server::parse_mail_parameters(std::string_view rest, Event& event) {
  dsn_ = {};
  bool body = false, auth = false;
  for (auto word = next_word(rest); !word.empty(); word = next_word(rest)) {
    const size_t eq = word.find('=');
    const std::string_view key = word.substr(0, eq);
    const std::string_view value = eq == std::string_view::npos ? "" : word.substr(eq + 1);
    if (!esmtp_) return "555 5.5.4 No parameters after HELO";
    if (equals(key, "SIZE") && options_.size) {
      uint64_t size = 0;
      const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), size);
      const bool whole = !value.empty() && end == value.data() + value.size();
      if (event.size || error != std::errc() || !whole) return "501 5.5.4 Bad SIZE";
      if (options_.max_size > 0 && size > options_.max_size) return "552 5.3.4 Message too big";
      event.size = size;
    } else if (equals(key, "BODY") && options_.eight_bit) {
      if (std::exchange(body, true)) return "501 5.5.4 BODY twice";
      if (!equals(value, "7BIT") && !equals(value, "8BITMIME")) return "501 5.5.4 Bad BODY";
      event.body_8bit = equals(value, "8BITMIME");
    } else if (equals(word, "SMTPUTF8") && options_.smtputf8) {
      if (std::exchange(event.smtputf8, true)) return "501 5.5.4 SMTPUTF8 twice";
    } else if (equals(word, "REQUIRETLS") && options_.require_tls && tls_) {
      if (std::exchange(event.require_tls, true)) return "501 5.5.4 REQUIRETLS twice";
    } else if (equals(key, "RET") && options_.dsn) {
      const bool known = equals(value, "FULL") || equals(value, "HDRS");
      if (!dsn_.ret.empty() || !known) return "501 5.5.4 Bad RET";
      dsn_.ret = value;
    } else if (equals(key, "ENVID") && options_.dsn) {
      if (!dsn_.envid.empty() || !is_envid(value)) return "501 5.5.4 Bad ENVID";
      dsn_.envid = value;
    } else if (equals(key, "AUTH")) {  // RFC 4954: taken and not trusted
      if (std::exchange(auth, true)) return "501 5.5.4 AUTH twice";
    } else {
      return "555 5.5.4 Unknown MAIL parameter";
    }
  }
  return nullptr;
}

// nullptr, or the reply.
const char* Server::parse_rcpt_parameters(std::string_view rest) {
  dsn_ = {};
  for (auto word = next_word(rest); !word.empty(); word = next_word(rest)) {
    const size_t eq = word.find('=');
    const std::string_view key = word.substr(0, eq);
    const std::string_view value = eq == std::string_view::npos ? "" : word.substr(eq + 1);
    if (!esmtp_) return "555 5.5.4 No parameters after HELO";
    if (equals(key, "NOTIFY") && options_.dsn) {
      if (!dsn_.notify.empty() || !is_notify(value)) return "501 5.5.4 Bad NOTIFY";
      dsn_.notify = value;
    } else if (equals(key, "ORCPT") && options_.dsn) {
      if (!dsn_.orcpt.empty() || !is_orcpt(value, smtputf8_)) return "501 5.5.4 Bad ORCPT";
      dsn_.orcpt = value;
    } else {
      return "555 5.5.4 Unknown RCPT parameter";
    }
  }
  return nullptr;
}

}  // namespace volley::smtp
