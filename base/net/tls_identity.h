// What a TLS server shows: a certificate chain and its key, as PEM.
//
// Purpose   Values for TlsContext::server(), and self-signed ones for servers nobody verifies: the sink, tests.
// Errors    kConfig (host unusable), kInternal (OpenSSL). Thread: any.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"

namespace volley::net {

struct TlsIdentity {
  std::string certificate_pem;  // leaf first, then intermediates
  std::string key_pem;
};

// ECDSA P-256, subjectAltName `host` (a name or an IP address). Whole seconds count.
Result<TlsIdentity> make_self_signed(std::string_view host, WallTime not_before,
                                     WallTime not_after);
// Valid from a day ago for 10 years.
Result<TlsIdentity> make_self_signed(std::string_view host);

}  // namespace volley::net
