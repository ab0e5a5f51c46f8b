// TlsPlan: what one connection does about TLS, from everything that has a say in it.
//
// Purpose   plan_tls() weighs, the strictest first: the operator's word for the site; DANE (RFC 7672), which beats MTA-STS
//           (RFC 8461 section 2); MTA-STS; what a receiver's reply asked for; what the host has shown (broken TLS).
// Rules     A plan that demands TLS has no fall-back to clear text, whatever was learned about the host. `never` is the
//           operator's alone. A login (credentials) needs a verified host, but on loopback.
// Thread    Pure.
#pragma once

#include <string>

#include "base/net/stream.h"
#include "engine/delivery/host_memory.h"
#include "engine/delivery/router.h"
#include "engine/delivery/tlsa.h"
#include "engine/smtp/client_types.h"

namespace volley::delivery {

// Whose policy it is: the policy types of RFC 8460 section 4.4, and the operator's own.
enum class PolicyType : uint8_t { kNone, kOperator, kSts, kTlsa };
std::string_view to_string(PolicyType type);  // "no-policy-found", "operator", "sts", "tlsa"

struct TlsPlan {
  smtp::TlsMode mode = smtp::TlsMode::kOpportunistic;
  net::TlsStart start;  // name, demand
  PolicyType policy = PolicyType::kNone;
};

// dane: kSkipHost is the caller's to handle. host_name: as MX or relay name it.
TlsPlan plan_tls(const Path& path, std::string_view host_name, const DaneDecision& dane,
                 const HostFacts& facts, bool force_tls);

}  // namespace volley::delivery
