#include "engine/delivery/session.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <utility>

#include "base/net/loop.h"

namespace volley::delivery {
namespace {

constexpr size_t kHighWater = size_t{256} << 10;
// What a session may owe an answer for beyond what is on the wire: one held back until the host has proven itself. More
// would only be held, too, when all are refused.
constexpr size_t kMostHeld = 1;
constexpr Duration kLinger = std::chrono::seconds(2);
constexpr smtp::EnhancedCode kNoAnswer{4, 4, 1};

}  // namespace

Session::Session(net::Loop& loop, Owner& owner, SessionOptions options)
    : loop_(loop),
      owner_(owner),
      options_(std::move(options)),
      client_(std::move(options_.client)),
      timer_(loop, [this] { on_timer(); }) {
  assert(!options_.addresses.empty());
  stream_ = net::connect(loop_, options_.addresses.front(), options_.source, *this);
  timer_.set_after(options_.connect_timeout);
}

Session::~Session() = default;

void Session::on_connected() {
  state_ = State::kOpen;
  source_ = stream_->local().host();
  timer_.cancel();
  owner_.on_session_connected(*this);
  const TimePoint now = loop_.now();
  client_.start(now);
  if (options_.plan.mode == smtp::TlsMode::kImplicit) start_tls(now);
  step();
}

void Session::on_data(std::span<const char> bytes) {
  if (state_ != State::kOpen) return;
  client_.feed({bytes.data(), bytes.size()}, loop_.now());
  step();
}

void Session::on_tls_ready(const net::TlsInfo& info) {
  if (state_ != State::kOpen) return;
  in_handshake_ = false;
  tls_info_ = info;
  if (options_.plan.mode != smtp::TlsMode::kImplicit) client_.tls_established(loop_.now());
  step();
}

void Session::on_drained() {
  if (state_ != State::kOpen) return;
  const TimePoint now = loop_.now();
  write_out(now);
  arm(now);
}

void Session::on_closed(Error error) {
  const TimePoint now = loop_.now();
  switch (state_) {
    case State::kConnecting:
      return never_connected(std::move(error.message), error.code == Errc::kTempFail
                                                           ? Unconnected::kLocal
                                                           : Unconnected::kRefused);
    case State::kOpen:
      break;
    case State::kLingering:
      return gone_now();
    case State::kGone:
      return;
  }
  if (in_handshake_) {
    client_.tls_failed(error.message, now);
  } else {
    client_.eof(now, error.message);
  }
  step();
}

void Session::on_timer() {
  const TimePoint now = loop_.now();
  switch (state_) {
    case State::kConnecting:
      return never_connected("connection timed out", Unconnected::kTimedOut);
    case State::kLingering:
      return gone_now();
    case State::kGone:
      return;
    case State::kOpen:
      break;
  }
  client_.timeout(now);
  if (idle() && now >= idle_at_) {
    quit();
  } else {
    step();
  }
}

void Session::quit() {
  if (quitting_ || state_ >= State::kLingering) return;
  quitting_ = true;
  if (state_ == State::kConnecting) return never_connected("given up", Unconnected::kRefused);
  client_.quit(loop_.now());
  step();
}

void Session::step() {
  if (stepping_ || state_ != State::kOpen) return;
  stepping_ = true;
  const TimePoint now = loop_.now();
  bool more = true;
  while (more) {
    more = false;
    while (const auto event = client_.next_event()) more = handle(*event, now) || more;
    if (!closed_ && fill(now)) more = true;
  }
  stepping_ = false;
  if (closed_) return on_client_closed(*closed_);
  write_out(now);
  if (client_.wants_quickack()) stream_->quickack();
  arm(now);
}

bool Session::handle(const smtp::ClientEvent& event, TimePoint now) {
  if (const auto* refusal = std::get_if<smtp::RcptResult>(&event)) {
    for (InFlight& message : in_flight_) {
      if (message.txn == refusal->txn) message.refused.push_back(*refusal);
    }
  } else if (const auto* result = std::get_if<smtp::TxnResult>(&event)) {
    const auto sent = std::find_if(in_flight_.begin(), in_flight_.end(),
                                   [&](const InFlight& m) { return m.txn == result->txn; });
    assert(sent != in_flight_.end());
    InFlight message = std::move(*sent);
    in_flight_.erase(sent);
    if (result->outcome.reply.code != 0) ++answered_;
    owner_.on_result(*this, std::move(message), *result);
  } else if (std::holds_alternative<smtp::Ready>(event)) {
    ready_ = true;
    owner_.on_session_ready(*this);
  } else if (std::holds_alternative<smtp::NeedTls>(event)) {
    start_tls(now);
  } else if (const auto* closed = std::get_if<smtp::Closed>(&event)) {
    closed_ = *closed;
  }
  return true;
}

void Session::start_tls(TimePoint now) {
  if (options_.tls == nullptr) return client_.tls_failed("TLS could not be set up here", now);
  in_handshake_ = true;
  const Status started = stream_->start_tls(*options_.tls, options_.plan.start);
  if (started) return;
  in_handshake_ = false;
  client_.tls_failed(started.error().message, now);
}

// Hands messages over while the core takes them; true when it took one.
bool Session::fill(TimePoint now) {
  bool took = false;
  const bool was_quitting = quitting_;
  while (!quitting_ && in_flight_.size() < client_.depth() + kMostHeld && client_.can_submit()) {
    if (submitted_ >= options_.messages) {
      quitting_ = true;
      client_.quit(now);
      return true;
    }
    Message message;
    if (!owner_.next_message(*this, message)) break;
    took = true;
    ++submitted_;
    in_flight_.push_back(
        {++last_txn_, message.work, std::move(message.indexes), message.body, now, {}});
    smtp::Transaction transaction;
    transaction.id = last_txn_;
    transaction.mail_from = std::move(message.mail_from);
    if (!message.envid.empty()) {
      transaction.envid = std::move(message.envid);
      for (const std::string& rcpt : message.rcpts) transaction.dsn.push_back({0, rcpt});
    }
    transaction.rcpts = std::move(message.rcpts);
    transaction.body = std::move(message.body);
    client_.submit(std::move(transaction), now);
  }
  if (!ready()) return took || quitting_ != was_quitting;
  if (!in_flight_.empty()) {
    idle_at_ = kNever;
  } else if (idle_at_ == kNever) {
    idle_at_ = now + options_.idle;
  }
  return took;
}

size_t Session::write_out(TimePoint now) {
  std::array<std::string_view, 64> slices;
  size_t total = 0;
  while (stream_->pending() < kHighWater) {
    const size_t count = client_.gather(slices, kHighWater);
    if (count == 0) break;
    size_t bytes = 0;
    for (size_t i = 0; i < count; ++i) bytes += slices[i].size();
    stream_->write_gather(std::span<const std::string_view>(slices.data(), count));
    client_.consume(bytes, now);
    total += bytes;
  }
  return total;
}

// The timer is only ever moved forward in time when it goes off: two heap operations saved per message.
void Session::arm(TimePoint) {
  if (state_ != State::kOpen) return;
  const TimePoint when = std::min(client_.deadline(), idle_at_);
  if (when < timer_.when()) timer_.set(when);
}

void Session::on_client_closed(const smtp::Closed& closed) {
  assert(in_flight_.empty());
  // What is left to say is a QUIT: wait for the peer to close, so that it never counts two of us.
  const bool goodbye = write_out(loop_.now()) > 0 || closed.reason == smtp::CloseReason::kQuit;
  if (goodbye && stream_->is_open()) {
    state_ = State::kLingering;
    stream_->end();
    timer_.set_after(kLinger);
  }
  SessionEnd end;
  end.connected = true;
  end.ready = ready_;
  end.closed = closed;
  end.quirks = client_.quirks();
  end.answered = answered_;
  end.tls_failure = stream_->tls_failure();
  const bool lingering = state_ == State::kLingering;
  if (!lingering) state_ = State::kGone;
  owner_.on_session_ended(*this, end);
  if (!lingering) gone_now();
}

void Session::never_connected(std::string why, Unconnected how) {
  state_ = State::kGone;
  SessionEnd end;
  end.timed_out = how == Unconnected::kTimedOut;
  end.local = how == Unconnected::kLocal;
  end.closed.reason = quitting_ ? smtp::CloseReason::kQuit : smtp::CloseReason::kPeerClosed;
  end.closed.outcome.kind = smtp::Outcome::Kind::kRetry;
  end.closed.outcome.stage = smtp::Stage::kConnect;
  end.closed.outcome.error = std::move(why);
  end.closed.outcome.local = kNoAnswer;
  owner_.on_session_ended(*this, end);
  gone_now();
}

void Session::gone_now() {
  state_ = State::kGone;
  timer_.cancel();
  stream_->close();
  owner_.on_session_gone(*this);
}

}  // namespace volley::delivery
