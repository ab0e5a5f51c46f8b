#include "base/net/sockaddr.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <cstddef>
#include <cstring>

namespace volley::net {

Result<SockAddr> to_sockaddr(const Endpoint& endpoint) {
  SockAddr out;
  switch (endpoint.family()) {
    case Endpoint::Family::kV4: {
      sockaddr_in in{};
      in.sin_family = AF_INET;
      in.sin_port = htons(endpoint.port());
      std::memcpy(&in.sin_addr, endpoint.bytes().data(), 4);
      std::memcpy(&out.storage, &in, sizeof in);
      out.size = sizeof in;
      return out;
    }
    case Endpoint::Family::kV6: {
      sockaddr_in6 in{};
      in.sin6_family = AF_INET6;
      in.sin6_port = htons(endpoint.port());
      std::memcpy(&in.sin6_addr, endpoint.bytes().data(), 16);
      std::memcpy(&out.storage, &in, sizeof in);
      out.size = sizeof in;
      return out;
    }
    case Endpoint::Family::kUnix: {
      sockaddr_un un{};
      un.sun_family = AF_UNIX;
      if (endpoint.path().empty() || endpoint.path().size() >= sizeof un.sun_path) {
        return Error{Errc::kConnection,
                     endpoint.path() + ": a socket's path has 1 to 107 bytes; use a shorter one"};
      }
      std::memcpy(un.sun_path, endpoint.path().data(), endpoint.path().size());
      std::memcpy(&out.storage, &un, sizeof un);
      out.size =
          static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + endpoint.path().size() + 1);
      return out;
    }
    case Endpoint::Family::kNone:
      break;
  }
  return Error{Errc::kConnection, "no address"};
}

Endpoint from_sockaddr(const SockAddr& address) {
  if (address.family() == AF_INET) {
    sockaddr_in in{};
    std::memcpy(&in, &address.storage, sizeof in);
    std::array<uint8_t, 4> bytes{};
    std::memcpy(bytes.data(), &in.sin_addr, 4);
    return Endpoint::v4(bytes, ntohs(in.sin_port));
  }
  if (address.family() == AF_INET6) {
    sockaddr_in6 in{};
    std::memcpy(&in, &address.storage, sizeof in);
    std::array<uint8_t, 16> bytes{};
    std::memcpy(bytes.data(), &in.sin6_addr, 16);
    return Endpoint::v6(bytes, ntohs(in.sin6_port));
  }
  if (address.family() == AF_UNIX) {
    sockaddr_un un{};
    std::memcpy(&un, &address.storage, sizeof un);
    return Endpoint::unix_socket(
        std::string(un.sun_path, ::strnlen(un.sun_path, sizeof un.sun_path)));
  }
  return {};
}

Endpoint local_endpoint(int fd) {
  SockAddr address;
  address.size = sizeof address.storage;
  if (::getsockname(fd, address.get(), &address.size) != 0) return {};
  return from_sockaddr(address);
}

Endpoint peer_endpoint(int fd) {
  SockAddr address;
  address.size = sizeof address.storage;
  if (::getpeername(fd, address.get(), &address.size) != 0) return {};
  return from_sockaddr(address);
}

}  // namespace volley::net
