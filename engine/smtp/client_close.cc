// How sessions end, and what that makes of the transactions under way.
#include <string>
#include <utility>

#include "engine/smtp/client.h"

namespace volley::smtp {
namespace {

constexpr EnhancedCode kLost{4, 4, 2};
constexpr EnhancedCode kProtocolCode{4, 5, 0};
constexpr EnhancedCode kSecurityCode{4, 7, 0};

}  // namespace

void Client::timeout(TimePoint now) {
  if (state_ == State::kClosed || now < deadline_) return;
  const Stage stage = stage_now();
  if (state_ == State::kTlsHandshake) {
    tls_failed("timeout", now);
    return;
  }
  if (auth_.counting) return resume_auth(now);
  if (quit_sent_) {
    close(CloseReason::kQuit, {Outcome::Kind::kRetry, Stage::kQuit, {}, {}, {}}, false);
    return;
  }
  // A reply that never comes after a refusal in the same group: the server dropped what was pipelined.
  if (group_error_ && pipelining()) blame_pipelining();
  if (lost_behind_data()) quirks_ |= kNoCrossMessage;
  Outcome outcome;
  outcome.kind = Outcome::Kind::kRetry;
  outcome.stage = stage;
  outcome.error = std::string("timeout at ") + to_string(stage);
  outcome.local = kLost;
  close(CloseReason::kTimeout, std::move(outcome), false);
}

// What waits is the reply to a MAIL that went out before the end of data ahead of it was answered.
bool Client::lost_behind_data() const {
  const Txn* txn = fifo_.empty() || !options_.hold_until_mark ? nullptr : find(fifo_.front().txn);
  return txn != nullptr && txn->crossed && !txn->mail_ok && !is_body(fifo_.front().verb);
}

void Client::eof(TimePoint, std::string_view why) {
  if (state_ == State::kClosed) return;
  Outcome outcome;
  outcome.kind = Outcome::Kind::kRetry;
  outcome.stage = stage_now();
  outcome.error = why.empty() ? "connection closed" : std::string(why);
  outcome.local = kLost;
  if (quit_sent_) return close(CloseReason::kQuit, std::move(outcome), false);
  const bool hello = outcome.stage == Stage::kEhlo;
  if (tls_ && options_.tls == TlsMode::kOpportunistic && hello) {
    quirks_ |= kNoTls;
  } else if (hello && !tls_) {
    quirks_ |= kHeloOnly;
  }
  const bool in_tls = state_ == State::kTlsHandshake;
  if (in_tls && options_.tls == TlsMode::kOpportunistic) quirks_ |= kNoTls;
  close(in_tls ? CloseReason::kTls : CloseReason::kPeerClosed, std::move(outcome), false);
}

// The boldest thing in use goes first.
void Client::blame_pipelining() { quirks_ |= bdat_used_ ? kNoChunking : kNoPipelining; }

void Client::desync(Stage stage, Reply reply, std::string why) {
  if (state_ == State::kReady || stage == Stage::kGreeting || stage == Stage::kEhlo) {
    blame_pipelining();
  }
  const bool after_tls = tls_ && state_ == State::kHandshake;
  Outcome outcome{Outcome::Kind::kRetry, stage, std::move(reply), std::move(why),
                  after_tls ? kSecurityCode : kProtocolCode};
  close(CloseReason::kDesync, std::move(outcome), false);
}

void Client::protocol_error(Stage stage, std::string why) {
  Outcome outcome{Outcome::Kind::kRetry, stage, {}, std::move(why), kProtocolCode};
  close(CloseReason::kProtocol, std::move(outcome), false);
}

void Client::close(CloseReason reason, Outcome outcome, bool send_quit) {
  if (state_ == State::kClosed) return;
  if (reason == CloseReason::kDesync) {
    for (Held& held : held_) doubt(held, outcome);
  }
  release_held(true);
  if (reason == CloseReason::kPeerClosed && !txns_.empty()) note_message_limit(txns_.front());
  while (!txns_.empty()) {
    end_on_close(txns_.front(), reason, outcome);
    release_held(true);
  }
  if (send_quit && out_.empty()) {
    out_.append("QUIT\r\n");
  } else {
    out_.freeze();
  }
  state_ = State::kClosed;
  fifo_.clear();
  deadline_ = kNever;
  if (outcome.kind == Outcome::Kind::kUntried) outcome.kind = Outcome::Kind::kRetry;
  events_.emplace_back(Closed{reason, std::move(outcome), delivered_, message_limit_});
}

// The replies that decided this can no longer be trusted. Recipients that were not even asked for are no doubt.
void Client::doubt(Held& held, const Outcome& cause) {
  Outcome& outcome = held.result.outcome;
  if (outcome.kind == Outcome::Kind::kDelivered) --delivered_;
  const Stage stage = held.sent ? Stage::kEndOfData : outcome.stage;
  outcome = cause;
  outcome.kind = held.sent ? Outcome::Kind::kInDoubt : Outcome::Kind::kRetry;
  outcome.stage = stage;
  std::erase_if(held.refusals, [](const RcptResult& rcpt) { return rcpt.outcome.reply.code != 0; });
}

// The session ends while this, the oldest transaction, waits for the reply to its MAIL.
void Client::note_message_limit(const Txn& txn) {
  if (txn.number > 1 && !txn.mail_ok && !txn.refusal && !txn.after_pause) {
    message_limit_ = txn.number - 1;
  }
}

void Client::end_on_close(Txn& txn, CloseReason reason, const Outcome& cause) {
  if (!txn.begun() || out_.handed() <= txn.begin) {
    Outcome untried = cause;
    untried.kind = Outcome::Kind::kUntried;
    return finish(txn.what.id, std::move(untried));
  }
  const bool trusted = reason != CloseReason::kDesync;
  const bool sending = txn.step == Step::kSent;
  Outcome outcome = cause;
  outcome.kind = Outcome::Kind::kRetry;
  // Behind a 354, what was said about recipients is proven.
  if (!trusted && (!sending || txn.chunked)) {
    txn.refusal.reset();
    std::erase_if(txn.refused, [](const auto& rcpt) { return rcpt.second.reply.code != 0; });
  }
  if (txn.refusal) {
    outcome = *txn.refusal;
  } else if (txn.all_refused()) {
    outcome = txn.refused.back().second;
  } else if (sending) {
    const bool sent = out_.handed() >= txn.end;
    outcome.kind = sent ? Outcome::Kind::kInDoubt : Outcome::Kind::kRetry;
    outcome.stage = sent ? Stage::kEndOfData : Stage::kBody;
  }
  // Closed between messages: the receiver had enough of this connection, not of this message.
  const bool between = trusted && !txn.refusal && !txn.mail_ok && txn.number > 1 &&
                       (reason == CloseReason::kPeerClosed || reason == CloseReason::kRefused ||
                        reason == CloseReason::kServerClosing ||
                        (reason == CloseReason::kTimeout && (quirks_ & kNoCrossMessage)));
  if (between && outcome.kind == Outcome::Kind::kRetry) outcome.retry_now = true;
  if (outcome.kind == Outcome::Kind::kRetry && !outcome.reply.code && options_.pipelining &&
      pipelining_lost_) {
    outcome.retry_now = true;
  }
  finish(txn.what.id, std::move(outcome));
}

}  // namespace volley::smtp
