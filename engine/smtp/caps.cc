#include "engine/smtp/caps.h"

#include <algorithm>
#include <charconv>

namespace volley::smtp {
namespace {

constexpr int kKeywordsCap = 256;
constexpr int kMechanismNamesCap = 16;

std::string upper(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return out;
}

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

// The next word of `text`, cut off its front; words are separated by blanks.
std::string_view next_word(std::string_view& text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  size_t n = 0;
  while (n < text.size() && !is_blank(text[n])) ++n;
  const std::string_view word = text.substr(0, n);
  text.remove_prefix(n);
  return word;
}

template <typename T>
std::optional<T> number(std::string_view text) {
  T value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return {};
  return value;
}

constexpr AuthMechanism kMechanisms[] = {kAuthPlain,      kAuthLogin,       kAuthCramMd5,
                                         kAuthScramSha1,  kAuthScramSha256, kAuthXoauth2,
                                         kAuthOauthbearer};

bool is_mechanism_name(std::string_view name) {
  const auto fits = [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  };
  return !name.empty() && name.size() <= 20 && std::all_of(name.begin(), name.end(), fits);
}

void add_mechanism(std::string_view name, Capabilities& caps) {
  for (const AuthMechanism known : kMechanisms) {
    if (name == to_string(known)) caps.auth = static_cast<uint16_t>(caps.auth | known);
  }
  const auto count = std::count(caps.auth_names.begin(), caps.auth_names.end(), ' ');
  if (!is_mechanism_name(name) || count >= kMechanismNamesCap - 1) return;
  if (!caps.auth_names.empty()) caps.auth_names += ' ';
  caps.auth_names += name;
}

void parse_limits(std::string_view rest, Capabilities& caps) {
  while (true) {
    const std::string_view word = next_word(rest);
    if (word.empty()) return;
    const size_t equals = word.find('=');
    if (equals == std::string_view::npos) continue;
    const auto value = number<uint32_t>(word.substr(equals + 1));
    if (!value || *value == 0) continue;
    const std::string_view name = word.substr(0, equals);
    if (name == "MAILMAX") caps.mail_max = value;
    if (name == "RCPTMAX") caps.rcpt_max = value;
    if (name == "RCPTDOMAINMAX") caps.rcpt_domain_max = value;
  }
}

void parse_keyword(std::string_view line, Capabilities& caps) {
  const std::string whole = upper(line);
  std::string_view rest = whole;
  std::string_view word = next_word(rest);
  if (word.starts_with("AUTH=")) {  // an old draft's form
    add_mechanism(word.substr(5), caps);
    word = "AUTH";
  }
  if (word == "PIPELINING") caps.pipelining = true;
  if (word == "STARTTLS") caps.starttls = true;
  if (word == "8BITMIME") caps.eight_bit = true;
  if (word == "ENHANCEDSTATUSCODES") caps.enhanced_codes = true;
  if (word == "CHUNKING") caps.chunking = true;
  if (word == "DSN") caps.dsn = true;
  if (word == "REQUIRETLS") caps.requiretls = true;
  if (word == "SMTPUTF8") caps.smtputf8 = caps.eight_bit = true;  // RFC 6531 implies 8BITMIME
  if (word == "LIMITS") parse_limits(rest, caps);
  if (word == "SIZE") {
    caps.size = true;
    const auto value = number<uint64_t>(next_word(rest));
    if (value && *value > 0) caps.max_size = std::max(caps.max_size.value_or(0), *value);
  }
  if (word == "AUTH") {
    for (auto name = next_word(rest); !name.empty(); name = next_word(rest)) {
      add_mechanism(name, caps);
    }
  }
}

}  // namespace

const char* to_string(AuthMechanism mechanism) {
  switch (mechanism) {
    case kAuthPlain:
      return "PLAIN";
    case kAuthLogin:
      return "LOGIN";
    case kAuthCramMd5:
      return "CRAM-MD5";
    case kAuthScramSha1:
      return "SCRAM-SHA-1";
    case kAuthScramSha256:
      return "SCRAM-SHA-256";
    case kAuthXoauth2:
      return "XOAUTH2";
    case kAuthOauthbearer:
      return "OAUTHBEARER";
  }
  return "?";
}

Capabilities parse_capabilities(std::string_view raw) {
  Capabilities caps;
  caps.esmtp = true;
  size_t at = raw.find('\n');
  for (int count = 0; at != std::string_view::npos; ++count) {
    if (count == kKeywordsCap) {
      caps.overflow = true;
      break;
    }
    const size_t end = raw.find('\n', at + 1);
    parse_keyword(raw.substr(at + 1, end == std::string_view::npos ? end : end - at - 1), caps);
    at = end;
  }
  return caps;
}

}  // namespace volley::smtp
