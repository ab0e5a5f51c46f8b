#include "engine/smtp/client.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace volley::smtp {
namespace {

constexpr EnhancedCode kTlsCode{4, 7, 0};
constexpr Duration kCrossPatience = std::chrono::seconds(10);

// Two replies run into one line, as some servers do when they flush: a sign that one will be missing.
bool looks_merged(const Reply& reply) {
  return reply.text.find(" 250 ") != std::string::npos ||
         reply.text.find(" 354 ") != std::string::npos;
}

}  // namespace

const char* to_string(CloseReason reason) {
  switch (reason) {
    case CloseReason::kQuit:
      return "quit";
    case CloseReason::kRefused:
      return "refused";
    case CloseReason::kServerClosing:
      return "server_closing";
    case CloseReason::kPeerClosed:
      return "peer_closed";
    case CloseReason::kTimeout:
      return "timeout";
    case CloseReason::kDesync:
      return "desync";
    case CloseReason::kProtocol:
      return "protocol";
    case CloseReason::kTls:
      return "tls";
    case CloseReason::kLoop:
      return "loop";
  }
  return "?";
}

Client::Client(ClientOptions options)
    : options_(std::move(options)), rset_between_(options_.rset_between) {
  tls_ = options_.tls == TlsMode::kImplicit;
  no_parameters_ = !options_.mail_parameters;
  no_dsn_ = !options_.dsn_parameters;
}

Client::~Client() { forget_login(); }

void Client::start(TimePoint now) {
  assert(state_ == State::kNew);
  state_ = State::kHandshake;
  push(Verb::kGreeting);
  rearm(now);
}

bool Client::pipelining() const {
  return options_.pipelining && caps_.pipelining && !caps_.overflow && !(quirks_ & kNoPipelining);
}

void Client::submit(Transaction transaction, TimePoint now) {
  assert(can_submit());
  assert(!transaction.rcpts.empty() && transaction.body);
  Txn& txn = txns_.emplace_back();
  txn.what = std::move(transaction);
  txn.scan = scan_body(*txn.what.body);
  txn.size = txn.what.body->size() + (txn.scan.ends_crlf ? 0 : 2);
  pump(now);
  rearm(now);
}

void Client::quit(TimePoint now) {
  if (state_ == State::kClosed || quitting_) return;
  quitting_ = true;
  if (state_ == State::kReady) {
    pump(now);
  } else {
    Outcome outcome;
    outcome.stage = stage_now();
    close(CloseReason::kQuit, std::move(outcome), false);
  }
  rearm(now);
}

std::optional<ClientEvent> Client::next_event() {
  if (events_.empty()) return {};
  ClientEvent event = std::move(events_.front());
  events_.pop_front();
  return event;
}

size_t Client::gather(std::span<OutSlice> slices, size_t max_bytes) {
  return out_.gather(slices, max_bytes);
}

void Client::consume(size_t bytes, TimePoint now) {
  out_.consume(bytes);
  if (bytes > 0) progress_ = now;
  rearm(now);
}

void Client::feed(std::string_view bytes, TimePoint now) {
  if (state_ == State::kClosed || bytes.empty()) return;
  assert(state_ != State::kNew);
  if (state_ == State::kTlsHandshake) {
    // Plain text after our STARTTLS was accepted: somebody injects replies (CVE-2021-38371).
    close(CloseReason::kTls,
          {Outcome::Kind::kRetry, Stage::kStartTls, {}, "plain text after STARTTLS", kTlsCode},
          false);
    return;
  }
  feed_bytes(bytes, now);
  if (state_ != State::kClosed) {
    if (fifo_.empty()) quiet_since_ = now;
    release_held(false);
    pump(now);
  }
  rearm(now);
}

void Client::feed_bytes(std::string_view bytes, TimePoint now) {
  while (!bytes.empty() && state_ != State::kClosed) {
    const bool solicited = !fifo_.empty() && out_.handed() >= fifo_.front().asked;
    if (!solicited && unsolicited(bytes)) return;
    const bool handshake = state_ != State::kReady;
    size_t used = 0;
    const auto progress = parser_.parse(bytes, used);
    bytes.remove_prefix(used);
    if (progress == ReplyParser::Progress::kNeedMore) return;
    if (progress == ReplyParser::Progress::kBad) {
      if (handshake) {
        protocol_error(stage_now(), parser_.error());
      } else {
        desync(stage_now(), {}, parser_.error());
      }
      return;
    }
    Reply reply = parser_.take();
    withhold_login(reply);
    if (!solicited) {
      if (reply.code == 421) {
        Outcome outcome{Outcome::Kind::kRetry, Stage::kIdle, std::move(reply), {}, {}};
        close(CloseReason::kServerClosing, std::move(outcome), false);
      } else {
        desync(stage_now(), std::move(reply), "a reply to no command");
      }
      return;
    }
    on_reply(std::move(reply), bytes, now);
  }
}

// With nothing outstanding only a 421 may come. True when the session was closed because of it.
bool Client::unsolicited(std::string_view bytes) {
  static constexpr std::string_view kClosing = "421";
  const std::string_view held = parser_.held_line();
  std::string start(held.substr(0, kClosing.size()));
  start.append(bytes.substr(0, kClosing.size() - start.size()));
  if (kClosing.starts_with(start)) return false;
  desync(stage_now(), {}, "bytes when nothing was asked");
  return true;
}

void Client::on_reply(Reply reply, std::string_view rest, TimePoint now) {
  const Pending entry = fifo_.front();
  fifo_.pop_front();
  take_time(entry, now);
  head_armed_ = false;
  body_limit_ = kNever;
  const bool conflict = reply.conflict && entry.verb != Verb::kEhlo;
  group_error_ = !fifo_.empty() && (group_error_ || reply.code >= 400 || looks_merged(reply));
  if (reply.code == 421 && entry.verb != Verb::kQuit) {
    const bool early = is_body(entry.verb) && out_.handed() < entry.end;
    const Stage stage = early ? Stage::kBody : stage_of(entry.verb);
    Outcome outcome{Outcome::Kind::kRetry, stage, std::move(reply), {}, {}};
    // Often sent while we were idle, and read only now: then it says nothing about the message.
    const bool opening = entry.verb == Verb::kMail || entry.verb == Verb::kRset;
    Txn* txn = find(entry.txn);
    outcome.retry_now = opening && txn && txn->number > 1;
    if (opening && txn) note_message_limit(*txn);
    if (txn) finish(entry.txn, outcome);
    outcome.retry_now = false;
    close(CloseReason::kServerClosing, std::move(outcome), false);
    return;
  }
  const std::string text = conflict ? reply.str() : std::string();
  dispatch(entry, std::move(reply), rest, now);
  if (conflict && state_ != State::kClosed) {
    protocol_error(stage_of(entry.verb), "reply lines with contradicting codes: " + text);
  }
}

// How long recipients take. Measured from MAIL, since a server that pipelines may hold all its replies back together. What
// came together with the reply to the message ahead says nothing: that may be what took so long.
void Client::take_time(const Pending& entry, TimePoint now) {
  if (entry.verb != Verb::kMail && entry.verb != Verb::kRcpt) return;
  Txn* txn = find(entry.txn);
  if (txn == nullptr) return;
  if (!txn->mail_since && head_armed_) txn->mail_since = head_since_;
  if (!txn->mail_since || entry.verb == Verb::kMail) return;
  txn->rcpt_time = now - *txn->mail_since;
  ++txn->rcpt_replies;
}

void Client::dispatch(const Pending& entry, Reply reply, std::string_view rest, TimePoint now) {
  const int digit = reply.first_digit();
  const bool impossible = entry.verb == Verb::kData ? digit == 2 : digit == 3;
  if (impossible && state_ == State::kReady) {
    // Its transaction is looked at by close(): put the slot's owner back where it stands.
    return desync(stage_of(entry.verb), std::move(reply), "a reply that does not fit its command");
  }
  if (pipelining_refused(entry, reply)) return;
  Txn* txn = find(entry.txn);
  switch (entry.verb) {
    case Verb::kGreeting:
      return on_greeting(std::move(reply));
    case Verb::kEhlo:
      return on_ehlo(std::move(reply));
    case Verb::kHelo:
      return on_helo(std::move(reply));
    case Verb::kStartTls:
      return on_starttls(std::move(reply), rest, now);
    case Verb::kAuth:
      return on_auth(std::move(reply), now);
    case Verb::kRset:
      return on_rset(std::move(reply));
    case Verb::kMail:
      return on_mail(*txn, std::move(reply));
    case Verb::kRcpt:
      return on_rcpt(*txn, entry.rcpt, std::move(reply));
    case Verb::kData:
      return on_data(*txn, std::move(reply));
    case Verb::kDot:
    case Verb::kBdat:
      return on_end_of_data(*txn, std::move(reply));
    case Verb::kLoneDot:
      return;  // nobody was to get it
    case Verb::kNoop:
      return on_noop(reply);
    case Verb::kQuit:
      return on_quit(std::move(reply));
  }
}

void Client::push(Verb verb, TxnId txn, uint32_t rcpt) {
  const bool last = verb == Verb::kData || verb == Verb::kNoop || verb == Verb::kQuit;
  fifo_.push_back({verb, last, rcpt, txn, out_.appended(), out_.appended()});
}

void Client::push_body(Verb verb, Txn& txn, uint64_t asked) {
  txn.end = out_.appended();
  txn.step = Step::kSent;
  fifo_.push_back({verb, false, 0, txn.what.id, asked, txn.end});
}

Stage Client::stage_of(Verb verb) {
  switch (verb) {
    case Verb::kGreeting:
      return Stage::kGreeting;
    case Verb::kEhlo:
      return Stage::kEhlo;
    case Verb::kHelo:
      return Stage::kHelo;
    case Verb::kStartTls:
      return Stage::kStartTls;
    case Verb::kAuth:
      return Stage::kAuth;
    case Verb::kRset:
      return Stage::kRset;
    case Verb::kMail:
      return Stage::kMail;
    case Verb::kRcpt:
      return Stage::kRcpt;
    case Verb::kData:
      return Stage::kData;
    case Verb::kDot:
    case Verb::kBdat:
      return Stage::kEndOfData;
    case Verb::kLoneDot:
    case Verb::kNoop:
      return Stage::kIdle;
    case Verb::kQuit:
      return Stage::kQuit;
  }
  return Stage::kIdle;
}

Stage Client::stage_now() const {
  if (state_ == State::kNew) return Stage::kConnect;
  if (state_ == State::kTlsHandshake) return Stage::kTls;
  if (fifo_.empty()) return auth_.counting ? Stage::kAuth : Stage::kIdle;
  const Pending& head = fifo_.front();
  if (is_body(head.verb) && out_.handed() < head.end) return Stage::kBody;
  return stage_of(head.verb);
}

Duration Client::timeout_of(Verb verb) const {
  const Timeouts& t = options_.timeouts;
  switch (verb) {
    case Verb::kGreeting:
      return t.greeting;
    case Verb::kEhlo:
    case Verb::kHelo:
      return t.ehlo;
    case Verb::kStartTls:
      return t.starttls;
    case Verb::kAuth:
      return t.auth;
    case Verb::kRset:
    case Verb::kNoop:
      return t.rset;
    case Verb::kMail:
      return t.mail;
    case Verb::kRcpt:
      return t.rcpt;
    case Verb::kData:
      return t.data;
    case Verb::kDot:
    case Verb::kBdat:
    case Verb::kLoneDot:
      return t.end_of_data;
    case Verb::kQuit:
      return t.quit;
  }
  return t.mail;
}

// A host that has proven nothing may drop what is pipelined behind an end of data, although it offers PIPELINING (chasquid
// does). It shows by silence, and a whole timeout for each connection is too dear a lesson.
Duration Client::patience(const Pending& head) const {
  const Duration usual = timeout_of(head.verb);
  const Txn* txn = options_.hold_until_mark ? find(head.txn) : nullptr;
  return txn != nullptr && txn->crossed && !txn->mail_ok ? std::min(usual, kCrossPatience) : usual;
}

// One deadline: for the oldest outstanding reply, or for the writing that stands before it. Neither moves while the peer
// drips bytes.
void Client::rearm(TimePoint now) {
  if (state_ == State::kTlsHandshake) return;  // set when it began
  if (state_ == State::kHandshake && auth_.counting) return;
  if (out_.empty()) {
    writing_ = false;
  } else if (!writing_) {
    writing_ = true;
    progress_ = now;
  }
  if (state_ == State::kClosed || fifo_.empty()) {
    deadline_ = kNever;
    return;
  }
  const Pending& head = fifo_.front();
  const bool out = out_.consumed() >= head.end;
  if (!head_armed_ || head_out_ != out) head_since_ = now;
  head_armed_ = true;
  head_out_ = out;
  if (out || !is_body(head.verb)) {
    deadline_ = head_since_ + patience(head);
    return;
  }
  if (body_limit_ == kNever) {
    const uint64_t left = head.end - out_.consumed();
    const uint64_t seconds = left / std::max<uint64_t>(options_.min_body_rate, 1);
    body_limit_ = now + options_.timeouts.block + std::chrono::seconds(seconds);
  }
  deadline_ = std::min(std::max(progress_, head_since_) + options_.timeouts.block, body_limit_);
}

}  // namespace volley::smtp
