#include "engine/sink/dialog_session.h"

#include <utility>

#include "base/log.h"
#include "engine/sink/noise.h"
#include "engine/sink/worker.h"

namespace volley::sink {
namespace {

constexpr size_t kNoise = 512;

}  // namespace

DialogSession::DialogSession(Worker& worker, net::StreamPtr stream, uint64_t id)
    : worker_(worker), stream_(std::move(stream)), id_(id), player_(*worker.shared().script) {
  worker_.shared().open_connections.fetch_add(1, std::memory_order_relaxed);
}

DialogSession::~DialogSession() {
  worker_.shared().open_connections.fetch_sub(1, std::memory_order_relaxed);
}

void DialogSession::start() {
  stream_->set_listener(*this);
  if (worker_.shared().options.implicit_tls) {
    if (!begin_tls()) close_when_written();
    return;
  }
  started_ = true;
  play();
}

void DialogSession::cut() {
  dead_ = true;
  stream_->close();
}

void DialogSession::on_data(std::span<const char> bytes) {
  if (closing_) return;
  player_.feed({bytes.data(), bytes.size()});
  play();
}

void DialogSession::on_tls_ready(const net::TlsInfo&) {
  if (std::exchange(started_, true)) player_.tls_established();
  play();
}

void DialogSession::on_drained() {
  if (closing_) close_when_written();
}

void DialogSession::on_closed(Error) {
  if (!std::exchange(dead_, true)) worker_.remove(id_);
}

bool DialogSession::begin_tls() {
  net::TlsStart start;
  start.role = net::TlsRole::kServer;
  return stream_->start_tls(*worker_.shared().tls, start).ok();
}

void DialogSession::close_when_written() {
  closing_ = true;
  if (stream_->pending() > 0) return;
  stream_->close();
  worker_.remove(id_);
}

void DialogSession::play() {
  for (;;) {
    const ScriptPlayer::Move move = player_.next();
    switch (move.kind) {
      case ScriptPlayer::Kind::kWait:
        return;
      case ScriptPlayer::Kind::kSay:
        stream_->write(move.text);
        break;
      case ScriptPlayer::Kind::kNoise: {
        Random random(worker_.shared().options.seed);
        stream_->write(noise(random, kNoise));
        break;
      }
      case ScriptPlayer::Kind::kTls:
        if (!begin_tls()) return close_when_written();
        break;
      case ScriptPlayer::Kind::kClose:
        if (!player_.complaint().empty()) {
          log_warn("sink: " + worker_.shared().options.dialog + ": " +
                   sanitize(player_.complaint()));
        }
        return close_when_written();
    }
  }
}

}  // namespace volley::sink
