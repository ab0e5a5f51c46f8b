#include "engine/delivery/settings.h"

#include <fmt/format.h>

#include <charconv>

#include "base/utf8.h"

namespace volley::delivery {
namespace {

Error bad_route(std::string_view text, std::string_view what) {
  return {Errc::kUsage,
          fmt::format("route '{}': {}; write DOMAIN=HOST:PORT, for instance '*=127.0.0.1:2525'",
                      text, what)};
}

bool is_host(std::string_view host) {
  if (host.empty() || host.size() > 253) return false;
  for (const char c : host) {
    const auto u = static_cast<unsigned char>(c);
    if (u <= ' ' || u >= 0x7f || c == '=' || c == '[' || c == ']') return false;
  }
  return true;
}

}  // namespace

std::string Route::str() const {
  const bool v6 = host.find(':') != std::string::npos;
  return fmt::format("{}={}{}{}:{}", domain, v6 ? "[" : "", host, v6 ? "]" : "", port);
}

Result<Route> parse_route(std::string_view text) {
  const size_t equals = text.find('=');
  if (equals == std::string_view::npos) return bad_route(text, "no '='");
  const std::string_view domain = text.substr(0, equals);
  std::string_view rest = text.substr(equals + 1);
  if (domain != "*" && !is_host(domain)) return bad_route(text, "the domain is not one");
  std::string_view host;
  if (rest.starts_with('[')) {
    const size_t end = rest.find(']');
    if (end == std::string_view::npos) return bad_route(text, "no ']'");
    host = rest.substr(1, end - 1);
    rest.remove_prefix(end + 1);
    if (!net::Endpoint::from_ip(host, 0)) return bad_route(text, "no address within [ ]");
  } else {
    const size_t colon = rest.find(':');
    host = rest.substr(0, colon);
    rest.remove_prefix(colon == std::string_view::npos ? rest.size() : colon);
    if (rest.find(':', 1) != std::string_view::npos) {
      return bad_route(text, "an IPv6 address needs [ ]");
    }
    if (!is_host(host)) return bad_route(text, "the host is not one");
  }
  if (!rest.starts_with(':')) return bad_route(text, "no port");
  rest.remove_prefix(1);
  unsigned port = 0;
  const auto parsed = std::from_chars(rest.data(), rest.data() + rest.size(), port);
  if (parsed.ec != std::errc{} || parsed.ptr != rest.data() + rest.size() || port == 0 ||
      port > 65535) {
    return bad_route(text, "the port must be 1 to 65535");
  }
  return Route{ascii_lower(domain), ascii_lower(host), static_cast<uint16_t>(port)};
}

}  // namespace volley::delivery
