#include "engine/sink/session.h"

#include <array>
#include <chrono>
#include <utility>

#include "engine/sink/noise.h"
#include "engine/sink/worker.h"

namespace volley::sink {
namespace {

constexpr size_t kMaxPending = size_t{1} << 20;
constexpr Duration kLinger = std::chrono::seconds(10);  // for the peer to close after us
constexpr size_t kNoise = 512;                          // instead of a TLS handshake

}  // namespace

Session::Trouble::Trouble(Session& session, uint64_t seed)
    : queue_timer(session.worker_.loop(), [&session] { session.write_due(); }),
      work_timer(session.worker_.loop(), [&session] { session.on_work_timer(); }),
      random(seed) {}

Session::Session(Worker& worker, net::StreamPtr stream, uint64_t id)
    : worker_(worker),
      stream_(std::move(stream)),
      id_(id),
      port_(stream_->peer().port()),
      server_(worker.shared().options.server),
      timer_(worker.loop(), [this] { on_timer(); }) {
  worker_.shared().open_connections.fetch_add(1, std::memory_order_relaxed);
}

Session::~Session() { worker_.shared().open_connections.fetch_sub(1, std::memory_order_relaxed); }

Session::Trouble& Session::trouble() {
  if (!trouble_) trouble_ = std::make_unique<Trouble>(*this, worker_.shared().options.seed ^ id_);
  return *trouble_;
}

void Session::start() {
  stream_->set_listener(*this);
  if (worker_.shared().options.implicit_tls) {
    timer_.set_after(worker_.shared().options.server.idle);
    need_tls_ = true;
    return finish();
  }
  started_ = true;
  server_.start(worker_.loop().now());
  arm();
  pump();
}

void Session::cut() {
  mode_ = Mode::kDead;
  trouble_.reset();
  stream_->close();
}

void Session::on_data(std::span<const char> bytes) {
  if (mode_ == Mode::kNoisy) {
    stream_->write(noise(trouble().random, kNoise));
    mode_ = Mode::kDeaf;
  }
  if (mode_ != Mode::kLive) return;
  if (trouble_ && trouble_->waits == Waits::kIdle) {
    trouble_->waits = Waits::kNothing;
    trouble_->work_timer.cancel();
  }
  server_.feed({bytes.data(), bytes.size()}, worker_.loop().now());
  pump();
}

void Session::on_tls_ready(const net::TlsInfo& info) {
  tls_version_ = info.version;
  if (started_) {
    server_.tls_established(worker_.loop().now());
  } else {
    started_ = true;
    server_.start(worker_.loop().now(), true);
    arm();
  }
  pump();
}

void Session::on_drained() {
  update_reading();
  if (mode_ == Mode::kClosing) finish();
}

void Session::on_closed(Error) {
  // With a cut, the worker removes the session at the end of its turn.
  if (std::exchange(mode_, Mode::kDead) != Mode::kDead) worker_.remove(id_);
}

void Session::pump() {
  while (mode_ == Mode::kLive) {
    auto event = server_.next_event();
    if (!event) break;
    if (!postpone(*event)) handle(*event);
  }
  if (mode_ == Mode::kLive) {
    send();
    wait_for_silence();
  }
  finish();
}

void Session::send() {
  const bool queued = trouble_ && !trouble_->queue.empty();
  if (queued || !worker_.shared().options.delays.distance.none()) return say(collect());
  std::array<smtp::OutSlice, 32> slices;
  while (const size_t n = server_.gather(slices)) {
    size_t bytes = 0;
    for (size_t i = 0; i < n; ++i) bytes += slices[i].size();
    stream_->write_gather(std::span<const std::string_view>(slices.data(), n));
    server_.consume(bytes);
  }
  update_reading();
}

std::string Session::collect() {
  std::array<smtp::OutSlice, 32> slices;
  std::string out;
  while (const size_t n = server_.gather(slices)) {
    const size_t before = out.size();
    for (size_t i = 0; i < n; ++i) out += slices[i];
    server_.consume(out.size() - before);
  }
  return out;
}

void Session::say(std::string_view bytes) {
  const DelayRange& distance = worker_.shared().options.delays.distance;
  if (distance.none() && (!trouble_ || trouble_->queue.empty())) {
    stream_->write(bytes);
  } else {
    const TimePoint now = worker_.loop().now();
    Trouble& t = trouble();
    t.queue.push(bytes, now + distance.draw(t.random));
    arm_queue();
  }
  update_reading();
}

void Session::say_slowly(std::string_view bytes, const Rule& rule) {
  Trouble& t = trouble();
  const TimePoint due =
      worker_.loop().now() + worker_.shared().options.delays.distance.draw(t.random);
  t.queue.push_drip(bytes, due, rule.bytes, rule.every);
  arm_queue();
}

void Session::arm_queue() {
  if (!trouble_->queue.empty() && !trouble_->queue_timer.armed()) {
    trouble_->queue_timer.set(trouble_->queue.due());
  }
}

void Session::write_due() {
  stream_->write(trouble_->queue.take(worker_.loop().now()));
  arm_queue();
  finish();
}

// What comes after the last reply is on its way.
void Session::finish() {
  if (mode_ == Mode::kAborting) {
    stream_->abort();
    return worker_.remove(id_);
  }
  if ((trouble_ && !trouble_->queue.empty()) || mode_ == Mode::kLeaving || mode_ == Mode::kDead) {
    return;
  }
  if (mode_ == Mode::kClosing) {
    if (stream_->pending() > 0) return;
    if (worker_.has_lines()) return worker_.remove_later(id_);  // the log comes first
    stream_->close();
    return worker_.remove(id_);
  }
  if (std::exchange(need_tls_, false) && mode_ == Mode::kLive) begin_tls();
  if (!closing_) return;
  mode_ = Mode::kLeaving;
  stream_->end();
  timer_.set_after(kLinger);
}

void Session::begin_tls() {
  const TlsFault fault = worker_.shared().options.tls_fault;
  if (fault == TlsFault::kGarbage || fault == TlsFault::kStall) {
    mode_ = fault == TlsFault::kGarbage ? Mode::kNoisy : Mode::kDeaf;
    return;
  }
  net::TlsStart start;
  start.role = net::TlsRole::kServer;
  if (!stream_->start_tls(*worker_.shared().tls, start)) closing_ = true;
}

void Session::update_reading() {
  const Waits waits = trouble_ ? trouble_->waits : Waits::kNothing;
  const bool waiting =
      waits == Waits::kReading ||
      // Not at the greeting: who talks before it is to be heard.
      (waits == Waits::kDecision && trouble_->held.type != Event::Type::kConnected);
  const bool pause = mode_ == Mode::kShut || waiting || stream_->pending() > kMaxPending;
  if (pause == paused_) return;
  paused_ = pause;
  if (pause) {
    stream_->pause_reading();
  } else {
    stream_->resume_reading();
  }
}

// Re-armed only when it fires: a busy session moves its deadline with every read.
void Session::on_timer() {
  if (mode_ == Mode::kDeaf || mode_ == Mode::kNoisy)
    return;  // for as long as the peer has patience
  if (mode_ == Mode::kLive && started_) {
    const TimePoint now = worker_.loop().now();
    if (server_.held()) return timer_.set_after(worker_.shared().options.server.idle);
    if (now < server_.deadline()) return arm();
    server_.timeout(now);
    return pump();
  }
  stream_->close();
  worker_.remove(id_);
}

void Session::arm() { timer_.set(server_.deadline()); }

}  // namespace volley::sink
