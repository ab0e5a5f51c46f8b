// BDAT (RFC 3030), and how many transactions are under way at once.
#include <algorithm>
#include <string>
#include <utility>

#include "engine/smtp/client.h"
#include "engine/smtp/client_words.h"

namespace volley::smtp {

bool Client::chunking() const {
  return options_.chunking != Chunking::kNever && !options_.hold_until_mark && caps_.chunking &&
         !caps_.overflow && !(quirks_ & kNoChunking);
}

// Not before one was taken: a server that reads octets as commands is to spoil one message, not a window of them.
bool Client::streaming() const {
  return options_.chunking == Chunking::kStream && options_.cross_message && bdat_taken_ &&
         chunking() && pipelining();
}

bool Client::wants_quickack() const { return streaming() && !fifo_.empty(); }

size_t Client::depth() const {
  if (streaming()) return std::max(options_.bdat_window, 1u);
  return !chunking() && pipelining() && options_.cross_message ? 2 : 1;
}

bool Client::can_submit() const {
  if (state_ != State::kReady || quitting_ || txns_.size() >= depth()) return false;
  uint64_t bytes = 0, mails = begun_;
  for (const Txn& txn : txns_) {
    bytes += txn.size;
    mails += txn.begun() ? 0 : 1;
  }
  if (caps_.mail_max && mails >= *caps_.mail_max) return false;
  return bytes < options_.bdat_bytes || !streaming();
}

void Client::send_bdat(Txn& txn) {
  out_.append("BDAT ");
  out_.append(std::to_string(txn.size));
  out_.append(" LAST\r\n");
  const uint64_t asked = out_.appended();
  out_.append_body(txn.what.body, 0);
  if (!txn.scan.ends_crlf) out_.append("\r\n");
  push_body(Verb::kBdat, txn, asked);
  bdat_used_ = true;
}

void Client::bdat_taken(const Txn& txn) {
  bdat_taken_ = true;
  if (txn.number == begun_) rset_due_ = false;  // nothing was begun behind it
}

// Recipients were accepted: is it the message that is refused, or the command?
void Client::bdat_refused(const Txn& txn, Outcome& outcome) {
  const int code = outcome.reply.code;
  const bool last_judged =
      pipelining() && ((code == 503 && !txn.last_rcpt_ok) || denies_recipients(outcome.reply));
  if (last_judged) {
    quirks_ |= kNoPipelining;
    outcome.error = "BDAT refused although recipients were accepted";
  } else if (code >= 500 && code <= 504) {
    quirks_ |= kNoChunking;
    outcome.error = "BDAT refused";
  } else {
    return;
  }
  outcome.kind = Outcome::Kind::kRetry;
  outcome.local = EnhancedCode{4, 5, 0};
  outcome.retry_now = true;
}

}  // namespace volley::smtp
