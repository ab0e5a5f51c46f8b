// AUTH (RFC 4954): after the last EHLO, before the first transaction, one line at a time.
#include <algorithm>
#include <utility>

#include "base/base64.h"
#include "base/hmac.h"
#include "base/utf8.h"
#include "engine/smtp/client.h"

namespace volley::smtp {
namespace {

constexpr EnhancedCode kSecurity{4, 7, 0};
constexpr EnhancedCode kRefusedLogin{4, 7, 8};
constexpr EnhancedCode kNeedsTls{4, 7, 11};
constexpr size_t kCommandLine = 512;  // RFC 5321 4.5.3.1.4: an initial response has to fit, or wait
constexpr size_t kAuthLine = 12288;   // RFC 4954 section 4
constexpr size_t kTelling = 8;        // so many octets of a secret in a row are no coincidence

Outcome ours(std::string why, EnhancedCode code) {
  return {Outcome::Kind::kRetry, Stage::kAuth, {}, std::move(why), code};
}

bool contains(std::string_view text, std::string_view piece) {
  const auto same = [](char a, char b) { return ascii_lower(a) == ascii_lower(b); };
  return std::search(text.begin(), text.end(), piece.begin(), piece.end(), same) != text.end();
}

// The letters of base64 and of tokens.
bool is_secret_letter(char c) {
  return (c >= '0' && c <= '9') || (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z') ||
         std::string_view("+/=_-").find(c) != std::string_view::npos;
}

// Whether a word of `text` is a piece of `secret`: servers cut what they quote.
bool quotes(std::string_view text, std::string_view secret) {
  for (size_t at = 0; at < text.size();) {
    size_t end = at;
    while (end < text.size() && is_secret_letter(text[end])) ++end;
    if (end - at >= kTelling && contains(secret, text.substr(at, end - at))) return true;
    at = end + 1;
  }
  return false;
}

// The server did not get so far as to look at who we are.
bool is_unknown_mechanism(const Reply& reply) {
  if (reply.code == 504) return true;
  return reply.enhanced == EnhancedCode{5, 5, 4} || reply.enhanced == EnhancedCode{5, 7, 4};
}

}  // namespace

void Client::begin_auth() {
  if (!tls_ && !options_.auth_in_clear) {
    return close(CloseReason::kTls,
                 ours("no TLS with this server, and no password travels in clear", kNeedsTls),
                 true);
  }
  if (const Status fit = check_credentials(*options_.credentials); !fit) {
    return close(CloseReason::kRefused, ours(fit.error().message, kSecurity), true);
  }
  next_mechanism();
}

void Client::next_mechanism() {
  const auto untried = static_cast<uint16_t>(caps_.auth & ~auth_.tried);
  auth_.sasl = Sasl::choose(*options_.credentials, untried, options_.sasl_nonce);
  if (!auth_.sasl) {
    const std::string offer = caps_.auth_names.empty() ? "no AUTH" : "AUTH " + caps_.auth_names;
    const char* why =
        auth_.tried ? ", and refuses what we know of it" : ", which is nothing we can use";
    return close(CloseReason::kRefused,
                 ours("the server offers " + offer +
                          (caps_.auth_names.empty() ? ", and [relay] user is set" : why),
                      kSecurity),
                 true);
  }
  auth_.tried = static_cast<uint16_t>(auth_.tried | auth_.sasl->mechanism());
  auth_.asked = false;
  std::string line = std::string("AUTH ") + to_string(auth_.sasl->mechanism());
  std::optional<std::string> initial = auth_.sasl->initial();
  std::string encoded = initial ? to_base64(*initial) : "";
  if (initial) wipe(*initial);
  auth_.initial_due = line.size() + 1 + encoded.size() + 2 > kCommandLine;
  if (auth_.initial_due) wipe(encoded);
  if (!encoded.empty()) line += ' ';
  send_auth(std::move(line), std::move(encoded));
}

// `encoded` goes after `line`, and is remembered.
void Client::send_auth(std::string line, std::string encoded) {
  auth_.sent += encoded + '\n';
  line += encoded + "\r\n";
  out_.append(line);
  push(Verb::kAuth);
  wipe(encoded);
  wipe(line);
}

void Client::on_auth(Reply reply, TimePoint now) {
  if (auth_.given_up) {
    // Whatever it says to a `*`; one more question would be no answer at all.
    return close(CloseReason::kProtocol, *std::move(auth_.given_up), reply.first_digit() != 3);
  }
  if (reply.code == 334) return on_challenge(now);
  if (reply.code >= 400) return auth_refused(std::move(reply));
  if (reply.code != 235) {
    return protocol_error(Stage::kAuth, "an answer to AUTH that is none: " + reply.str());
  }
  if (!auth_.sasl->verified()) {
    return close(CloseReason::kProtocol,
                 ours("the server did not prove that it knows the password", kSecurity), true);
  }
  auth_.done = true;
  forget_login();
  become_ready();
}

void Client::on_challenge(TimePoint now) {
  auth_.asked = true;
  // The line, as the reply's text is made for people; "334 " is not part of it.
  const std::string& text = parser_.raw();
  constexpr size_t kCut = ReplyParser::kLineCap - 4;
  const auto challenge = text.size() < kCut ? from_base64(text) : std::nullopt;
  if (!challenge) return give_up_auth("a challenge that is no base64");
  if (!std::exchange(auth_.initial_due, false)) {
    return go_on_with_auth(auth_.sasl->answer(*challenge), now);
  }
  go_on_with_auth(auth_.sasl->initial(), now);
}

void Client::go_on_with_auth(Sasl::Answer answer, TimePoint now) {
  auth_.counting = false;
  if (!answer) return give_up_auth(answer.error().message);
  if (!*answer) {
    auth_.counting = true;
    deadline_ = now;
    return;
  }
  std::string encoded = to_base64(**answer);
  wipe(**answer);
  if (encoded.size() + 2 > kAuthLine) return give_up_auth("the login is too long to be sent");
  send_auth({}, std::move(encoded));
}

void Client::resume_auth(TimePoint now) {
  go_on_with_auth(auth_.sasl->resume(), now);
  rearm(now);
}

void Client::give_up_auth(std::string why) {
  auth_.given_up = ours("AUTH given up: " + std::move(why), kSecurity);
  send_auth("*", {});
}

void Client::auth_refused(Reply reply) {
  if (!auth_.asked && is_unknown_mechanism(reply)) return next_mechanism();
  Outcome outcome;
  outcome.stage = Stage::kAuth;
  if (reply.first_digit() == 5) {
    outcome.kind = Outcome::Kind::kFailed;
    outcome.error = options_.credentials->is_token ? "the relay refused the user name or token"
                                                   : "the relay refused the user name or password";
    outcome.local = kRefusedLogin;
  } else {
    outcome.kind = Outcome::Kind::kRetry;
    outcome.error = "the relay cannot check the login now";
  }
  outcome.reply = std::move(reply);
  close(CloseReason::kRefused, std::move(outcome), true);
}

// Replies go to logs and events; some servers repeat in them what they were sent.
void Client::withhold_login(Reply& reply) const {
  if (auth_.sent.empty()) return;
  const std::string& secret = options_.credentials->secret;
  if (!contains(reply.text, secret) && !quotes(reply.text, secret) &&
      !quotes(reply.text, auth_.sent)) {
    return;
  }
  reply.text = "(withheld: the server repeats the login)";
}

void Client::forget_login() {
  wipe(auth_.sent);
  auth_.sasl.reset();
}

// RFC 4954 section 6: 530 when mail needs a login first. Others say so when they want TLS.
void Client::explain_missing_login(Outcome& outcome) const {
  const Reply& reply = outcome.reply;
  if (reply.code != 530 || options_.credentials) return;
  if (contains(reply.text, "starttls") || reply.enhanced == EnhancedCode{5, 7, 10}) return;
  outcome.error = "the server wants a login: set [relay] user and its password";
}

}  // namespace volley::smtp
