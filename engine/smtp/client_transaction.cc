// Transactions: what may be sent next, and what each reply means for the one it belongs to.
#include <algorithm>
#include <cassert>
#include <utility>

#include "base/utf8.h"
#include "engine/smtp/client.h"
#include "engine/smtp/client_words.h"
#include "engine/smtp/command.h"

namespace volley::smtp {
namespace {

constexpr size_t kGroupCap = 100;  // replies outstanding; commands stay well under 64 KiB
constexpr EnhancedCode kProtocolCode{4, 5, 0};
constexpr Duration kPause =
    std::chrono::seconds(2);  // between messages: longer ones may end in an idle timeout

bool needs_utf8(const Transaction& what) {
  if (what.smtputf8 || !is_ascii(what.mail_from)) return true;
  return std::any_of(what.rcpts.begin(), what.rcpts.end(),
                     [](const std::string& rcpt) { return !is_ascii(rcpt); });
}

}  // namespace

Client::Txn* Client::find(TxnId id) {
  for (Txn& txn : txns_) {
    if (txn.what.id == id) return &txn;
  }
  return nullptr;
}

const Client::Txn* Client::find(TxnId id) const { return const_cast<Client*>(this)->find(id); }

void Client::pump(TimePoint now) {
  while (state_ == State::kReady && !blocked()) {
    if (!fifo_.empty() && (!pipelining() || fifo_.size() >= kGroupCap)) return;
    const auto next = std::find_if(txns_.begin(), txns_.end(),
                                   [](const Txn& txn) { return txn.step != Step::kSent; });
    if (next == txns_.end()) return send_quit_or_noop();
    if (next != txns_.begin() && !options_.cross_message) return;
    if (!pump_one(*next, now)) return;
    release_held(false);
  }
}

// Sends one command, or ends a transaction that cannot go; false when it has to wait for a reply.
bool Client::pump_one(Txn& txn, TimePoint now) {
  switch (txn.step) {
    case Step::kRset:
      if (auto why = unfit(txn)) {
        finish(txn.what.id, std::move(*why));
      } else {
        begin(txn, now);
      }
      return true;
    case Step::kMail:
      send_mail(txn);
      txn.step = Step::kRcpt;
      return true;
    case Step::kRcpt:
      send_rcpt(txn);
      return true;
    case Step::kData:
      if (txn.chunked) {
        if (txn.pending > 0 && txn.size > options_.bdat_bytes) return false;
        send_bdat(txn);
        return true;
      }
      out_.append("DATA\r\n");
      push(Verb::kData, txn.what.id);
      txn.step = Step::kWaitData;
      return true;
    case Step::kWaitData:
    case Step::kAbandoned:
    case Step::kSent:
      return false;
  }
  return false;
}

void Client::begin(Txn& txn, TimePoint now) {
  txn.begin = out_.appended();
  txn.after_pause = fifo_.empty() && now - quiet_since_ > kPause;
  txn.crossed = !fifo_.empty();
  txn.number = ++begun_;
  txn.chunked = chunking();
  txn.dsn = caps_.dsn && !no_dsn_;
  txn.step = Step::kMail;
  if (rset_due_ || (rset_between_ && begun_ > 1)) {
    out_.append("RSET\r\n");
    push(Verb::kRset, txn.what.id);
    txn.reset = true;
    // The server refused BDAT: did it read the octets as commands?
    fifo_.back().last = bdat_used_ && !txn.chunked;
  }
  if (caps_.mail_max && begun_ >= *caps_.mail_max) quitting_ = true;
}

// What is wrong with the message itself, then what this server lacks for it.
std::optional<Outcome> Client::unfit(const Txn& txn) const {
  const Transaction& what = txn.what;
  const auto failed = [](const char* why, EnhancedCode code, bool here_only) {
    Outcome outcome{Outcome::Kind::kFailed, Stage::kMail, {}, why, code};
    outcome.here_only = here_only;
    return outcome;
  };
  const EnhancedCode content{5, 6, 0};
  if (txn.scan.bare_cr || txn.scan.bare_lf) {
    return failed("the body has a lone CR or LF", content, false);
  }
  if (txn.scan.nul) return failed("the body has a NUL", content, false);
  if (txn.scan.long_line) return failed("the body has a line over 998 octets", content, false);
  if (!is_safe_path(what.mail_from)) {
    return failed("the sender's address cannot be sent", {5, 1, 7}, false);
  }
  for (const std::string& rcpt : what.rcpts) {
    if (rcpt.empty() || !is_safe_path(rcpt)) {
      return failed("a recipient's address cannot be sent", {5, 1, 3}, false);
    }
  }
  if (caps_.max_size && txn.size > *caps_.max_size) {
    return failed("larger than this server takes", {5, 3, 4}, true);
  }
  if (what.body_is_8bit && !caps_.eight_bit) {
    return failed("needs 8BITMIME, which is not offered", {5, 6, 3}, true);
  }
  if (!caps_.smtputf8 && needs_utf8(what)) {
    return failed("needs SMTPUTF8, which is not offered", {5, 6, 7}, true);
  }
  if (what.require_tls && !(tls_ && caps_.requiretls)) {
    return failed("needs REQUIRETLS, which is not offered", {5, 7, 30}, true);
  }
  return {};
}

void Client::send_mail(Txn& txn) {
  const Transaction& what = txn.what;
  MailParameters parameters;
  if (!no_parameters_) {
    if (caps_.size) parameters.size = txn.size;
    parameters.body_8bit = what.body_is_8bit && caps_.eight_bit;
  }
  txn.with_parameters = parameters.size || parameters.body_8bit;
  parameters.smtputf8 = caps_.smtputf8 && needs_utf8(what);
  parameters.require_tls = what.require_tls;
  if (txn.dsn) {
    if (what.ret != DsnReturn::kNone) {
      parameters.ret = what.ret == DsnReturn::kFull ? "FULL" : "HDRS";
    }
    parameters.envid = what.envid;
    txn.with_dsn = !parameters.ret.empty() || !parameters.envid.empty();
  }
  std::string line;
  append_mail(line, what.mail_from, parameters);
  out_.append(line);
  push(Verb::kMail, what.id);
  ++txn.pending;
  rset_due_ = true;  // until the end of data closes the transaction
}

void Client::send_body(Txn& txn) {
  const uint64_t asked = out_.appended();
  out_.append_body(txn.what.body, txn.scan.dot_lines);
  out_.append(txn.scan.ends_crlf ? ".\r\n" : "\r\n.\r\n");
  push_body(Verb::kDot, txn, asked);
  rset_due_ = false;
}

// Nothing is left to send: prove what is held back, or leave.
void Client::send_quit_or_noop() {
  if (!fifo_.empty()) return;
  if (!held_.empty()) {
    out_.append(quitting_ ? "QUIT\r\n" : "NOOP\r\n");
    push(quitting_ ? Verb::kQuit : Verb::kNoop);
    quit_sent_ = quitting_;
  } else if (quitting_) {
    close(CloseReason::kQuit, {Outcome::Kind::kRetry, Stage::kQuit, {}, {}, {}}, true);
  }
}

// Receivers that do not stand what they offered say so; nothing they say afterwards can be matched to a command.
bool Client::pipelining_refused(const Pending& entry, const Reply& reply) {
  if (state_ != State::kReady || !pipelining() || reply.first_digit() != 5) return false;
  if (!contains(reply.text, "synchroni") && !contains(reply.text, "pipelin")) return false;
  Txn* txn = find(entry.txn);
  const bool behind_data = txn != nullptr && txn->crossed && !is_body(entry.verb);
  quirks_ |= behind_data ? kNoCrossMessage : kNoPipelining;
  pipelining_lost_ = true;
  if (txn != nullptr) {
    Outcome outcome{Outcome::Kind::kRetry, stage_of(entry.verb), reply, "pipelining refused",
                    kProtocolCode};
    outcome.retry_now = true;
    if (is_body(entry.verb) && out_.handed() >= entry.end) {
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
  if (bdat_used_) return desync(Stage::kRset, std::move(reply), "RSET refused behind a BDAT");
  close(CloseReason::kRefused, judged(Stage::kRset, std::move(reply)), true);
}

void Client::on_mail(Txn& txn, Reply reply) {
  --txn.pending;
  if (reply.first_digit() == 2) {
    txn.mail_ok = true;
    return;
  }
  Outcome outcome = judged(Stage::kMail, std::move(reply));
  explain_missing_login(outcome);
  // Enough messages for this connection (OpenSMTPD: "452 4.5.3 Too many recipients: Too many messages sent").
  if (too_many(outcome.reply) && txn.number > 1 && delivered_ > 0) {
    outcome.retry_now = true;
    note_message_limit(txn);
    finish(txn.what.id, outcome);
    outcome.retry_now = false;
    return close(CloseReason::kServerClosing, std::move(outcome), true);
  }
  const char* instead = nullptr;
  if (outcome.reply.code == 503 && txn.number > 1 && !txn.reset) {
    quirks_ |= kNeedsRset;
    rset_between_ = true;
    instead = "RSET needed between messages";
  } else if (refuses_parameter(outcome.reply) && txn.with_dsn) {
    quirks_ |= kNoDsn;
    no_dsn_ = true;
    instead = "a DSN parameter was refused";
  } else if (refuses_parameter(outcome.reply) && txn.with_parameters) {
    quirks_ |= kNoParameters;
    no_parameters_ = true;
    instead = "a MAIL parameter was refused";
  }
  if (instead) {
    outcome.kind = Outcome::Kind::kRetry;
    outcome.error = instead;
    outcome.retry_now = true;
  }
  txn.refusal = std::move(outcome);
  if (txn.step <= Step::kData) txn.step = Step::kAbandoned;
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
  const bool last_judged =
      reply.first_digit() == 5 && pipelining() && (!txn.last_rcpt_ok || denies_recipients(reply));
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

// The reply to a dot, or to a BDAT: with it may come what MAIL and the RCPTs before it were refused for.
void Client::on_end_of_data(Txn& txn, Reply reply) {
  const bool sent = out_.handed() >= txn.end;
  const bool positive = reply.first_digit() == 2;
  if (!sent && positive) {
    return desync(Stage::kBody, std::move(reply), "a positive reply before the end of data");
  }
  if (!sent) {
    const Outcome outcome = judged(Stage::kBody, std::move(reply));
    finish(txn.what.id, txn.refusal         ? *txn.refusal
                        : txn.all_refused() ? txn.refused.back().second
                                            : outcome);
    return close(CloseReason::kServerClosing, outcome, false);
  }
  if (txn.refusal && positive) {
    return desync(Stage::kEndOfData, std::move(reply), "BDAT accepted after a refused MAIL");
  }
  if (txn.refusal) return finish(txn.what.id, *txn.refusal);
  if (txn.accepted == 0) {
    if (txn.chunked && unknown_command(reply)) quirks_ |= kNoChunking;
    return finish(txn.what.id, txn.refused.back().second);
  }
  Outcome outcome = judged(Stage::kEndOfData, std::move(reply));
  if (positive) {
    outcome.kind = Outcome::Kind::kDelivered;
    ++delivered_;
    if (txn.chunked) bdat_taken(txn);
  } else if (txn.chunked) {
    bdat_refused(txn, outcome);
  }
  finish(txn.what.id, std::move(outcome));
}

// A mark only when it is what was asked for; a server that has no NOOP is left.
void Client::on_noop(const Reply& reply) {
  if (reply.first_digit() == 2) {
    release_held(true);
  } else {
    quitting_ = true;
  }
}

void Client::on_quit(Reply reply) {
  if (reply.first_digit() != 2 && !held_.empty()) {
    return desync(Stage::kQuit, std::move(reply), "QUIT refused");
  }
  release_held(true);
  close(CloseReason::kQuit, {Outcome::Kind::kRetry, Stage::kQuit, {}, {}, {}}, false);
}

// The transaction is over; what it came to waits in held_ until the feed or the mark lets it out.
void Client::finish(TxnId id, Outcome outcome) {
  const auto txn = std::find_if(txns_.begin(), txns_.end(),
                                [id](const Txn& candidate) { return candidate.what.id == id; });
  assert(txn != txns_.end());
  Held& held = held_.emplace_back();
  held.sent = txn->step == Step::kSent && out_.handed() >= txn->end;
  for (auto& [rcpt, refusal] : txn->refused) {
    held.refusals.push_back({id, rcpt, std::move(refusal)});
  }
  held.result = {
      id, std::move(outcome), txn->accepted, txn->rcpt_limit, txn->rcpt_time, txn->rcpt_replies};
  txns_.erase(txn);
}

void Client::release_held(bool proven) {
  // If the replies were shifted by one, the RSET's slot would get the end of data's own.
  const bool waits = !fifo_.empty() && fifo_.front().verb == Verb::kRset;
  if (!proven && (waits || options_.hold_until_mark)) return;
  while (!held_.empty()) {
    Held& held = held_.front();
    for (RcptResult& refusal : held.refusals) events_.emplace_back(std::move(refusal));
    events_.emplace_back(std::move(held.result));
    held_.pop_front();
  }
}

}  // namespace volley::smtp
