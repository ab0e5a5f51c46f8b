#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/net/uv_stream.h"

// The bytes' way out and in. Making and ending a stream is in uv_stream.cc.
namespace volley::net {
namespace {

constexpr size_t kKeepCapacity = 2048;    // of an empty buffer; more goes back to the allocator
constexpr size_t kEncryptAhead = 262144;  // ciphertext made before the kernel has taken it

// Empties a buffer; many streams idle, so a big one is not kept.
void empty(std::string& buffer) {
  if (buffer.capacity() > kKeepCapacity) {
    std::string().swap(buffer);
  } else {
    buffer.clear();
  }
}

}  // namespace

// ---- writing

void UvStream::write(std::string_view bytes) {
  if (!takes_writes() || bytes.empty()) return;
  out_.append(bytes);
  if (connected_ && !writing_) loop_.request_flush(*this);
}

void UvStream::write_gather(std::span<const std::string_view> pieces) {
  size_t total = 0;
  for (const std::string_view piece : pieces) total += piece.size();
  if (!takes_writes() || total == 0) return;
  // Room by doubling: an exact reserve at each call would copy everything each time.
  if (out_.capacity() - out_.size() < total)
    out_.reserve(std::max(out_.size() + total, out_.capacity() * 2));
  for (const std::string_view piece : pieces) out_.append(piece);
  if (connected_ && !writing_) loop_.request_flush(*this);
}

size_t UvStream::pending() const {
  if (closed_) return 0;
  const size_t kernel_bound = writing_ ? uv_stream_get_write_queue_size(&uv_.stream) : 0;
  return out_.size() + (tls_ ? tls_->wire().size() : 0) + kernel_bound;
}

void UvStream::end() {
  if (closed_ || ended_) return;
  ended_ = true;
  if (connected_) loop_.request_flush(*this);
}

bool UvStream::on_flush() {
  if (closed_) return false;
  if (connected_ && !writing_ && !write_error_) pump();
  return failure_ || write_error_ || drained_ || (holding_ && !paused_);
}

void UvStream::on_flushed() {
  if (closed_) return;
  if (std::exchange(drained_, false) && listener_) {
    listener_->on_drained();
    if (closed_) return;
  }
  if (write_error_) return drain_after_write_error();
  if (holding_ && !paused_) {
    deliver_held();
    if (closed_) return;
  }
  if (failure_) die(*std::exchange(failure_, std::nullopt));
}

// Sends what there is, as far as the kernel takes it; the rest goes with one uv_write.
void UvStream::pump() {
  bool sent = false;
  for (;;) {
    encrypt_some();
    std::string& bytes = ready_bytes();
    if (bytes.empty()) break;
    sent = true;
    if (!send(bytes)) return;
  }
  const bool waits_for_tls = !out_.empty();
  if (ended_ && !waits_for_tls) return finish_writing();
  drained_ = drained_ || (sent && !waits_for_tls);
}

void UvStream::encrypt_some() {
  if (!tls_ || !tls_ready_ || out_.empty()) return;
  size_t done = 0;
  while (done < out_.size() && tls_->wire().size() < kEncryptAhead) {
    const size_t taken = tls_->encrypt(std::string_view(out_).substr(done));
    if (taken == 0) {
      out_.clear();
      if (!failure_) failure_ = Error{Errc::kProtocol, tls_->error()};
      return;
    }
    done += taken;
  }
  if (done == out_.size()) {
    empty(out_);
  } else {
    out_.erase(0, done);
  }
}

// true: all of it is with the kernel.
bool UvStream::send(std::string& bytes) {
  uv_buf_t buffer = uv_buf_init(bytes.data(), static_cast<unsigned>(bytes.size()));
  int code = uv_try_write(stream(), &buffer, 1);
  if (code == static_cast<int>(bytes.size())) {
    empty(bytes);
    return true;
  }
  const size_t done = code > 0 ? static_cast<size_t>(code) : 0;
  if (code >= 0 || code == UV_EAGAIN) {
    in_flight_ = std::exchange(bytes, std::string());
    buffer = uv_buf_init(in_flight_.data() + done, static_cast<unsigned>(in_flight_.size() - done));
    code = uv_write(&write_, stream(), &buffer, 1, [](uv_write_t* request, int status) {
      self_of(request->handle->data)->on_written(status);
    });
    writing_ = code == 0;
    if (writing_) return false;
  }
  write_error_ = connection_lost(code);
  return false;
}

void UvStream::on_written(int status) {
  writing_ = false;
  empty(in_flight_);
  if (closed_) return;
  if (status != 0) {
    write_error_ = connection_lost(status);
    return drain_after_write_error();
  }
  if (pending() != 0 || ended_) {
    loop_.request_flush(*this);
  } else if (listener_) {
    listener_->on_drained();
  }
}

void UvStream::finish_writing() {
  if (std::exchange(fin_sent_, true)) return;
  if (tls_) {
    tls_->say_goodbye();
    if (!tls_->wire().empty() && !send(tls_->wire())) {
      fin_sent_ = false;  // once more when it has left
      return;
    }
  }
  if (::shutdown(fd(), SHUT_WR) != 0 && errno != ENOTCONN) {
    write_error_ = connection_lost(uv_translate_sys_error(errno));
  }
}

// ---- reading

void UvStream::set_listener(StreamListener& listener) {
  if (closed_) return;
  listener_ = &listener;
  start_reading();
}

void UvStream::pause_reading() {
  paused_ = true;
  stop_reading();
}

void UvStream::resume_reading() {
  paused_ = false;
  if (closed_) return;
  if (holding_) {
    loop_.request_flush(*this);  // what TLS holds comes first, and not from in here
  } else {
    start_reading();
  }
}

void UvStream::start_reading() {
  if (reading_ || paused_ || holding_ || closed_ || !connected_ || !listener_ || failure_ ||
      write_error_) {
    return;
  }
  reading_ = true;
  const int code = uv_read_start(
      stream(),
      [](uv_handle_t* handle, size_t, uv_buf_t* buffer) {
        const std::span<char> shared = self_of(handle->data)->loop_.read_buffer();
        *buffer = uv_buf_init(shared.data(), static_cast<unsigned>(shared.size()));
      },
      [](uv_stream_t* stream, ssize_t size, const uv_buf_t*) {
        self_of(stream->data)->on_read(size);
      });
  if (code != 0) fail_later(connection_lost(code));
}

void UvStream::stop_reading() {
  if (std::exchange(reading_, false)) uv_read_stop(stream());
}

void UvStream::on_read(ssize_t size) {
  if (size > 0) return deliver(loop_.read_buffer().first(static_cast<size_t>(size)));
  if (size == 0) return;
  stop_reading();
  if (size == UV_EOF) return got_end(Error{Errc::kConnection, "closed by peer"});
  die(write_error_ ? *write_error_ : connection_lost(static_cast<int>(size)));
}

void UvStream::deliver(std::span<const char> bytes) {
  if (tls_) return deliver_tls(bytes);
  listener_->on_data(bytes);
}

void UvStream::deliver_tls(std::span<const char> bytes) {
  tls_->feed(bytes);
  TlsSession::State state = TlsSession::State::kMore;
  if (!tls_ready_) {
    state = tls_->handshake();
    if (state == TlsSession::State::kReady) {
      tls_ready_ = true;
      if (!out_.empty() || ended_) loop_.request_flush(*this);
      listener_->on_tls_ready(tls_->info());
      if (closed_) return;
    }
  }
  if (tls_ready_) state = decrypt();
  if (closed_) return;
  if (!tls_->wire().empty() && !writing_) loop_.request_flush(*this);
  if (state == TlsSession::State::kFailed) {
    fail_later(Error{Errc::kProtocol, tls_->error()});
  } else if (state == TlsSession::State::kPeerClosed) {
    got_end(Error{Errc::kConnection, "closed by peer"});
  } else if (paused_ && !draining_) {
    const std::span<const char> rest = tls_->unread();
    held_.assign(rest.begin(), rest.end());
    holding_ = !held_.empty() || tls_->has_buffered();
  }
  if (!closed_) tls_->feed({});
}

TlsSession::State UvStream::decrypt() {
  const std::span<char> plain = loop_.plain_buffer();
  while (!paused_ || draining_) {
    size_t size = 0;
    const TlsSession::State state = tls_->read(plain, size);
    if (state != TlsSession::State::kReady) return state;
    listener_->on_data(plain.first(size));
    if (closed_) return TlsSession::State::kMore;
  }
  return TlsSession::State::kMore;
}

void UvStream::deliver_held() {
  holding_ = false;
  const std::string bytes = std::exchange(held_, std::string());
  deliver_tls(bytes);
  start_reading();
}

}  // namespace volley::net
