#include "base/net/uv_stream.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <utility>

#include "base/net/sockaddr.h"

namespace volley::net {

namespace {

// What is missing here says nothing about the peer.
Errc whose_fault(int uv_code) {
  switch (uv_code) {
    case UV_EMFILE:
    case UV_ENFILE:
    case UV_ENOBUFS:
    case UV_ENOMEM:
    case UV_EADDRNOTAVAIL:
    case UV_EADDRINUSE:
      return Errc::kTempFail;
    default:
      return Errc::kConnection;
  }
}

Error cannot_connect(const Endpoint& to, int uv_code) {
  return Error{whose_fault(uv_code),
               fmt::format("connect to {}: {}", to.str(), uv_strerror(uv_code))};
}

}  // namespace

Error connection_lost(int uv_code) {
  return Error{Errc::kConnection, fmt::format("connection lost: {}", uv_strerror(uv_code))};
}

UvStream::UvStream(Loop& loop, Kind kind) : loop_(loop), kind_(kind) {
  if (kind_ == Kind::kTcp) {
    uv_tcp_init(loop.uv(), &uv_.tcp);
  } else {
    uv_pipe_init(loop.uv(), &uv_.pipe, 0);
  }
  uv_.handle.data = this;
}

int UvStream::fd() const {
  int fd = -1;
  return uv_fileno(&uv_.handle, &fd) == 0 ? fd : -1;
}

// ---- connecting

Status UvStream::prepare_source(const Endpoint& source) {
  Result<SockAddr> address = to_sockaddr(source);
  if (!address) return address.error();
  const int socket = ::socket(address->family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (socket < 0) return cannot_connect(peer_, uv_translate_sys_error(errno));
  // The kernel chooses the port when connecting, so that one port can serve many destinations.
  const int on = 1;
  ::setsockopt(socket, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
  if (::bind(socket, address->get(), address->size) != 0) {
    const int error = uv_translate_sys_error(errno);
    ::close(socket);
    return Error{Errc::kTempFail,
                 fmt::format("cannot send from {}: {}", source.host(), uv_strerror(error))};
  }
  const int code = uv_tcp_open(&uv_.tcp, socket);
  if (code == 0) return {};
  ::close(socket);
  return connection_lost(code);
}

void UvStream::connect_to(const Endpoint& to, const std::optional<Endpoint>& source,
                          StreamListener& listener) {
  listener_ = &listener;
  peer_ = to;
  Result<SockAddr> address = to_sockaddr(to);
  if (!address) return fail_later(address.error());
  const auto connected = [](uv_connect_t* request, int status) {
    UvStream* self = self_of(request->handle->data);
    if (self->closed_) return;
    if (status != 0) {
      return self->die(cannot_connect(self->peer_, status));
    }
    self->connected_ = true;
    if (!self->out_.empty() || self->ended_) self->loop_.request_flush(*self);
    self->start_reading();
    self->listener_->on_connected();
  };
  if (kind_ == Kind::kPipe) {
    uv_pipe_connect(&connect_, &uv_.pipe, to.path().c_str(), connected);
    return;
  }
  if (source) {
    if (Status bound = prepare_source(*source); !bound) return fail_later(bound.error());
  }
  uv_tcp_nodelay(&uv_.tcp, 1);
  const int code = uv_tcp_connect(&connect_, &uv_.tcp, address->get(), connected);
  if (code != 0) fail_later(cannot_connect(to, code));
}

bool UvStream::accept_from(uv_stream_t* server) {
  if (uv_accept(server, stream()) != 0) return false;
  if (kind_ == Kind::kTcp) uv_tcp_nodelay(&uv_.tcp, 1);
  connected_ = true;
  peer_ = peer_endpoint(fd());
  return true;
}

// ---- TLS

Status UvStream::start_tls(TlsContext& context, const TlsStart& start) {
  assert(!tls_);
  if (closed_ || failure_ || write_error_ || !connected_) {
    return Error{Errc::kConnection, "start_tls: not connected"};
  }
  if (start.unread_plaintext != 0) {
    return Error{Errc::kProtocol, "plaintext after STARTTLS: possible injection"};
  }
  Result<std::unique_ptr<TlsSession>> session = TlsSession::make(context, start);
  if (!session) return session.error();
  tls_ = std::move(session).value();
  tls_->wire() =
      std::exchange(out_, std::string());  // still in the clear, and before the handshake
  if (start.role == TlsRole::kClient && tls_->handshake() == TlsSession::State::kFailed) {
    return Error{Errc::kProtocol, tls_->error()};
  }
  if (!writing_) loop_.request_flush(*this);
  return {};
}

// ---- ending

void UvStream::fail_later(Error error) {
  stop_reading();
  if (!failure_) failure_ = std::move(error);
  loop_.request_flush(*this);
}

// The peer sends no more. What on_data() just wrote still gets its one flush.
void UvStream::got_end(Error error) {
  if (write_error_) error = *write_error_;
  if (pending() == 0) return die(std::move(error));
  fail_later(std::move(error));
}

// The peer's last words (a 421, say) may lie in the receive buffer behind a failed write. Read them here: libuv would
// not while paused, and nothing more can follow them.
void UvStream::drain_after_write_error() {
  stop_reading();
  draining_ = true;
  if (holding_) {
    deliver_held();
    if (closed_) return;
  }
  const std::span<char> shared = loop_.read_buffer();
  for (;;) {
    const ssize_t size = ::recv(fd(), shared.data(), shared.size(), MSG_DONTWAIT);
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) break;
    deliver(shared.first(static_cast<size_t>(size)));
    if (closed_) return;
    if (failure_) break;
  }
  die(*std::exchange(write_error_, std::nullopt));
}

void UvStream::die(Error error) {
  if (closed_) return;
  StreamListener* listener = listener_;
  start_close();
  if (listener) listener->on_closed(std::move(error));
}

void UvStream::close() {
  if (!closed_) start_close();
}

void UvStream::abort() {
  if (closed_) return;
  const linger at_once{1, 0};
  if (kind_ == Kind::kTcp) ::setsockopt(fd(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  start_close();
}

void UvStream::start_close() {
  closed_ = true;
  reading_ = false;
  listener_ = nullptr;
  unlink();
  uv_close(handle(), [](uv_handle_t* closed) {
    UvStream* self = self_of(closed->data);
    self->uv_closed_ = true;
    if (self->released_) delete self;
  });
}

void UvStream::release() {
  released_ = true;
  close();
  if (uv_closed_) delete this;
}

// ---- facts

void UvStream::quickack() {
  if (kind_ != Kind::kTcp || closed_ || !connected_) return;
  const int on = 1;
  ::setsockopt(fd(), IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
}

Endpoint UvStream::local() const { return closed_ ? Endpoint() : local_endpoint(fd()); }

}  // namespace volley::net
