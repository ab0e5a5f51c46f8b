// Where an HTTP server listens: "127.0.0.1:8025", "[::1]:8025", "localhost:0".
//
// Purpose  Parse and judge: only an IP address or localhost, so that what is bound is what was
//          meant; is_loopback decides whether a token is needed.
// Thread   Pure. Errors kConfig.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace volley::http {

struct ListenAddress {
  std::string host;  // an IP address, without brackets
  uint16_t port = 0;
  bool v6 = false, loopback = false;

  std::string str() const { return (v6 ? '[' + host + ']' : host) + ':' + std::to_string(port); }
};

Result<ListenAddress> parse_listen_address(std::string_view text);

}  // namespace volley::http
