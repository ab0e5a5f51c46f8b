#include "base/net/endpoint.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "base/hash.h"

namespace volley::net {
namespace {

struct Range {
  uint32_t network;
  int bits;
};

constexpr uint32_t ip(uint32_t a, uint32_t b, uint32_t c, uint32_t d) {
  return a << 24 | b << 16 | c << 8 | d;
}

// The IANA special-purpose registry, less the documentation ranges.
constexpr Range kNotPublic4[] = {
    {ip(0, 0, 0, 0), 8},       // "this network", and the unspecified address
    {ip(10, 0, 0, 0), 8},      // RFC 1918
    {ip(100, 64, 0, 0), 10},   // carrier-grade NAT
    {ip(127, 0, 0, 0), 8},     // loopback
    {ip(169, 254, 0, 0), 16},  // link-local
    {ip(172, 16, 0, 0), 12},   // RFC 1918
    {ip(192, 0, 0, 0), 24},    // IETF protocol assignments
    {ip(192, 168, 0, 0), 16},  // RFC 1918
    {ip(198, 18, 0, 0), 15},   // benchmarking inside one network
    {ip(224, 0, 0, 0), 4},     // multicast
    {ip(240, 0, 0, 0), 4},     // reserved, broadcast
};

bool not_public4(const uint8_t* bytes) {
  const uint32_t address = ip(bytes[0], bytes[1], bytes[2], bytes[3]);
  return std::any_of(std::begin(kNotPublic4), std::end(kNotPublic4), [&](const Range& range) {
    return (address ^ range.network) >> (32 - range.bits) == 0;
  });
}

bool starts_with(const uint8_t* bytes, std::initializer_list<uint8_t> prefix) {
  return std::equal(prefix.begin(), prefix.end(), bytes);
}

bool not_public6(const uint8_t* b) {
  // Forms that carry an IPv4 address are as public as that address: mapped, NAT64, 6to4.
  if (starts_with(b, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF})) return not_public4(b + 12);
  if (starts_with(b, {0, 0x64, 0xFF, 0x9B, 0, 0, 0, 0, 0, 0, 0, 0})) return not_public4(b + 12);
  if (starts_with(b, {0x20, 0x02})) return not_public4(b + 2);
  // Public unicast is 2000::/3 and nothing else: that leaves out ::, ::1, fc00::/7, fe80::/10, fec0::/10, ff00::/8,
  // local-use NAT64 and the deprecated IPv4-compatible form.
  if ((b[0] & 0xE0) != 0x20) return true;
  // Teredo and its neighbours, 2001:0000::/23; the documentation range 2001:db8::/32 lies outside.
  return b[0] == 0x20 && b[1] == 0x01 && (b[2] & 0xFE) == 0;
}

std::optional<uint16_t> parse_port(std::string_view text) {
  uint16_t port = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (text.empty() || error != std::errc() || stop != text.data() + text.size()) return {};
  return port;
}

}  // namespace

Endpoint Endpoint::v4(const std::array<uint8_t, 4>& address, uint16_t port) {
  Endpoint e;
  e.family_ = Family::kV4;
  e.port_ = port;
  std::copy(address.begin(), address.end(), e.bytes_.begin());
  return e;
}

Endpoint Endpoint::v6(const std::array<uint8_t, 16>& address, uint16_t port) {
  Endpoint e;
  e.family_ = Family::kV6;
  e.port_ = port;
  e.bytes_ = address;
  return e;
}

Endpoint Endpoint::unix_socket(std::string path) {
  Endpoint e;
  e.family_ = Family::kUnix;
  e.path_ = std::move(path);
  return e;
}

std::optional<Endpoint> Endpoint::from_ip(std::string_view address, uint16_t port) {
  const std::string text(address);
  if (text.size() != std::strlen(text.c_str())) return std::nullopt;
  std::array<uint8_t, 4> four{};
  if (::inet_pton(AF_INET, text.c_str(), four.data()) == 1) return v4(four, port);
  std::array<uint8_t, 16> sixteen{};
  if (::inet_pton(AF_INET6, text.c_str(), sixteen.data()) == 1) return v6(sixteen, port);
  return std::nullopt;
}

Result<Endpoint> Endpoint::parse(std::string_view text) {
  const Error error{
      Errc::kUsage,
      fmt::format("expected ADDRESS:PORT, [IPV6]:PORT or unix:/PATH, got \"{}\"", text)};
  if (text.starts_with('/')) return unix_socket(std::string(text));
  if (text.starts_with("unix:/")) return unix_socket(std::string(text.substr(5)));
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return error;
  std::string_view address = text.substr(0, colon);
  const auto port = parse_port(text.substr(colon + 1));
  if (!port) return error;
  const bool bracketed = address.size() > 2 && address.front() == '[' && address.back() == ']';
  if (bracketed) address = address.substr(1, address.size() - 2);
  const auto endpoint = from_ip(address, *port);
  if (!endpoint || (endpoint->family() == Family::kV6) != bracketed) return error;
  return *endpoint;
}

Endpoint Endpoint::with_port(uint16_t port) const {
  Endpoint e = *this;
  e.port_ = port;
  return e;
}

std::string Endpoint::host() const {
  if (family_ == Family::kUnix) return path_;
  if (family_ == Family::kNone) return "";
  char text[INET6_ADDRSTRLEN] = {};
  ::inet_ntop(family_ == Family::kV4 ? AF_INET : AF_INET6, bytes_.data(), text, sizeof text);
  return text;
}

std::string Endpoint::str() const {
  switch (family_) {
    case Family::kNone:
      return "";
    case Family::kV4:
      return fmt::format("{}:{}", host(), port_);
    case Family::kV6:
      return fmt::format("[{}]:{}", host(), port_);
    case Family::kUnix:
      return "unix:" + path_;
  }
  return "";
}

bool Endpoint::is_private_or_loopback() const {
  if (family_ == Family::kV4) return not_public4(bytes_.data());
  if (family_ == Family::kV6) return not_public6(bytes_.data());
  return true;
}

bool Endpoint::is_loopback() const {
  constexpr std::array<uint8_t, 16> kV6Loopback{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  return (family_ == Family::kV4 && bytes_[0] == 127) ||
         (family_ == Family::kV6 && bytes_ == kV6Loopback);
}

bool is_this_machine(std::string_view host) {
  if (host == "localhost") return true;
  const auto address = Endpoint::from_ip(host, 0);
  return address && address->is_loopback();
}

size_t Endpoint::hash() const {
  const uint64_t seed = static_cast<uint64_t>(family_) << 16 | port_;
  if (family_ == Family::kUnix) return xxh64(path_, seed);
  return xxh64({reinterpret_cast<const char*>(bytes_.data()), bytes_.size()}, seed);
}

}  // namespace volley::net
