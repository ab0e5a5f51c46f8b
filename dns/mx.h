// Mail exchangers of a domain: the rules of RFC 5321 section 5.1 and RFC 7505, without a resolver.
//
// Purpose  Turn an MX answer into the ordered list of hosts to try.
// Rules    Lower preference first, equal ones shuffled; no MX: the domain itself (implicit,
//          preference 0); a single "MX 0 ." is null MX; a "." among others, an IP literal or an
//          unusable name is ignored; at most 20 hosts. Nothing usable left is temporary: somebody
//          made a mistake that may be mended, and RFC 5321 forbids falling back to A then.
// Thread   Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "base/time.h"

namespace volley::dns {

inline constexpr size_t kMaxMxHosts = 20;

struct MxHost {
  uint16_t preference = 0;
  std::string name;  // lower case, no trailing dot
};

enum class MxKind : uint8_t {
  kHosts,     // hosts has at least one
  kNullMx,    // accepts no mail: permanent, 5.1.10
  kNxDomain,  // no such domain: permanent, 5.1.2 (after a second confirmation)
  kTempFail,  // SERVFAIL, timeout, refused: try later, 4.4.3
};

struct MxAnswer {
  MxKind kind = MxKind::kTempFail;
  std::vector<MxHost> hosts;
  bool implicit = false;  // no MX record: the A/AAAA of the name
  // DNSSEC vouches for the answer, and for the aliases that led to it; of "no MX record" as well.
  bool authenticated = false;
  Duration ttl{};      // clamped; of negative answers too
  std::string detail;  // "SERVFAIL from 192.0.2.53"
};

// What a resolver found, before the rules.
struct RawMx {
  bool nxdomain = false, temporary = false, authenticated = false;
  std::vector<MxHost> records;
  Duration ttl{};
  std::string detail;
};

MxAnswer apply_mx_rules(const std::string& domain, RawMx raw, Random& random);

// Lower case, without the trailing dot.
std::string canonical_name(std::string_view name);
// A canonical name a host may have in DNS: labels of 1 to 63 letters, digits, hyphens and
// underscores, 253 in all, the last not a number (which would make it an IP literal).
bool is_usable_name(std::string_view name);

}  // namespace volley::dns
