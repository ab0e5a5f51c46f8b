#include "engine/http/listen_address.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <charconv>

namespace volley::http {

Result<ListenAddress> parse_listen_address(std::string_view text) {
  const Error bad{Errc::kConfig,
                  fmt::format("http listen address '{}': expected ADDRESS:PORT, such as "
                              "127.0.0.1:8025 or [::1]:8025",
                              text)};
  size_t colon = text.rfind(':');
  if (colon == text.npos) return bad;
  std::string_view host = text.substr(0, colon), port = text.substr(colon + 1);
  ListenAddress out;
  auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), out.port);
  if (error != std::errc{} || end != port.data() + port.size()) return bad;

  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    out.v6 = true;
    out.host = host.substr(1, host.size() - 2);
    in6_addr address{};
    if (inet_pton(AF_INET6, out.host.c_str(), &address) != 1) return bad;
    out.loopback = IN6_IS_ADDR_LOOPBACK(&address);
    return out;
  }
  out.host = host == "localhost" ? "127.0.0.1" : std::string(host);
  in_addr address{};
  if (inet_pton(AF_INET, out.host.c_str(), &address) != 1) return bad;
  out.loopback = ntohl(address.s_addr) >> 24 == 127;
  return out;
}

}  // namespace volley::http
