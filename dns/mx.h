// Mail exchangers of a domain: the rules of RFC 5321 section 5.1 and RFC 7505, without a resolver.
//
// Purpose  Turn an MX answer into the ordered list of hosts to try.
// Rules    Lower preference first, equal ones shuffled; no MX: the domain itself (implicit, preference 0); a single
//          "MX 0 ." is null MX; a "." among others, an IP literal or an unusable name is ignored; at most 20 hosts.
// Thread   Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/time.h"

namespace volley::dns {

struct MxHost {
  uint16_t preference = 0;
  std::string name;  // lower case, no trailing dot
};

enum class MxKind : uint8_t {
  kHosts,      // hosts has at least one
  kNullMx,     // accepts no mail: permanent, 5.1.10
  kNxDomain,   // no such domain: permanent, 5.1.2 (after a second confirmation)
  kTempFail,   // SERVFAIL, timeout, refused: try later, 4.4.3
};

struct MxAnswer {
  MxKind kind = MxKind::kTempFail;
  std::vector<MxHost> hosts;
  bool implicit = false;      // no MX record: the A/AAAA of the name
  Duration ttl{};             // clamped; of negative answers too
  std::string detail;         // "SERVFAIL from 192.0.2.53"
};

// What a resolver found, before the rules.
struct RawMx {
  bool nxdomain = false, temporary = false;
  std::vector<MxHost> records;
  Duration ttl{};
  std::string detail;
};

MxAnswer apply_mx_rules(const std::string& domain, RawMx raw, Random& random);

}  // namespace volley::dns
