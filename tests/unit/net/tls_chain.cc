#include "tests/unit/net/tls_chain.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <cstdlib>

namespace volley::net {
namespace {

void must(bool done) {
  if (done) return;
  std::fputs("a test certificate could not be made\n", stderr);
  std::abort();
}

std::string take(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  std::string text(data, static_cast<size_t>(size));
  BIO_free(bio);
  return text;
}

void extend(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* made = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
  must(made && X509_add_ext(certificate, made, -1) == 1);
  X509_EXTENSION_free(made);
}

std::string alternative_names(const CertificateSpec& spec) {
  std::string names;
  for (const std::string& name : spec.dns) names += (names.empty() ? "DNS:" : ",DNS:") + name;
  for (const std::string& ip : spec.ips) names += (names.empty() ? "IP:" : ",IP:") + ip;
  return names;
}

}  // namespace

std::string Certificate::pem() const {
  BIO* bio = BIO_new(BIO_s_mem());
  must(PEM_write_bio_X509(bio, x509.get()) == 1);
  return take(bio);
}

std::string Certificate::key_pem() const {
  BIO* bio = BIO_new(BIO_s_mem());
  must(PEM_write_bio_PrivateKey(bio, key.get(), nullptr, nullptr, 0, nullptr, nullptr) == 1);
  return take(bio);
}

std::string Certificate::der() const {
  BIO* bio = BIO_new(BIO_s_mem());
  must(i2d_X509_bio(bio, x509.get()) == 1);
  return take(bio);
}

std::string Certificate::spki_der() const {
  BIO* bio = BIO_new(BIO_s_mem());
  must(i2d_PUBKEY_bio(bio, key.get()) == 1);
  return take(bio);
}

Certificate make_certificate(const CertificateSpec& spec, const Certificate* issuer) {
  Certificate made;
  made.key.reset(spec.rsa_bits ? EVP_RSA_gen(spec.rsa_bits) : EVP_EC_gen("P-256"), EVP_PKEY_free);
  made.x509.reset(X509_new(), X509_free);
  must(made.key && made.x509);
  X509* certificate = made.x509.get();
  X509* signer = issuer ? issuer->x509.get() : certificate;
  uint64_t serial = 0;
  must(RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof serial) == 1);
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), serial >> 1);
  const auto seconds = [](WallTime time) { return std::chrono::system_clock::to_time_t(time); };
  must(ASN1_TIME_set(X509_getm_notBefore(certificate), seconds(spec.not_before)) &&
       ASN1_TIME_set(X509_getm_notAfter(certificate), seconds(spec.not_after)));
  X509_set_pubkey(certificate, made.key.get());
  const auto* name = reinterpret_cast<const unsigned char*>(spec.common_name.c_str());
  must(X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC, name, -1,
                                  -1, 0) == 1);
  X509_set_issuer_name(certificate, X509_get_subject_name(signer));
  extend(certificate, signer, NID_basic_constraints,
         spec.is_ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
  extend(certificate, signer, NID_subject_key_identifier, "hash");
  if (issuer) extend(certificate, signer, NID_authority_key_identifier, "keyid:always");
  const std::string names = alternative_names(spec);
  if (!names.empty()) extend(certificate, signer, NID_subject_alt_name, names);
  must(X509_sign(certificate, issuer ? issuer->key.get() : made.key.get(), EVP_sha256()) != 0);
  return made;
}

TlsIdentity identity_of(const Certificate& leaf, const std::vector<Certificate>& intermediates) {
  TlsIdentity identity{leaf.pem(), leaf.key_pem()};
  for (const Certificate& next : intermediates) identity.certificate_pem += next.pem();
  return identity;
}

}  // namespace volley::net
