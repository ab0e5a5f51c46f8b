#include "tests/unit/delivery/test_ca.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/openssl.h"

namespace volley::delivery {

namespace {

using X509Ptr = std::unique_ptr<X509, Freer<X509_free>>;
using PkeyPtr = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY_free>>;
using BioPtr = std::unique_ptr<BIO, Freer<BIO_free_all>>;

constexpr long kDay = 86400;

std::string contents(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return {data, static_cast<size_t>(size)};
}

std::string pem_of(X509* certificate) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(bio.get(), certificate);
  return contents(bio.get());
}

std::string pem_of(EVP_PKEY* key) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr);
  return contents(bio.get());
}

X509Ptr blank(const std::string& subject, EVP_PKEY* key, long from_days, long to_days) {
  static long serial = 0;
  X509Ptr out(X509_new());
  X509_set_version(out.get(), 2);
  ASN1_INTEGER_set(X509_get_serialNumber(out.get()), ++serial);
  X509_gmtime_adj(X509_getm_notBefore(out.get()), from_days * kDay);
  X509_gmtime_adj(X509_getm_notAfter(out.get()), to_days * kDay);
  X509_set_pubkey(out.get(), key);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(out.get()), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(subject.c_str()), -1, -1, 0);
  return out;
}

void add(X509* certificate, int nid, const std::string& value) {
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, nid, value.c_str());
  ASSERT_NE(extension, nullptr) << value;
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

}  // namespace

struct TestCa::Keys {
  PkeyPtr key{EVP_EC_gen("P-256")};
  X509Ptr certificate;
};

TestCa::TestCa() : keys_(std::make_unique<Keys>()) {
  X509Ptr made = blank("Test CA", keys_->key.get(), -1, 365);
  X509_set_issuer_name(made.get(), X509_get_subject_name(made.get()));
  add(made.get(), NID_basic_constraints, "critical,CA:TRUE");
  X509_sign(made.get(), keys_->key.get(), EVP_sha256());
  pem_ = pem_of(made.get());
  keys_->certificate = std::move(made);
}

TestCa::~TestCa() = default;

net::TlsIdentity TestCa::issue(const TestCertificate& wanted) const {
  const PkeyPtr key(EVP_EC_gen("P-256"));
  const X509Ptr made = blank(wanted.common_name, key.get(), wanted.from_days, wanted.to_days);
  X509_set_issuer_name(made.get(), X509_get_subject_name(keys_->certificate.get()));
  std::string names;
  for (const std::string& name : wanted.names) names += (names.empty() ? "DNS:" : ",DNS:") + name;
  if (!names.empty()) add(made.get(), NID_subject_alt_name, names);
  X509_sign(made.get(), keys_->key.get(), EVP_sha256());
  return {pem_of(made.get()), pem_of(key.get())};
}

}  // namespace volley::delivery
