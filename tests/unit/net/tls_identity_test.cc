#include "base/net/tls_identity.h"

#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/net/tls_openssl.h"

namespace volley::net {
namespace {

X509Ptr parse(const TlsIdentity& identity) {
  const BioPtr bio(BIO_new_mem_buf(identity.certificate_pem.data(),
                                   static_cast<int>(identity.certificate_pem.size())));
  return X509Ptr(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
}

bool is_at(const ASN1_TIME* field, WallTime time) {
  return ASN1_TIME_cmp_time_t(field, std::chrono::system_clock::to_time_t(time)) == 0;
}

TEST(TlsIdentity, IsValidWhenTold) {
  const WallTime from = from_ms(1'600'000'000'000), to = from_ms(1'700'000'000'000);
  const auto identity = make_self_signed("mail.example.com", from, to);
  ASSERT_TRUE(identity);
  const X509Ptr certificate = parse(*identity);
  ASSERT_TRUE(certificate);
  EXPECT_TRUE(is_at(X509_get0_notBefore(certificate.get()), from));
  EXPECT_TRUE(is_at(X509_get0_notAfter(certificate.get()), to));
}

TEST(TlsIdentity, NamesAndAddresses) {
  const auto named = make_self_signed("mail.example.com");
  ASSERT_TRUE(named);
  const X509Ptr name = parse(*named);
  EXPECT_EQ(X509_check_host(name.get(), "mail.example.com", 0, 0, nullptr), 1);
  EXPECT_EQ(X509_check_host(name.get(), "other.example.com", 0, 0, nullptr), 0);
  EXPECT_EQ(X509_cmp_current_time(X509_get0_notBefore(name.get())), -1);
  EXPECT_EQ(X509_cmp_current_time(X509_get0_notAfter(name.get())), 1);

  const auto numbered = make_self_signed("2001:db8::25");
  ASSERT_TRUE(numbered);
  EXPECT_EQ(X509_check_ip_asc(parse(*numbered).get(), "2001:db8::25", 0), 1);

  for (const char* bad : {"", "a,DNS:evil.example", "*.example.com"}) {
    const auto refused = make_self_signed(bad);
    ASSERT_FALSE(refused) << bad;
    EXPECT_EQ(refused.error().code, Errc::kConfig);
  }
}

}  // namespace
}  // namespace volley::net
