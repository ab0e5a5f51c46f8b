// Where a peer is: an IP address and port, or the path of a Unix socket.
//
// Purpose   A value to parse, print, compare and hash; bytes in network order, no system headers
// needed. Thread    Pure. Errors    parse(): kUsage with what was expected. Guard
// is_private_or_loopback() is what keeps mail (whose DNS a stranger writes) away from our own
// network: it is
//           true for everything that is not a public unicast address. The documentation ranges (RFC
//           5737, RFC 3849) count as public: nobody is there, and examples and tests need
//           addresses.
// Not for   Names: dns/ turns those into addresses.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace volley::net {

class Endpoint {
 public:
  enum class Family : uint8_t { kNone, kV4, kV6, kUnix };

  Endpoint() = default;  // kNone: nowhere
  static Endpoint v4(const std::array<uint8_t, 4>& address, uint16_t port);
  static Endpoint v6(const std::array<uint8_t, 16>& address, uint16_t port);
  static Endpoint unix_socket(std::string path);
  // An address without a port or brackets: "192.0.2.1", "2001:db8::1". nullopt: not an address
  // (perhaps a name).
  static std::optional<Endpoint> from_ip(std::string_view address, uint16_t port);
  // "192.0.2.1:25", "[2001:db8::1]:25", "unix:/path", "/path". The port is required and may be 0.
  static Result<Endpoint> parse(std::string_view text);

  Family family() const { return family_; }
  bool is_ip() const { return family_ == Family::kV4 || family_ == Family::kV6; }
  uint16_t port() const { return port_; }
  Endpoint with_port(uint16_t port) const;
  // 4 bytes in front for kV4, 16 for kV6.
  const std::array<uint8_t, 16>& bytes() const { return bytes_; }
  const std::string& path() const { return path_; }

  std::string str() const;   // what parse() reads; "unix:/path"; "" for kNone
  std::string host() const;  // the address alone, without brackets; the path of a Unix socket
  bool is_private_or_loopback() const;
  bool is_loopback() const;  // 127.0.0.0/8, ::1

  bool operator==(const Endpoint&) const = default;
  std::strong_ordering operator<=>(const Endpoint&) const = default;
  size_t hash() const;

 private:
  Family family_ = Family::kNone;
  uint16_t port_ = 0;
  std::array<uint8_t, 16> bytes_{};
  std::string path_;
};

// A host as one writes it in a configuration: "localhost", or a loopback address. What is said to it does not leave here.
bool is_this_machine(std::string_view host);

}  // namespace volley::net

template <>
struct std::hash<volley::net::Endpoint> {
  size_t operator()(const volley::net::Endpoint& e) const { return e.hash(); }
};
