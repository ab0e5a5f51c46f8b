// Transactions: what may be sent next, and what each reply means for the one it belongs to.
#include <algorithm>
#include <cassert>
#include <utility>

#include "engine/smtp/client.h"
#include "engine/smtp/command.h"

namespace volley::smtp {
namespace {

constexpr size_t kGroupCap = 100;  // replies outstanding; commands stay well under 64 KiB
constexpr EnhancedCode kProtocolCode{4, 5, 0};

Outcome judged(Stage stage, Reply reply) {
  Outcome outcome;
  outcome.kind = reply.first_digit() == 5 ? Outcome::Kind::kFailed : Outcome::Kind::kRetry;
  outcome.stage = stage;
  outcome.reply = std::move(reply);
  return outcome;
}

bool contains(std::string_view text, std::string_view lower_needle) {
  const auto same = [](char a, char b) {
    return (a >= 'A' && a <= 'Z' ? static_cast<char>(a - 'A' + 'a') : a) == b;
  };
  return std::search(text.begin(), text.end(), lower_needle.begin(), lower_needle.end(), same) !=
         text.end();
}

bool too_many_recipients(const Reply& reply) {
  if (reply.code != 452 && reply.code != 552) return false;
  if (reply.enhanced && reply.enhanced->subject == 5 && reply.enhanced->detail == 3) return true;
  return contains(reply.text, "too many recipients");
}

}  // namespace

Client::Txn* Client::find(TxnId id) {
  for (Txn& txn : txns_) {
    if (txn.what.id == id) return &txn;
  }
  return nullptr;
}

void Client::pump() {
  while (state_ == State::kReady && !blocked_) {
    if (!fifo_.empty() && (!pipelining() || fifo_.size() >= kGroupCap)) return;
    const auto next = std::find_if(txns_.begin(), txns_.end(),
                                   [](const Txn& txn) { return txn.step != Step::kSent; });
    if (next == txns_.end()) return send_quit_or_noop();
    if (next != txns_.begin() && !options_.cross_message) return;
    if (!pump_one(*next)) return;
  }
}

// Sends one command, or ends a transaction that cannot go; false when it has to wait for a reply.
bool Client::pump_one(Txn& txn) {
  switch (txn.step) {
    case Step::kRset: {
      EnhancedCode code;
      if (const char* why = unfit(txn, code)) {
        finish(txn.what.id, {Outcome::Kind::kFailed, Stage::kMail, {}, why, code});
        release_held(false);
        return true;
      }
      txn.begin = out_.appended();
      txn.begun = true;
      txn.step = Step::kMail;
      if (rset_due_ || (rset_between_ && begun_ > 0)) {
        out_.append("RSET\r\n");
        push(Verb::kRset, txn.what.id);
        txn.reset = true;
      }
      ++begun_;
      return true;
    }
    case Step::kMail:
      send_mail(txn);
      txn.step = Step::kRcpt;
      return true;
    case Step::kRcpt: {
      std::string line;
      append_rcpt(line, txn.what.rcpts[txn.next_rcpt]);
      out_.append(line);
      push(Verb::kRcpt, txn.what.id, txn.next_rcpt);
      ++txn.pending;
      if (++txn.next_rcpt == txn.what.rcpts.size()) txn.step = Step::kData;
      return true;
    }
    case Step::kData:
      out_.append("DATA\r\n");
      push(Verb::kData, txn.what.id);
      txn.step = Step::kWaitData;
      blocked_ = true;
      return true;
    case Step::kWaitData:
    case Step::kAbandoned:
    case Step::kSent:
      return false;
  }
  return false;
}

const char* Client::unfit(const Txn& txn, EnhancedCode& code) const {
  code = {5, 6, 0};
  if (txn.scan.bare_cr || txn.scan.bare_lf) return "the body has a lone CR or LF";
  if (txn.scan.nul) return "the body has a NUL";
  if (txn.scan.long_line) return "the body has a line over 998 octets";
  code = {5, 1, 7};
  if (!is_safe_path(txn.what.mail_from)) return "the sender's address cannot be sent";
  code = {5, 1, 3};
  for (const std::string& rcpt : txn.what.rcpts) {
    if (rcpt.empty() || !is_safe_path(rcpt)) return "a recipient's address cannot be sent";
  }
  code = {5, 3, 4};
  if (caps_.max_size && txn.what.body->size() > *caps_.max_size) {
    return "larger than this server takes";
  }
  code = {5, 6, 3};
  if (txn.what.body_is_8bit && !caps_.eight_bit) return "needs 8BITMIME, which is not offered";
  code = {5, 6, 7};
  if (txn.what.smtputf8 && !caps_.smtputf8) return "needs SMTPUTF8, which is not offered";
  return nullptr;
}

void Client::send_mail(Txn& txn) {
  MailParameters parameters;
  if (!no_parameters_) {
    if (caps_.size) parameters.size = txn.what.body->size();
    parameters.body_8bit = txn.what.body_is_8bit && caps_.eight_bit;
  }
  parameters.smtputf8 = txn.what.smtputf8;
  txn.with_parameters = parameters.size || parameters.body_8bit;
  std::string line;
  append_mail(line, txn.what.mail_from, parameters);
  out_.append(line);
  push(Verb::kMail, txn.what.id);
  ++txn.pending;
  rset_due_ = true;  // until the end of data closes the transaction
}

void Client::send_body(Txn& txn) {
  out_.append_body(txn.what.body, txn.scan.dot_lines);
  out_.append(txn.scan.ends_crlf ? ".\r\n" : "\r\n.\r\n");
  txn.dot_end = out_.appended();
  push(Verb::kDot, txn.what.id);
  txn.step = Step::kSent;
  rset_due_ = false;
}

// Nothing is left to send: prove what is held back, or leave.
void Client::send_quit_or_noop() {
  if (!fifo_.empty()) return;
  if (!held_.empty()) {
    out_.append(quitting_ ? "QUIT\r\n" : "NOOP\r\n");
    push(quitting_ ? Verb::kQuit : Verb::kNoop);
    quit_sent_ = quitting_;
    blocked_ = true;
  } else if (quitting_) {
    close(CloseReason::kQuit, {Outcome::Kind::kRetry, Stage::kQuit, {}, {}, {}}, true);
  }
}

// Receivers that do not stand what they offered say so; nothing they say afterwards can be matched to a command.
bool Client::pipelining_refused(const Pending& entry, const Reply& reply) {
  if (state_ != State::kReady || !pipelining() || reply.first_digit() != 5) return false;
  if (!contains(reply.text, "synchroni") && !contains(reply.text, "pipelin")) return false;
  quirks_ |= kNoPipelining;
  pipelining_lost_ = true;
  if (Txn* txn = find(entry.txn)) {
    Outcome outcome{Outcome::Kind::kRetry, stage_of(entry.verb), reply, "pipelining refused",
                    kProtocolCode};
    outcome.retry_now = true;
    if (entry.verb == Verb::kDot && out_.handed() >= txn->dot_end) {
      outcome.kind = Outcome::Kind::kInDoubt;
      outcome.retry_now = false;
    }
    txn->refused.clear();
    finish(entry.txn, std::move(outcome));
  }
  protocol_error(stage_of(entry.verb), "pipelining refused: " + reply.str());
  return true;
}

void Client::on_rset(Reply reply) {
  if (reply.first_digit() == 2) return;
  close(CloseReason::kRefused, judged(Stage::kRset, std::move(reply)), true);
}

void Client::on_mail(Txn& txn, Reply reply) {
  --txn.pending;
  if (reply.first_digit() == 2) {
    txn.mail_ok = true;
    return;
  }
  const int code = reply.code;
  Outcome outcome = judged(Stage::kMail, std::move(reply));
  explain_missing_login(outcome);
  if (code == 503 && begun_ > 1 && !txn.reset) {
    quirks_ |= kNeedsRset;
    rset_between_ = true;
    outcome.kind = Outcome::Kind::kRetry;
    outcome.error = "RSET needed between messages";
    outcome.retry_now = true;
  } else if ((code == 555 || code == 501 || code == 504) && txn.with_parameters) {
    quirks_ |= kNoParameters;
    no_parameters_ = true;
    outcome.kind = Outcome::Kind::kRetry;
    outcome.error = "a MAIL parameter was refused";
    outcome.retry_now = true;
  }
  txn.refusal = std::move(outcome);
  if (txn.step != Step::kWaitData) txn.step = Step::kAbandoned;
  conclude_if_drained(txn);
}

void Client::on_rcpt(Txn& txn, uint32_t rcpt, Reply reply) {
  --txn.pending;
  txn.last_rcpt_ok = reply.first_digit() == 2;
  if (txn.last_rcpt_ok) {
    ++txn.accepted;
  } else if (!txn.refusal) {
    const bool misread = reply.code == 503 && txn.mail_ok && pipelining();
    const bool too_many = too_many_recipients(reply);
    Outcome outcome = judged(Stage::kRcpt, std::move(reply));
    explain_missing_login(outcome);
    if (misread) {
      // MAIL was accepted and then forgotten: the server loses what is pipelined.
      quirks_ |= kNoPipelining;
      outcome.kind = Outcome::Kind::kRetry;
      outcome.local = kProtocolCode;
      outcome.error = "the server lost a pipelined MAIL";
      outcome.retry_now = true;
      txn.refusal = std::move(outcome);
      txn.refused.clear();
      if (txn.step != Step::kWaitData) txn.step = Step::kAbandoned;
    } else {
      if (too_many) {
        outcome.kind = Outcome::Kind::kRetry;
        outcome.retry_now = txn.accepted > 0;
        if (txn.rcpt_limit == 0) txn.rcpt_limit = txn.accepted;
      }
      txn.refused.emplace_back(rcpt, std::move(outcome));
    }
  }
  conclude_if_drained(txn);
}

// Ends a transaction whose DATA was not sent and will not be.
void Client::conclude_if_drained(Txn& txn) {
  if (txn.pending > 0) return;
  if (txn.step == Step::kAbandoned) {
    finish(txn.what.id, *txn.refusal);
  } else if (txn.step == Step::kData && txn.accepted == 0) {
    finish(txn.what.id, txn.refused.back().second);
  }
}

void Client::on_data(Txn& txn, Reply reply) {
  if (reply.first_digit() == 3) {
    release_held(true);  // only a DATA in its own slot is answered like this
    if (!txn.refusal && txn.accepted > 0) return send_body(txn);
    if (txn.accepted > 0) {
      // A dot now would give an empty message to a recipient of some transaction we do not know of.
      return desync(Stage::kData, std::move(reply), "DATA accepted after a refused MAIL");
    }
    out_.append(".\r\n");
    push(Verb::kLoneDot);
    return finish(txn.what.id, txn.refusal ? *txn.refusal : txn.refused.back().second);
  }
  if (txn.refusal) return finish(txn.what.id, *txn.refusal);
  if (txn.accepted == 0) return finish(txn.what.id, txn.refused.back().second);
  const bool last_judged = reply.first_digit() == 5 && pipelining() &&
                           (!txn.last_rcpt_ok || contains(reply.text, "no valid recipients"));
  Outcome outcome = judged(Stage::kData, std::move(reply));
  if (last_judged) {
    // RFC 2920 section 1: a server that looks at the last RCPT only.
    quirks_ |= kNoPipelining;
    outcome.kind = Outcome::Kind::kRetry;
    outcome.local = kProtocolCode;
    outcome.error = "DATA refused although recipients were accepted";
    outcome.retry_now = true;
  }
  finish(txn.what.id, std::move(outcome));
}

void Client::on_dot(Txn& txn, Reply reply) {
  const bool sent = out_.handed() >= txn.dot_end;
  if (!sent && reply.first_digit() == 2) {
    return desync(Stage::kBody, std::move(reply), "a positive reply before the end of data");
  }
  if (!sent) {
    const Outcome outcome = judged(Stage::kBody, std::move(reply));
    finish(txn.what.id, outcome);
    return close(CloseReason::kServerClosing, outcome, false);
  }
  Outcome outcome = judged(Stage::kEndOfData, std::move(reply));
  if (outcome.reply.first_digit() == 2) {
    outcome.kind = Outcome::Kind::kDelivered;
    ++delivered_;
  }
  finish(txn.what.id, std::move(outcome));
}

// The transaction is over; what it came to waits in held_ until the feed or the mark lets it out.
void Client::finish(TxnId id, Outcome outcome) {
  const auto txn = std::find_if(txns_.begin(), txns_.end(),
                                [id](const Txn& candidate) { return candidate.what.id == id; });
  assert(txn != txns_.end());
  Held& held = held_.emplace_back();
  held.dot_sent = txn->step == Step::kSent && out_.handed() >= txn->dot_end;
  for (auto& [rcpt, refusal] : txn->refused) {
    held.refusals.push_back({id, rcpt, std::move(refusal)});
  }
  held.result = {id, std::move(outcome), txn->accepted, txn->rcpt_limit};
  txns_.erase(txn);
}

void Client::release_held(bool proven) {
  if (!proven && options_.hold_until_mark) return;
  while (!held_.empty()) {
    Held& held = held_.front();
    for (RcptResult& refusal : held.refusals) events_.emplace_back(std::move(refusal));
    events_.emplace_back(std::move(held.result));
    held_.pop_front();
  }
}

}  // namespace volley::smtp
