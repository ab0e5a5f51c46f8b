// A DNS reply, read from its bytes.
//
// Purpose  c-ares' own parsers drop TTLs, the SOA of negative answers and the AD flag. This walker
//          keeps what delivery needs: MX, A, AAAA, TXT and TLSA records at the end of the CNAME
//          chain that starts at the question, the smallest TTL on the way, and the negative TTL.
// Rules    RFC 1035 section 4.1; RFC 2308 section 5: negative TTL = min(TTL of SOA, its minimum);
//          RFC 2181 section 8: a TTL with the top bit set is 0. Records of other names are ignored.
// Thread   Pure.
// Errors   kProtocol for bytes that are no DNS reply; the bytes are a peer's, nothing asserts.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "dns/mx.h"
#include "dns/tlsa.h"

namespace volley::dns {

enum class RecordType : uint16_t { kA = 1, kMx = 15, kTxt = 16, kAaaa = 28, kTlsa = 52 };

struct Answer {
  unsigned rcode = 0;  // 0 NOERROR, 2 SERVFAIL, 3 NXDOMAIN, 5 REFUSED
  // The server's claim (AD). Whether it is believed is decided in upstream.h.
  bool authenticated = false;
  bool has_edns = false;   // the reply carries an OPT record
  bool referral = false;   // neither answer nor SOA, and the server does not recurse: no answer
  std::string owner;       // where the CNAMEs led, canonical; without any, the question
  std::vector<MxHost> mx;  // canonical names; "" is the root
  std::vector<std::array<uint8_t, 4>> a;
  std::vector<std::array<uint8_t, 16>> aaaa;
  std::vector<std::string> txt;  // of each record, its strings put together
  std::vector<TlsaRecord> tlsa;
  uint32_t ttl = 0;  // smallest of the records above and the CNAMEs that led there
  std::optional<uint32_t> negative_ttl;
};

Result<Answer> parse_answer(std::span<const uint8_t> packet);

}  // namespace volley::dns
