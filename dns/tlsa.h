// TLSA records (RFC 6698): what a domain says in DNS about the certificate of a server.
//
// Purpose  The record as it was found. What it is worth (RFC 7672) is delivery's to judge.
// Thread   Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace volley::dns {

struct TlsaRecord {
  uint8_t usage = 0, selector = 0, matching = 0;
  std::string data;  // bytes, not hexadecimal; perhaps empty
  bool operator==(const TlsaRecord&) const = default;
};

// RFC 6698 section 3: "_25._tcp.mx.example.com".
inline std::string tlsa_name(std::string_view host, uint16_t port) {
  return "_" + std::to_string(port) + "._tcp." + std::string(host);
}

}  // namespace volley::dns
