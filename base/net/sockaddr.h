// Endpoint to sockaddr and back, for the boxes of base/net.
//
// Errors  to_sockaddr: kConnection for a Unix path that does not fit (107 bytes), or for Endpoint::Family::kNone.
#pragma once

#include <sys/socket.h>

#include "base/net/endpoint.h"
#include "base/result.h"

namespace volley::net {

struct SockAddr {
  sockaddr_storage storage{};
  socklen_t size = 0;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
  int family() const { return storage.ss_family; }
};

Result<SockAddr> to_sockaddr(const Endpoint& endpoint);
Endpoint from_sockaddr(const SockAddr& address);
Endpoint local_endpoint(int fd);  // kNone when the socket has none
Endpoint peer_endpoint(int fd);

}  // namespace volley::net
