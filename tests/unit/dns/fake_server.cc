#include "tests/unit/dns/fake_server.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cctype>
#include <cstdlib>
#include <utility>

namespace volley::dns {

namespace {

constexpr size_t kMostByUdp = 1232;
constexpr unsigned kTruncated = 0x0200;

sockaddr_in loopback(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

bool bind_to(int fd, uint16_t port) {
  const sockaddr_in address = loopback(port);
  return ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

bool read_all(int fd, uint8_t* to, size_t size) {
  for (size_t at = 0; at < size;) {
    const ssize_t n = ::recv(fd, to + at, size - at, 0);
    if (n <= 0) return false;
    at += static_cast<size_t>(n);
  }
  return true;
}

}  // namespace

FakeServer::FakeServer(Handler handler) : handler_(std::move(handler)) {
  // The same port for both; another one in the rare case that somebody has it for TCP.
  for (int attempt = 0; attempt < 20; ++attempt) {
    socket_ = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    socklen_t size = sizeof address;
    if (!bind_to(socket_, 0)) ::abort();
    ::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind_to(listener_, port_) && ::listen(listener_, 16) == 0) break;
    ::close(socket_);
    ::close(listener_);
  }
  thread_ = std::thread([this] { serve(); });
}

FakeServer::~FakeServer() {
  stop_ = true;
  // An empty datagram to itself wakes it.
  const sockaddr_in to = loopback(port_);
  ::sendto(socket_, "", 0, 0, reinterpret_cast<const sockaddr*>(&to), sizeof to);
  thread_.join();
  ::close(socket_);
  ::close(listener_);
}

net::Endpoint FakeServer::address() const { return net::Endpoint::v4({127, 0, 0, 1}, port_); }

void FakeServer::serve() {
  while (!stop_) {
    std::array<pollfd, 2> fds{{{socket_, POLLIN, 0}, {listener_, POLLIN, 0}}};
    ::poll(fds.data(), fds.size(), -1);
    if (stop_) return;
    if (fds[0].revents != 0) answer_datagram();
    if (fds[1].revents != 0) answer_connection();
  }
}

std::optional<Packet> FakeServer::reply_to(const uint8_t* query) {
  FakeQuestion question;
  size_t at = 12;
  while (query[at] != 0) {
    if (!question.name.empty()) question.name += '.';
    for (uint8_t i = 1; i <= query[at]; ++i) {
      question.name += static_cast<char>(std::tolower(query[at + i]));
    }
    at += query[at] + 1u;
  }
  question.type = static_cast<uint16_t>(query[at + 1] << 8 | query[at + 2]);
  question.edns = query[11] != 0;
  question.ad = (query[3] & 0x20) != 0;
  question.number = ++questions_;
  std::optional<Packet> reply = handler_(question);
  if (!reply) return std::nullopt;
  if (reply->bytes.size() > kMostByUdp && !by_tcp_) {
    const auto flags = static_cast<uint16_t>(reply->bytes[2] << 8 | reply->bytes[3] | kTruncated);
    reply.emplace(question.name, question.type, flags).opt();
  }
  reply->bytes[0] = query[0];
  reply->bytes[1] = query[1];
  return reply;
}

void FakeServer::answer_datagram() {
  std::array<uint8_t, 4096> buffer{};
  sockaddr_in from{};
  socklen_t size = sizeof from;
  const ssize_t n = ::recvfrom(socket_, buffer.data(), buffer.size(), 0,
                               reinterpret_cast<sockaddr*>(&from), &size);
  if (stop_ || n < 17) return;
  const std::optional<Packet> reply = reply_to(buffer.data());
  if (!reply) return;
  ::sendto(socket_, reply->bytes.data(), reply->bytes.size(), 0, reinterpret_cast<sockaddr*>(&from),
           size);
}

// One question a connection.
void FakeServer::answer_connection() {
  const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
  if (fd < 0) return;
  std::array<uint8_t, 2> length{};
  std::array<uint8_t, 4096> buffer{};
  const bool asked = read_all(fd, length.data(), length.size()) && length[0] < 16 &&
                     read_all(fd, buffer.data(), static_cast<size_t>(length[0] << 8 | length[1]));
  by_tcp_ = true;
  const std::optional<Packet> reply = asked ? reply_to(buffer.data()) : std::nullopt;
  by_tcp_ = false;
  if (reply) {
    std::vector<uint8_t> out{static_cast<uint8_t>(reply->bytes.size() >> 8),
                             static_cast<uint8_t>(reply->bytes.size())};
    out.insert(out.end(), reply->bytes.begin(), reply->bytes.end());
    // Small enough for the socket's buffer.
    (void)!::send(fd, out.data(), out.size(), MSG_NOSIGNAL);
  }
  ::close(fd);
}

}  // namespace volley::dns
