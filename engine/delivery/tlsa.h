// DANE for SMTP (RFC 7672): what the TLSA records of a mail exchanger oblige us to.
//
// Purpose  tlsa_bases(): where to look, if at all. decide_dane(): what the answer means.
// Rules    DANE is only where DNSSEC vouches for the MX answer, the host's addresses and the TLSA records,
//          aliases included. A host behind an alias: the name it leads to first, then its own; the next one
//          only after kNone. An answer that failed (SERVFAIL is also "bogus") is no absence: an attacker
//          must not be able to switch DANE off. Where the addresses are not vouched for nobody asks: there
//          are name servers that choke on TLSA.
//          Usable (3.1): usages 2 and 3; selectors 0 and 1; matching types 0, 1, 2 with data that fits.
// Names    The base is for SNI. For usage 2 a certificate may name the base or the recipient's domain
//          (3.2.2); for usage 3 names and dates do not count (3.1.1).
// Thread   Pure.
// Not for  An alias in a signed zone that leads into an unsigned one: it counts as not vouched for.
//          Comparing certificates: the handshake does (base/net).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/net/tls_demand.h"
#include "dns/resolver.h"

namespace volley::delivery {

enum class DaneVerdict : uint8_t {
  kNone,          // no DANE: TLS as other policies have it
  kAuthenticate,  // TLS is a must, and one of the records has to match
  kEncrypt,       // TLS is a must; there is nothing to authenticate the host by
  kSkipHost,      // not this host now: another one, or later
};

struct DaneDecision {
  DaneVerdict verdict = DaneVerdict::kNone;
  std::vector<net::TlsaRecord> records;  // with kAuthenticate: the usable ones
  std::string base;                      // the name they are of
  std::string detail;                    // why kEncrypt or kSkipHost
};

// Hosts to ask tlsa() for, in this order. Empty: DANE does not apply.
std::vector<std::string> tlsa_bases(bool mx_authenticated, std::string_view mx_host,
                                    const dns::AddressAnswer& addresses);

DaneDecision decide_dane(std::string_view base, const dns::TlsaAnswer& answer);

// Of RFC 8460: "dnssec-invalid", "tlsa-invalid"; "" when nothing is wrong.
std::string_view result_type(DaneVerdict verdict);

}  // namespace volley::delivery
