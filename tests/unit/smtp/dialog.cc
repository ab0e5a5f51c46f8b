#include "dialog.h"

#include <algorithm>
#include <array>
#include <memory>
#include <sstream>
#include <utility>

#include "dialog_text.h"
#include "engine/smtp/client.h"

namespace volley::smtp::testing {
namespace {

bool take_word(std::vector<std::string>& from, const std::string& word) {
  const auto at = std::find(from.begin(), from.end(), word);
  if (at == from.end()) return false;
  from.erase(at);
  return true;
}

uint8_t notify_bits(const std::string& text) {
  int bits = 0;
  if (text.find("never") != std::string::npos) bits |= kNotifyNever;
  if (text.find("success") != std::string::npos) bits |= kNotifySuccess;
  if (text.find("failure") != std::string::npos) bits |= kNotifyFailure;
  if (text.find("delay") != std::string::npos) bits |= kNotifyDelay;
  return static_cast<uint8_t>(bits);
}

const Outcome* outcome_of(const ClientEvent& event) {
  if (const auto* rcpt = std::get_if<RcptResult>(&event)) return &rcpt->outcome;
  if (const auto* result = std::get_if<TxnResult>(&event)) return &result->outcome;
  if (const auto* closed = std::get_if<Closed>(&event)) return &closed->outcome;
  return nullptr;
}

uint16_t mechanism_called(const std::string& name) {
  return parse_capabilities("mx\nAUTH " + name).auth;
}

class Player {
 public:
  Player(const Dialog& dialog, size_t split) : dialog_(dialog), split_(split) {}

  std::string play() {
    for (size_t i = 0; i < dialog_.lines.size(); ++i) {
      std::string error = step(dialog_.lines[i]);
      if (error.empty() && !says_more(i)) error = flush_server();
      if (!error.empty()) return error + "  (line: " + dialog_.lines[i] + ")";
    }
    if (auto event = next()) return "left over: " + describe(*event);
    return leak_;
  }

 private:
  bool says_more(size_t i) const {
    return i + 1 < dialog_.lines.size() && dialog_.lines[i + 1].starts_with("<");
  }

  std::optional<ClientEvent> next() {
    auto event = client_->next_event();
    const Outcome* outcome = event ? outcome_of(*event) : nullptr;
    if (outcome) last_ = *outcome;
    if (outcome && options_.credentials) {
      const std::string told = outcome->error + outcome->reply.str();
      if (told.find(options_.credentials->secret) != std::string::npos) leak_ = "told: " + told;
    }
    return event;
  }

  void ensure() {
    if (client_) return;
    client_ = std::make_unique<Client>(options_);
    client_->start(now_);
  }

  std::string flush_server() {
    std::string bytes;
    bytes.swap(pending_);
    for (size_t at = 0; at < bytes.size();) {
      size_t n = bytes.size() - at;
      if (split_ == kEveryByte)
        n = 1;
      else if (said_ < split_)
        n = std::min(n, split_ - said_);
      // A copy of exactly this size, so that reading beyond it is seen.
      const std::string piece = bytes.substr(at, n);
      client_->feed(piece, now_);
      said_ += n;
      at += n;
    }
    return {};
  }

  std::string available() {
    std::array<OutSlice, 16> slices;
    std::string out;
    const size_t n = client_->gather(slices, partial_ ? 0 : 1 << 20);
    for (size_t i = 0; i < n; ++i) out += slices[i];
    return out;
  }

  std::string expect_line(const std::string& line) {
    partial_ = false;
    const std::string want = line + "\r\n";
    std::string got = available();
    if (!got.starts_with(want)) {
      return "client said \"" + got.substr(0, std::max(want.size(), got.find('\n'))) + "\"";
    }
    // Consumed at two goes, to exercise partial writes.
    client_->consume(1, now_);
    client_->consume(want.size() - 1, now_);
    return {};
  }

  std::string expect_bdat(const std::string& line, const std::vector<std::string>& w) {
    std::string error = expect_line("BDAT " + w[1] + " LAST");
    if (!error.empty()) return error;
    const auto octets = static_cast<size_t>(std::stoi(w[1]));
    const std::string got = available().substr(0, octets);
    if (got.size() != octets) return "fewer octets than " + w[1];
    const size_t text = line.find(' ', 6);
    if (text != std::string::npos && got != unescape(line.substr(text + 1))) {
      return "client said \"" + got + "\"";
    }
    client_->consume(octets, now_);
    return {};
  }

  std::string step(const std::string& line) {
    std::vector<std::string> w = words(line);
    const std::string& verb = w[0];
    if (verb == "option") return option(w);
    ensure();
    if (verb == ">") return expect_line(line.size() > 2 ? line.substr(2) : "");
    if (verb == ">bdat") return expect_bdat(line, w);
    if (verb == ">part") {
      std::array<OutSlice, 16> slices;
      const auto n = static_cast<size_t>(std::stoi(w[1]));
      size_t got = 0;
      const size_t count = client_->gather(slices, n);
      for (size_t i = 0; i < count; ++i) got += slices[i].size();
      if (got != n) return "fewer bytes than " + w[1];
      client_->consume(n, now_);
      partial_ = true;
      return {};
    }
    if (verb == ">none" || (verb[0] == '<' && !partial_)) {
      const std::string rest = pending_.empty() ? available() : "";
      if (!rest.empty()) return "client said unexpectedly \"" + rest + "\"";
    }
    if (verb == "<") {
      pending_ += (line.size() > 2 ? line.substr(2) : "") + "\r\n";
    } else if (verb == "<raw") {
      pending_ += unescape(line.substr(5));
    } else if (verb == "tls") {
      client_->tls_established(now_);
    } else if (verb == "tlsfail") {
      client_->tls_failed("test", now_);
    } else if (verb == "eof") {
      client_->eof(now_);
    } else if (verb == "quit") {
      client_->quit(now_);
    } else if (verb == "timeout") {
      if (client_->deadline() == kNever) return "no deadline is set";
      now_ = client_->deadline();
      client_->timeout(now_);
    } else if (verb == "wait") {
      now_ += std::chrono::seconds(std::stoi(w[1]));
      client_->timeout(now_);
    } else if (verb == "submit") {
      return submit(w);
    } else if (verb == "?") {
      return expect_event(line.substr(2), w);
    } else if (verb == "?maybe") {
      seen_ = next();
      if (seen_ && fits(line.substr(7), describe(*seen_))) seen_.reset();
    }
    return {};
  }

  std::string option(const std::vector<std::string>& w) {
    const bool on = w[2] == "on";
    if (w[1] == "pipelining")
      options_.pipelining = on;
    else if (w[1] == "cross_message")
      options_.cross_message = on;
    else if (w[1] == "helo_only")
      options_.helo_only = on;
    else if (w[1] == "rset_between")
      options_.rset_between = on;
    else if (w[1] == "mail_parameters")
      options_.mail_parameters = on;
    else if (w[1] == "hold_until_mark")
      options_.hold_until_mark = on;
    else if (w[1] == "refuse_own_name")
      options_.refuse_own_name = on;
    else if (w[1] == "auth_in_clear")
      options_.auth_in_clear = on;
    else if (w[1] == "nonce")
      options_.sasl_nonce = w[2];
    else if (w[1] == "auth")
      credentials({w.begin() + 2, w.end()});
    else if (w[1] == "dsn_parameters")
      options_.dsn_parameters = on;
    else if (w[1] == "ehlo")
      options_.ehlo_name = w[2];
    else if (w[1] == "bdat_window")
      options_.bdat_window = static_cast<uint32_t>(std::stoi(w[2]));
    else if (w[1] == "bdat_bytes")
      options_.bdat_bytes = static_cast<uint64_t>(std::stoi(w[2]));
    else if (w[1] == "chunking")
      options_.chunking = w[2] == "stream" ? Chunking::kStream
                          : w[2] == "one"  ? Chunking::kOneAtATime
                                           : Chunking::kNever;
    else if (w[1] == "tls") {
      options_.tls = w[2] == "never"      ? TlsMode::kNever
                     : w[2] == "required" ? TlsMode::kRequired
                                          : TlsMode::kOpportunistic;
    } else {
      return "no such option";
    }
    return {};
  }

  void credentials(std::vector<std::string> w) {
    auto credentials = std::make_shared<Credentials>();
    credentials->is_token = take_word(w, "token");
    credentials->user = w[0];
    credentials->secret = unescape(w[1]);
    credentials->host = "relay.example.net";
    credentials->port = 587;
    if (w.size() > 2) credentials->mechanisms = 0;
    for (size_t i = 2; i < w.size(); ++i) {
      credentials->mechanisms =
          static_cast<uint16_t>(credentials->mechanisms | mechanism_called(w[i]));
    }
    options_.credentials = std::move(credentials);
  }

  std::string submit(std::vector<std::string> w) {
    if (!client_->can_submit()) return "cannot submit";
    Transaction t;
    t.id = static_cast<TxnId>(std::stoi(w[1]));
    t.mail_from = "news@example.com";
    std::istringstream rcpts(w[2]);
    for (std::string rcpt; std::getline(rcpts, rcpt, ',');) t.rcpts.push_back(unescape(rcpt));
    std::string body = "Hi\r\n";
    t.body_is_8bit = take_word(w, "8bit");
    t.smtputf8 = take_word(w, "utf8");
    t.require_tls = take_word(w, "requiretls");
    RcptDsn dsn;
    for (size_t i = 3; i < w.size(); ++i) {
      const size_t equals = w[i].find('=');
      const std::string name = w[i].substr(0, equals), value = w[i].substr(equals + 1);
      if (name == "body") body = unescape(value);
      if (name == "from") t.mail_from = value;
      if (name == "envid") t.envid = unescape(value);
      if (name == "ret") t.ret = value == "full" ? DsnReturn::kFull : DsnReturn::kHeaders;
      if (name == "orcpt") dsn.orcpt = unescape(value);
      if (name == "notify") dsn.notify = notify_bits(value);
    }
    if (dsn.notify != 0 || !dsn.orcpt.empty()) t.dsn.assign(t.rcpts.size(), dsn);
    t.body = std::make_shared<const std::string>(body);
    client_->submit(std::move(t), now_);
    return {};
  }

  std::string expect_event(const std::string& expected, std::vector<std::string> w) {
    if (w[1] == "quirks") {
      const std::string got = quirk_names(client_->quirks());
      std::string want;
      for (size_t i = 2; i < w.size(); ++i) want += " " + w[i];
      return got == want ? "" : "quirks:" + got;
    }
    if (w[1] == "error") {
      const bool said = last_.error.find(expected.substr(6)) != std::string::npos;
      return said ? "" : "error: " + last_.error;
    }
    if (w[1] == "reply") {
      const std::string got = last_.reply.str();
      return got.find(expected.substr(6)) != std::string::npos ? "" : "reply: " + got;
    }
    if (w[1] == "local") {
      const std::string got = last_.local ? last_.local->str() : "none";
      return got == w[2] ? "" : "local: " + got;
    }
    if (w[1] == "submit" || w[1] == "quickack") {
      const bool got = w[1] == "submit" ? client_->can_submit() : client_->wants_quickack();
      return got == (w[2] == "yes") ? "" : w[1] + (got ? ": yes" : ": no");
    }
    if (w[1] == "depth") {
      const std::string got = std::to_string(client_->depth());
      return got == w[2] ? "" : "depth: " + got;
    }
    const auto event = seen_ ? std::exchange(seen_, {}) : next();
    const std::string got = event ? describe(*event) : "nothing";
    return fits(expected, got) ? "" : "event: " + got;
  }

  static ClientOptions defaults() {
    ClientOptions options;
    options.ehlo_name = "client.example.com";
    return options;
  }

  const Dialog& dialog_;
  const size_t split_;
  size_t said_ = 0;
  bool partial_ = false;
  ClientOptions options_ = defaults();
  std::unique_ptr<Client> client_;
  std::string pending_;
  TimePoint now_{};
  Outcome last_;                     // of the last event that had one
  std::string leak_;                 // the event that carried the secret
  std::optional<ClientEvent> seen_;  // looked at by ?maybe and not what it meant
};

}  // namespace

std::string run(const Dialog& dialog, size_t split) { return Player(dialog, split).play(); }

}  // namespace volley::smtp::testing
