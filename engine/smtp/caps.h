// What a server's EHLO reply offers.
//
// Purpose  parse_capabilities() reads the lines after the first one of an EHLO reply, leniently: case, tabs, trailing
//          spaces, duplicates and `AUTH=` do not matter; a number that makes no sense counts as not given; at most
//          256 keywords are looked at, and with more of them pipelining is not trusted. `auth_names` holds well-formed
//          names only (RFC 4422 3.1), at most 16.
// Thread   Pure.
// RFC      5321 4.1.1.1, 1870, 2920, 3030, 3207, 3461, 4954, 6152, 6531, 9422.
// Not for  remembering: a reply counts for the session and the TLS state it was given in, nothing else.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace volley::smtp {

enum AuthMechanism : uint16_t {
  kAuthPlain = 1 << 0,
  kAuthLogin = 1 << 1,
  kAuthCramMd5 = 1 << 2,
  kAuthScramSha1 = 1 << 3,
  kAuthScramSha256 = 1 << 4,
  kAuthXoauth2 = 1 << 5,
  kAuthOauthbearer = 1 << 6,
};
const char* to_string(AuthMechanism mechanism);  // as it is registered: "SCRAM-SHA-256"

struct Capabilities {
  bool esmtp = false;  // EHLO was accepted; false after HELO
  bool pipelining = false;
  bool starttls = false;
  bool eight_bit = false;
  bool enhanced_codes = false;
  bool smtputf8 = false;
  bool chunking = false;
  bool dsn = false;
  bool requiretls = false;
  bool size = false;                 // SIZE was offered
  std::optional<uint64_t> max_size;  // absent or 0 in the offer: no fixed limit
  uint16_t auth = 0;                 // AuthMechanism bits
  std::string auth_names;            // all that was offered, for people: "GSSAPI NTLM PLAIN"
  std::optional<uint32_t> mail_max, rcpt_max, rcpt_domain_max;  // LIMITS
  bool overflow = false;                                        // more than 256 keywords
};

// `raw` as ReplyParser::raw() gives it: lines separated by '\n', the first one being the greeting.
Capabilities parse_capabilities(std::string_view raw);

}  // namespace volley::smtp
