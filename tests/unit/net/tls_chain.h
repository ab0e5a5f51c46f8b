// Certificates for tests, made on the spot: roots, intermediates, leaves good and bad.
//
// Ownership Values that share what OpenSSL holds. Errors: abort; a test cannot go on without.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/net/tls_identity.h"
#include "base/time.h"

struct x509_st;
struct evp_pkey_st;

namespace volley::net {

struct CertificateSpec {
  std::string common_name = "Example";
  std::vector<std::string> dns{};
  std::vector<std::string> ips{};
  bool is_ca = false;
  WallTime not_before = wall_now() - std::chrono::hours(24);
  WallTime not_after = wall_now() + std::chrono::hours(24 * 365);
  unsigned rsa_bits = 0;  // 0: ECDSA P-256
};

struct Certificate {
  std::shared_ptr<x509_st> x509;
  std::shared_ptr<evp_pkey_st> key;

  std::string pem() const;
  std::string key_pem() const;
  std::string der() const;
  std::string spki_der() const;
};

// Without an issuer it signs itself.
Certificate make_certificate(const CertificateSpec& spec, const Certificate* issuer = nullptr);

// What a server with `leaf` shows.
TlsIdentity identity_of(const Certificate& leaf,
                        const std::vector<Certificate>& intermediates = {});

}  // namespace volley::net
