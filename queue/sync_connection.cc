#include "queue/sync_connection.h"

#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace volley::queue {

namespace {

int to_poll(Duration timeout) {
  return static_cast<int>(std::chrono::duration_cast<std::chrono::milliseconds>(timeout).count());
}

std::string error_text(int error) {
  return std::error_code(error, std::generic_category()).message();
}

// Connects without blocking longer than the timeout; returns the errno, 0 when connected.
int connect_fd(int fd, const sockaddr* address, socklen_t size, Duration timeout) {
  if (::connect(fd, address, size) == 0) return 0;
  if (errno != EINPROGRESS) return errno;
  pollfd p{fd, POLLOUT, 0};
  const int got = ::poll(&p, 1, to_poll(timeout));
  if (got == 0) return ETIMEDOUT;
  if (got < 0) return errno;
  int error = 0;
  socklen_t length = sizeof error;
  getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
  return error;
}

Result<int> connect_unix(const std::string& path, Duration timeout) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path)
    return Error{Errc::kConfig, "queue socket path is too long"};
  std::memcpy(address.sun_path, path.data(), path.size());
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return Error{Errc::kUnavailable, error_text(errno)};
  const int error = connect_fd(fd, reinterpret_cast<sockaddr*>(&address), sizeof address, timeout);
  if (error == 0) return fd;
  ::close(fd);
  return Error{Errc::kUnavailable, error_text(error)};
}

Result<int> connect_tcp(const QueueUrl& url, Duration timeout) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int failed =
      getaddrinfo(url.host_or_path.c_str(), std::to_string(url.port).c_str(), &hints, &found);
  if (failed != 0) return Error{Errc::kUnavailable, gai_strerror(failed)};
  int error = 0;
  int fd = -1;
  for (const addrinfo* a = found; a != nullptr && fd < 0; a = a->ai_next) {
    fd = ::socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
      error = errno;
      continue;
    }
    error = connect_fd(fd, a->ai_addr, a->ai_addrlen, timeout);
    if (error != 0) {
      ::close(fd);
      fd = -1;
    }
  }
  freeaddrinfo(found);
  if (fd < 0) return Error{Errc::kUnavailable, error_text(error)};
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  return fd;
}

}  // namespace

std::vector<Command> handshake_commands(const QueueUrl& url) {
  std::vector<Command> out;
  if (!url.password.empty()) {
    out.emplace_back("AUTH");
    if (!url.user.empty()) out.back().arg(url.user);
    out.back().arg(url.password);
  }
  if (url.database != 0) out.emplace_back("SELECT").number(url.database);
  return out;
}

Status check_handshake(const ReplyView& answer, const QueueUrl& url) {
  if (!answer.is_error()) return {};
  Error error = error_of(answer.text());
  if (error.code == Errc::kInternal) error.code = Errc::kConfig;
  error.message = fmt::format("{}: {}", url.str(), error.message);
  return error;
}

SyncConnection::~SyncConnection() {
  if (fd_ >= 0) ::close(fd_);
}

SyncConnection::SyncConnection(SyncConnection&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      where_(std::move(other.where_)),
      reader_(std::move(other.reader_)) {}

SyncConnection& SyncConnection::operator=(SyncConnection&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(where_, other.where_);
  std::swap(reader_, other.reader_);
  return *this;
}

Result<SyncConnection> SyncConnection::connect(const QueueUrl& url, Duration timeout) {
  auto fd = url.unix_socket ? connect_unix(url.host_or_path, timeout) : connect_tcp(url, timeout);
  if (!fd)
    return Error{fd.error().code, fmt::format("queue {}: {}", url.str(), fd.error().message)};
  SyncConnection connection;
  connection.fd_ = *fd;
  connection.where_ = url.str();
  const auto commands = handshake_commands(url);
  auto answers = connection.run(commands, timeout);
  if (!answers) return answers.error();
  for (const Reply& answer : *answers) {
    if (Status good = check_handshake(answer.view(), url); !good) return good.error();
  }
  return connection;
}

Error SyncConnection::broken(std::string_view why) {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
  return {Errc::kUnavailable, fmt::format("queue {}: {}", where_, why)};
}

Status SyncConnection::write_some(std::string& out, size_t& sent) {
  const ssize_t n = ::send(fd_, out.data() + sent, out.size() - sent, MSG_NOSIGNAL);
  if (n < 0 && errno != EAGAIN && errno != EINTR) return broken(error_text(errno));
  if (n > 0) sent += static_cast<size_t>(n);
  return {};
}

Status SyncConnection::read_some() {
  char buffer[65536];
  const ssize_t n = ::recv(fd_, buffer, sizeof buffer, 0);
  if (n == 0) return broken("connection closed");
  if (n < 0 && errno != EAGAIN && errno != EINTR) return broken(error_text(errno));
  if (n > 0) reader_.feed(std::string_view(buffer, static_cast<size_t>(n)));
  return {};
}

Result<std::vector<Reply>> SyncConnection::run(std::span<const Command> commands,
                                               Duration timeout) {
  if (fd_ < 0) return broken("not connected");
  std::vector<Reply> answers;
  std::string out;
  size_t sent = 0, next = 0;
  while (answers.size() < commands.size()) {
    // Encoded piece by piece: a large import is not held twice.
    if (sent == out.size()) {
      out.clear();
      sent = 0;
      while (next < commands.size() && out.size() < 262144) commands[next++].write_to(out);
    }
    pollfd p{fd_, static_cast<short>(POLLIN | (sent < out.size() ? POLLOUT : 0)), 0};
    const int ready = ::poll(&p, 1, to_poll(timeout));
    if (ready == 0) return broken("timed out");
    if (ready < 0) {
      if (errno == EINTR) continue;
      return broken(error_text(errno));
    }
    if ((p.revents & POLLOUT) != 0) {
      if (Status written = write_some(out, sent); !written) return written.error();
    }
    if ((p.revents & (POLLIN | POLLHUP | POLLERR)) == 0) continue;
    if (Status read = read_some(); !read) return read.error();
    while (answers.size() < commands.size()) {
      Reply answer;
      auto whole = reader_.next(answer);
      if (!whole) return broken(whole.error().message);
      if (!*whole) break;
      answers.push_back(std::move(answer));
    }
  }
  return answers;
}

Result<Reply> SyncConnection::run(const Command& command, Duration timeout) {
  auto answers = run(std::span<const Command>(&command, 1), timeout);
  if (!answers) return answers.error();
  return std::move(answers->front());
}

}  // namespace volley::queue
