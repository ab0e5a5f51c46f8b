#include "tests/unit/dns/fake_server.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cctype>
#include <utility>

namespace volley::dns {

FakeServer::FakeServer(Handler handler) : handler_(std::move(handler)) {
  socket_ = ::socket(AF_INET, SOCK_DGRAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ::bind(socket_, reinterpret_cast<sockaddr*>(&address), size);
  ::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size);
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { serve(); });
}

FakeServer::~FakeServer() {
  stop_ = true;
  // An empty datagram to itself wakes it.
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  to.sin_port = htons(port_);
  ::sendto(socket_, "", 0, 0, reinterpret_cast<sockaddr*>(&to), sizeof to);
  thread_.join();
  ::close(socket_);
}

net::Endpoint FakeServer::address() const { return net::Endpoint::v4({127, 0, 0, 1}, port_); }

void FakeServer::serve() {
  while (true) {
    uint8_t buffer[4096];
    sockaddr_in from{};
    socklen_t size = sizeof from;
    ssize_t n =
        ::recvfrom(socket_, buffer, sizeof buffer, 0, reinterpret_cast<sockaddr*>(&from), &size);
    if (stop_) return;
    if (n < 17) continue;
    FakeQuestion question;
    size_t at = 12;
    while (buffer[at] != 0) {
      if (!question.name.empty()) question.name += '.';
      for (uint8_t i = 1; i <= buffer[at]; ++i) {
        question.name += static_cast<char>(std::tolower(buffer[at + i]));
      }
      at += buffer[at] + 1u;
    }
    question.type = static_cast<uint16_t>(buffer[at + 1] << 8 | buffer[at + 2]);
    question.edns = buffer[11] != 0;
    question.ad = (buffer[3] & 0x20) != 0;
    question.number = ++questions_;
    std::optional<Packet> reply = handler_(question);
    if (!reply) continue;
    reply->bytes[0] = buffer[0];
    reply->bytes[1] = buffer[1];
    ::sendto(socket_, reply->bytes.data(), reply->bytes.size(), 0,
             reinterpret_cast<sockaddr*>(&from), size);
  }
}

}  // namespace volley::dns
