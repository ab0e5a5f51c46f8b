// A real unbound on loopback with static records, for tests: private directory, high port.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>

#include "base/net/endpoint.h"

namespace volley::dns {

class Unbound {
 public:
  static bool installed();
  // nullptr: it did not start; what it wrote is printed.
  // options: what goes into the server: section, and whole sections after that.
  static std::unique_ptr<Unbound> start(const std::string& options,
                                        const std::string& modules = "iterator");
  ~Unbound();
  const net::Endpoint& address() const { return address_; }

 private:
  Unbound() = default;
  std::string directory_;
  pid_t pid_ = -1;
  net::Endpoint address_;
};

// A UDP port of loopback nobody listens on (at the moment of asking).
uint16_t free_udp_port();

}  // namespace volley::dns
