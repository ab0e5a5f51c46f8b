// From the reply to one question to what is kept of it and told: the rules for MX, TXT and TLSA.
//
// Rules    NXDOMAIN and "no such record" are answers; for TXT and TLSA they are the same one: none.
//          More than kMaxPayload bytes of TXT or TLSA are a failure: nobody needs that much, and a
//          part of them could mean something else than the whole.
//          (A and AAAA, which come in two replies, are address_rules.h's.)
// Thread   Pure.
#pragma once

#include "dns/mx.h"
#include "dns/resolver.h"
#include "dns/upstream.h"

namespace volley::dns {

inline constexpr size_t kMaxPayload = 16 << 10;

RawMx to_raw_mx(const Reply& reply);
TlsaAnswer to_tlsa_answer(const Reply& reply);
TxtAnswer to_txt_answer(const Reply& reply);

}  // namespace volley::dns
