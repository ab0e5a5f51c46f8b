// AUTH in the server core (RFC 4954): the frame of the exchange; the driver knows mechanisms and passwords.
#include <cassert>
#include <utility>

#include "base/base64.h"
#include "base/hmac.h"
#include "engine/smtp/server.h"
#include "engine/smtp/server_words.h"

namespace volley::smtp {
namespace {

constexpr size_t kLineMax = 2048;
constexpr size_t kAuthLineMax = 12288;

bool is_auth_command(std::string_view line) {
  static constexpr std::string_view kVerb = "AUTH ";
  if (line.size() < kVerb.size()) return false;
  for (size_t i = 0; i < kVerb.size(); ++i) {
    if (line[i] != kVerb[i] && line[i] != static_cast<char>(kVerb[i] | 0x20)) return false;
  }
  return true;
}

}  // namespace

size_t Server::line_limit() const {
  return state_ == State::kAuth || is_auth_command(input_) ? kAuthLineMax - 1 : kLineMax;
}

std::optional<Server::Event> Server::on_auth(std::string_view argument) {
  if (auth_failures_ >= options_.max_auth_failures) {
    close("421 4.7.0 Error: too many failed logins", "too many failed logins");
    return {};
  }
  if (const char* refusal = auth_refusal()) {
    bad(refusal);
    return {};
  }
  const std::string_view name = next_word(argument), initial = next_word(argument);
  Event event;
  event.type = Event::Type::kAuth;
  event.text = offered_mechanism(name);
  if (name.empty() || !next_word(argument).empty()) {
    bad("501 5.5.4 Syntax: AUTH mechanism [initial response]");
    return {};
  }
  if (event.text.empty()) {
    bad("504 5.5.4 Error: unknown authentication mechanism");
    return {};
  }
  if (!initial.empty()) {
    auto decoded = from_base64(initial == "=" ? "" : initial);
    if (!decoded) {
      bad("501 5.5.2 Error: not base64");
      return {};
    }
    auth_text_ = std::move(*decoded);
    event.initial = auth_text_;
  }
  return decide(Decision::kAuth, event);
}

// Why no exchange may begin now; nullptr: it may.
const char* Server::auth_refusal() const {
  if (options_.auth.empty()) return "502 5.5.1 Error: AUTH is not offered";
  if (!hello_ || !esmtp_) return "503 5.5.1 Error: send EHLO first";
  if (!tls_ && !options_.auth_in_clear) return "538 5.7.11 Error: encryption is needed to log in";
  if (auth_) return "503 5.5.1 Error: logged in already";
  if (mail_) return "503 5.5.1 Error: AUTH inside a mail transaction";
  return nullptr;
}

std::string_view Server::offered_mechanism(std::string_view name) const {
  std::string_view rest = options_.auth;
  for (auto word = next_word(rest); !word.empty(); word = next_word(rest)) {
    if (equals(name, word)) return word;
  }
  return {};
}

std::optional<Server::Event> Server::on_auth_response(std::string_view line) {
  if (!input_.empty()) {
    close("554 5.5.0 Error: SMTP protocol synchronization", "talked on inside AUTH");
    return {};
  }
  if (line == "*") return auth_over("501 5.7.0 Authentication cancelled");
  auto decoded = from_base64(line);
  if (!decoded) return auth_over("501 5.5.2 Error: not base64");
  auth_text_ = std::move(*decoded);
  Event event;
  event.type = Event::Type::kAuthResponse;
  event.text = auth_text_;
  return decide(Decision::kAuth, event);
}

void Server::challenge(std::string_view bytes) {
  if (state_ == State::kClosed || closing_) return;
  assert(decision_ == Decision::kAuth);
  std::string line = "334 ";
  append_base64(bytes, line);
  reply(line);
  decision_ = Decision::kNone;
  held_ = false;
  state_ = State::kAuth;
  wipe(auth_text_);
}

Server::Event Server::auth_over(std::string_view line) {
  state_ = State::kCommand;
  bad(line);
  Event event;
  event.type = Event::Type::kAuthEnd;
  return event;
}

}  // namespace volley::smtp
