#include "base/net/listener.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include <cerrno>
#include <utility>

#include "base/net/loop.h"
#include "base/net/sockaddr.h"
#include "base/net/uv_stream.h"

namespace volley::net {
namespace {

Error cannot_listen(const Endpoint& at, int code) {
  const std::string where = at.str();
  if (code == UV_EADDRINUSE) {
    const char* remedy = at.family() == Endpoint::Family::kUnix
                             ? "stop the other process, or remove the file if there is none"
                             : "stop the other process or choose another port";
    return Error{Errc::kUnavailable, fmt::format("{}: address in use: {}", where, remedy)};
  }
  if (code == UV_EACCES) {
    return Error{Errc::kNoPermission,
                 fmt::format("{}: not allowed: ports below 1024 need CAP_NET_BIND_SERVICE", where)};
  }
  if (code == UV_EADDRNOTAVAIL) {
    return Error{Errc::kConfig, fmt::format("{}: this machine has no such address", where)};
  }
  return Error{Errc::kUnavailable, fmt::format("{}: cannot listen: {}", where, uv_strerror(code))};
}

}  // namespace

struct Listener::Handle {
  union {
    uv_handle_t handle;
    uv_stream_t stream;
    uv_tcp_t tcp;
    uv_pipe_t pipe;
  };
  Loop& loop;
  Accept accept;
  bool is_unix;
  bool abandoned = false;
  Endpoint endpoint;

  Handle(Loop& l, Accept a, bool u) : loop(l), accept(std::move(a)), is_unix(u) {
    if (is_unix) {
      uv_pipe_init(loop.uv(), &pipe, 0);
    } else {
      uv_tcp_init(loop.uv(), &tcp);
    }
    handle.data = this;
  }

  int bind(const Endpoint& at, const SockAddr& address, const ListenOptions& options);
  void take();
  void close() {
    abandoned = true;
    uv_close(&handle, [](uv_handle_t* closed) { delete static_cast<Handle*>(closed->data); });
  }
};

int Listener::Handle::bind(const Endpoint& at, const SockAddr& address,
                           const ListenOptions& options) {
  if (is_unix) return uv_pipe_bind(&pipe, at.path().c_str());
  const int fd = ::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return uv_translate_sys_error(errno);
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (options.reuse_port) ::setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
  int code = ::bind(fd, address.get(), address.size) == 0 ? 0 : uv_translate_sys_error(errno);
  if (code == 0) code = uv_tcp_open(&tcp, fd);
  if (code != 0) ::close(fd);
  return code;
}

void Listener::Handle::take() {
  auto* accepted = new UvStream(loop, is_unix ? UvStream::Kind::kPipe : UvStream::Kind::kTcp);
  StreamPtr owner(accepted);
  if (accepted->accept_from(&stream)) accept(std::move(owner));
}

Result<std::unique_ptr<Listener>> Listener::listen(Loop& loop, const Endpoint& at, Accept accept,
                                                   const ListenOptions& options) {
  Result<SockAddr> address = to_sockaddr(at);
  if (!address) return Error{Errc::kConfig, address.error().message};
  auto* handle = new Handle(loop, std::move(accept), at.family() == Endpoint::Family::kUnix);
  int code = handle->bind(at, *address, options);
  if (code == 0) {
    code = uv_listen(&handle->stream, options.backlog, [](uv_stream_t* server, int status) {
      auto* self = static_cast<Handle*>(server->data);
      if (status == 0 && !self->abandoned) self->take();
    });
  }
  if (code != 0) {
    handle->close();
    return cannot_listen(at, code);
  }
  int fd = -1;
  uv_fileno(&handle->handle, &fd);
  handle->endpoint = handle->is_unix ? at : local_endpoint(fd);
  return std::unique_ptr<Listener>(new Listener(handle));
}

Listener::~Listener() { handle_->close(); }

Endpoint Listener::endpoint() const { return handle_->endpoint; }
uint16_t Listener::port() const { return handle_->endpoint.port(); }

}  // namespace volley::net
