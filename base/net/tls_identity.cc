#include "base/net/tls_identity.h"

#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cctype>

#include "base/net/endpoint.h"
#include "base/net/tls_openssl.h"

namespace volley::net {
namespace {

using ExtensionPtr = std::unique_ptr<X509_EXTENSION, Freer<X509_EXTENSION_free>>;

std::string contents(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return std::string(data, static_cast<size_t>(size));
}

bool set_time(ASN1_TIME* field, WallTime time) {
  return ASN1_TIME_adj(field, std::chrono::system_clock::to_time_t(time), 0, 0) != nullptr;
}

bool add_extension(X509* certificate, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
  const ExtensionPtr extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
  return extension && X509_add_ext(certificate, extension.get(), -1) == 1;
}

bool fill_certificate(X509* certificate, EVP_PKEY* key, const std::string& host,
                      WallTime not_before, WallTime not_after) {
  uint64_t serial = 0;
  if (RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof serial) != 1) return false;
  const bool is_ip = Endpoint::from_ip(host, 0).has_value();
  X509_NAME* name = X509_get_subject_name(certificate);
  // A common name holds 64 characters; the subjectAltName is what counts.
  const auto common = host.substr(0, 64);
  return X509_set_version(certificate, 2) == 1 &&
         ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), serial >> 1) == 1 &&
         set_time(X509_getm_notBefore(certificate), not_before) &&
         set_time(X509_getm_notAfter(certificate), not_after) &&
         X509_set_pubkey(certificate, key) == 1 &&
         X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                                    reinterpret_cast<const unsigned char*>(common.c_str()), -1, -1,
                                    0) == 1 &&
         X509_set_issuer_name(certificate, name) == 1 &&
         add_extension(certificate, NID_subject_alt_name, (is_ip ? "IP:" : "DNS:") + host) &&
         add_extension(certificate, NID_basic_constraints, "critical,CA:TRUE") &&
         X509_sign(certificate, key, EVP_sha256()) != 0;
}

}  // namespace

Result<TlsIdentity> make_self_signed(std::string_view host, WallTime not_before,
                                     WallTime not_after) {
  const bool plain = std::all_of(host.begin(), host.end(), [](unsigned char c) {
    return std::isalnum(c) || c == '.' || c == '-' || c == ':';
  });
  if (host.empty() || !plain) {
    return Error{Errc::kConfig, "cannot make a certificate for \"" + std::string(host) + "\""};
  }
  const PkeyPtr key(EVP_EC_gen("P-256"));
  const X509Ptr certificate(X509_new());
  if (!key || !certificate ||
      !fill_certificate(certificate.get(), key.get(), std::string(host), not_before, not_after)) {
    return openssl_error(Errc::kInternal, "cannot make a certificate for " + std::string(host));
  }
  const BioPtr certificate_text(BIO_new(BIO_s_mem()));
  const BioPtr key_text(BIO_new(BIO_s_mem()));
  if (PEM_write_bio_X509(certificate_text.get(), certificate.get()) != 1 ||
      PEM_write_bio_PrivateKey(key_text.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) !=
          1) {
    return openssl_error(Errc::kInternal, "cannot write a certificate");
  }
  return TlsIdentity{contents(certificate_text.get()), contents(key_text.get())};
}

Result<TlsIdentity> make_self_signed(std::string_view host) {
  const WallTime now = wall_now();
  return make_self_signed(host, now - std::chrono::hours(24), now + std::chrono::hours(24 * 3650));
}

}  // namespace volley::net
