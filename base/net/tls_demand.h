// What a client demands of a TLS peer, and what came of it.
//
// Purpose   Plain values between a policy (opportunistic TLS, MTA-STS, DANE, the user's own) and the
//           streams, per connection: one TlsContext serves them all.
// Versions  `min_version` unset means: TLS 1.2 when something is demanded and enforced, else TLS 1.0.
//           Below 1.2 nothing is too weak but what OpenSSL's security level 0 refuses (DH under 1024
//           bits; export ciphers are long gone), for the alternative would be clear text (RFC 7435).
//           With 1.2, level 1 (80 bits); an enforced kPkix is at level 2 (112 bits), which every
//           public CA keeps. Anonymous ciphers are never offered.
// Thread    Values. Not for: finding out what to demand (TXT, TLSA, policies).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace volley::net {

enum class TlsVersion : unsigned char { kTls10, kTls11, kTls12, kTls13 };

// RFC 6698 section 2.1.
struct TlsaRecord {
  uint8_t usage = 0, selector = 0, matching = 0;
  std::string data;  // bytes, not hexadecimal
  bool operator==(const TlsaRecord&) const = default;
};

// For SMTP (RFC 7672 section 3.1): usage 2 or 3, a known selector and matching type, and data that
// fits them. When no record is usable, there is nothing to authenticate by: RFC 7672 section 2.2
// then wants kNone with TLS 1.2.
bool is_usable(const TlsaRecord& record);

struct TlsDemand {
  enum class Kind : unsigned char {
    kNone,  // encrypt to whoever answers
    kPkix,  // a chain to a trusted CA, nothing expired, and a name that matches
    kDane,  // usage 3: a record matches the certificate, names and dates do not count;
            // usage 2: a chain to the record's anchor, nothing expired, and a name that matches
  };
  Kind kind = Kind::kNone;
  // One must match, as it is or by a wildcard of the certificate's (a whole leftmost label). Empty:
  // the server's name. kPkix looks at subjectAltName only. An IP address must be the only name.
  std::vector<std::string> names{};
  std::vector<TlsaRecord> tlsa{};  // kDane: at least one is_usable(); the others are left out
  std::optional<TlsVersion> min_version{};
  bool enforce = true;  // false: checked and told, but never refused (MTA-STS mode "testing")
};

// By what the peer was authenticated.
enum class TlsTrust : unsigned char { kNone, kPkix, kDaneTa, kDaneEe };

// Why not, in the classes of RFC 8460 section 4.3 that a handshake can meet.
enum class TlsFailure : unsigned char {
  kNone,
  kCertificateHostMismatch,
  kCertificateExpired,
  kCertificateNotTrusted,
  kCertificateUnfit,   // another fault of it: too weak, not valid yet ("validation-failure")
  kTlsaInvalid,        // no TLSA record matches what the peer has shown
  kValidationFailure,  // anything else, broken handshakes included
};
// The peer has shown a certificate, and it was not what was demanded of it.
constexpr bool of_certificate(TlsFailure failure) {
  return failure >= TlsFailure::kCertificateHostMismatch &&
         failure <= TlsFailure::kCertificateUnfit;
}
std::string_view str(TlsFailure failure);  // "certificate-host-mismatch"; empty for kNone

}  // namespace volley::net
