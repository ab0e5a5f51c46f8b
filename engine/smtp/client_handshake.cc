// Greeting, EHLO, HELO and STARTTLS: everything before the first transaction but AUTH.
#include <cassert>
#include <utility>

#include "base/utf8.h"
#include "engine/smtp/client.h"

namespace volley::smtp {
namespace {

constexpr EnhancedCode kTlsCode{4, 7, 0};

// A Cisco PIX or ASA in between masks the banner, and everything else with it: plain SMTP only.
bool is_masked(std::string_view text) {
  return text.find('*') != std::string_view::npos &&
         text.find_first_not_of("20 *") == std::string_view::npos;
}

bool same_name(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (ascii_lower(a[i]) != ascii_lower(b[i])) return false;
  }
  return true;
}

Outcome refused(Stage stage, Reply reply) {
  Outcome outcome;
  outcome.kind = reply.first_digit() == 5 ? Outcome::Kind::kFailed : Outcome::Kind::kRetry;
  outcome.stage = stage;
  outcome.reply = std::move(reply);
  return outcome;
}

}  // namespace

void Client::on_greeting(Reply reply) {
  if (reply.code >= 400) {
    return close(CloseReason::kRefused, refused(Stage::kGreeting, std::move(reply)), true);
  }
  if (reply.code != 220) {
    return protocol_error(Stage::kGreeting, "a greeting that is none: " + reply.str());
  }
  const std::string_view text = reply.text;
  if (options_.refuse_own_name && same_name(text.substr(0, text.find(' ')), options_.ehlo_name)) {
    Outcome outcome{Outcome::Kind::kRetry,
                    Stage::kGreeting,
                    {},
                    "the server is ourselves",
                    EnhancedCode{4, 4, 6}};
    outcome.reply = std::move(reply);
    return close(CloseReason::kLoop, std::move(outcome), true);
  }
  if (is_masked(text)) quirks_ |= kHeloOnly;
  if (options_.helo_only || (quirks_ & kHeloOnly)) {
    send_helo();
  } else {
    send_ehlo();
  }
}

void Client::send_ehlo() {
  out_.append("EHLO " + options_.ehlo_name + "\r\n");
  push(Verb::kEhlo);
}

void Client::send_helo() {
  out_.append("HELO " + options_.ehlo_name + "\r\n");
  push(Verb::kHelo);
}

void Client::on_ehlo(Reply reply) {
  const bool inside_tls = tls_ && options_.tls == TlsMode::kOpportunistic;
  if (reply.code == 220) {
    return desync(Stage::kEhlo, std::move(reply), "a second greeting");
  }
  if (reply.conflict || (reply.first_digit() == 5 && !inside_tls)) {
    quirks_ |= kHeloOnly;
    return send_helo();
  }
  if (reply.code >= 400) {
    if (inside_tls) quirks_ |= kNoTls;
    return close(CloseReason::kRefused, refused(Stage::kEhlo, std::move(reply)), true);
  }
  if (reply.code >= 300) {
    return protocol_error(Stage::kEhlo, "an answer to EHLO that is none: " + reply.str());
  }
  caps_ = parse_capabilities(parser_.raw());
  if (caps_.overflow) quirks_ |= kNoPipelining;
  after_hello();
}

void Client::on_helo(Reply reply) {
  if (reply.code >= 400) {
    return close(CloseReason::kRefused, refused(Stage::kHelo, std::move(reply)), true);
  }
  if (reply.code >= 300) {
    return protocol_error(Stage::kHelo, "an answer to HELO that is none: " + reply.str());
  }
  caps_ = {};
  after_hello();
}

void Client::after_hello() {
  const bool wanted = options_.tls == TlsMode::kOpportunistic || options_.tls == TlsMode::kRequired;
  if (tls_ || !wanted) return become_ready();
  if (caps_.starttls) {
    out_.append("STARTTLS\r\n");
    push(Verb::kStartTls);
    return;
  }
  if (options_.tls == TlsMode::kOpportunistic) return become_ready();
  close(CloseReason::kTls,
        {Outcome::Kind::kRetry,
         Stage::kStartTls,
         {},
         "STARTTLS is required and not offered",
         kTlsCode},
        true);
}

void Client::on_starttls(Reply reply, std::string_view rest, TimePoint now) {
  if (reply.first_digit() == 2) {
    if (!rest.empty()) {
      return close(CloseReason::kTls,
                   {Outcome::Kind::kRetry, Stage::kStartTls, std::move(reply),
                    "plain text after the answer to STARTTLS", kTlsCode},
                   false);
    }
    state_ = State::kTlsHandshake;
    deadline_ = now + options_.timeouts.starttls;
    events_.emplace_back(NeedTls{});
    return;
  }
  if (reply.first_digit() == 3) {
    return protocol_error(Stage::kStartTls, "an answer to STARTTLS that is none: " + reply.str());
  }
  if (reply.first_digit() == 5) quirks_ |= kNoTls;
  if (options_.tls == TlsMode::kOpportunistic) return become_ready();
  close(CloseReason::kTls,
        {Outcome::Kind::kRetry, Stage::kStartTls, std::move(reply), "STARTTLS refused", kTlsCode},
        true);
}

void Client::tls_established(TimePoint now) {
  if (state_ == State::kClosed) return;
  assert(state_ == State::kTlsHandshake);
  state_ = State::kHandshake;
  tls_ = true;
  // RFC 3207 4.2: whatever was learned in the clear is forgotten.
  caps_ = {};
  parser_ = ReplyParser();
  send_ehlo();
  rearm(now);
}

void Client::tls_failed(std::string_view why, TimePoint) {
  if (state_ == State::kClosed) return;
  if (options_.tls == TlsMode::kOpportunistic) quirks_ |= kNoTls;
  // Who tells us names TLS where that is at fault; of a lost connection it says only that it was lost.
  std::string error(why.starts_with("TLS") ? "" : "TLS handshake: ");
  error += why;
  close(CloseReason::kTls,
        {Outcome::Kind::kRetry, Stage::kTls, {}, std::move(error), EnhancedCode{4, 7, 5}}, false);
}

void Client::become_ready() {
  if (options_.credentials && !auth_.done) return begin_auth();
  state_ = State::kReady;
  events_.emplace_back(Ready{caps_, tls_});
}

}  // namespace volley::smtp
