// A TlsDemand as OpenSSL understands it, and OpenSSL's findings as ours.
//
// Purpose   What tls_session.cc needs to know of X.509 and DANE. No state.
// Errors    kData: a demand that cannot be met (no usable record, unusable name); kInternal: OpenSSL.
#pragma once

#include <openssl/ssl.h>

#include <string>
#include <string_view>

#include "base/net/tls_demand.h"
#include "base/result.h"

namespace volley::net {

int wire_version(TlsVersion version);

// Before the handshake. `trusted`: with kPkix, the CAs.
Status apply(const TlsDemand& demand, const std::string& server_name, SSL* ssl,
             X509_STORE* trusted);

// Same digest, same demand of the same server: what one connection has found out holds for the
// other. The order of names and records does not count.
std::string digest(const TlsDemand& demand, const std::string& server_name);

// After a full handshake.
TlsTrust find_trust(TlsDemand::Kind kind, SSL* ssl);
TlsFailure failure_of(long verify_result);

}  // namespace volley::net
