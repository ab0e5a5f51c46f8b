#include "base/hmac.h"

#include <gtest/gtest.h>

#include "base/hash.h"

namespace volley {
namespace {

std::string hex(std::string_view bytes) {
  return to_hex(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
}

std::string stretched(Digest digest, std::string_view password, std::string_view salt, uint32_t n,
                      uint32_t portion) {
  Pbkdf2 pbkdf2(digest, password, salt, n);
  while (!pbkdf2.advance(portion)) {
  }
  return hex(pbkdf2.key());
}

TEST(Hmac, Vectors) {
  // RFC 2202, test case 2 for MD5 and SHA-1; RFC 4231 the same for SHA-256.
  constexpr std::string_view kText = "what do ya want for nothing?";
  EXPECT_EQ(hex(hmac(Digest::kMd5, "Jefe", kText)), "750c783e6ab0b503eaa86e310a5db738");
  EXPECT_EQ(hex(hmac(Digest::kSha1, "Jefe", kText)), "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
  EXPECT_EQ(hex(hmac(Digest::kSha256, "Jefe", kText)),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  // RFC 4231, test case 6: a key longer than a block.
  EXPECT_EQ(hex(hmac(Digest::kSha256, std::string(131, '\xaa'),
                     "Test Using Larger Than Block-Size Key - Hash Key First")),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
  EXPECT_EQ(hex(hmac(Digest::kSha256, {}, {})),
            "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

TEST(Hmac, DigestsAreThoseOfOthers) {
  EXPECT_EQ(hex(digest_of(Digest::kMd5, "abc")), "900150983cd24fb0d6963f7d28e17f72");
  EXPECT_EQ(hex(digest_of(Digest::kSha1, "abc")), "a9993e364706816aba3e25717850c26c9cd0d89d");
  EXPECT_EQ(hex(digest_of(Digest::kSha256, "abc")), to_hex(Sha256::of("abc")));
  EXPECT_TRUE(is_available(Digest::kSha256));
}

TEST(Pbkdf2, Vectors) {
  // RFC 6070.
  EXPECT_EQ(stretched(Digest::kSha1, "password", "salt", 1, 100),
            "0c60c80f961f0e71f3a9b524af6012062fe037a6");
  EXPECT_EQ(stretched(Digest::kSha1, "password", "salt", 2, 100),
            "ea6c014dc72d6f8ccd1ed92ace1d41f0d8de8957");
  EXPECT_EQ(stretched(Digest::kSha256, "password", "salt", 4096, 100000),
            "c5e478d59288c841aa530db6845c4c8d962893a001ce4e11a4963873aa98134a");
}

TEST(Pbkdf2, PortionsDoNotMatter) {
  const std::string whole = stretched(Digest::kSha256, "pencil", "salt", 1000, 1000);
  for (const uint32_t portion : {1u, 7u, 999u, 5000u}) {
    EXPECT_EQ(stretched(Digest::kSha256, "pencil", "salt", 1000, portion), whole) << portion;
  }
}

TEST(Secrets, EqualOnlyWhenEqual) {
  EXPECT_TRUE(equal_secrets("", ""));
  EXPECT_TRUE(equal_secrets("abc", "abc"));
  EXPECT_FALSE(equal_secrets("abc", "abd"));
  EXPECT_FALSE(equal_secrets("abc", "ab"));
}

TEST(Secrets, WipedIsEmptyAndOverwritten) {
  std::string secret = "a secret longer than what a string holds in itself";
  secret.reserve(100);
  const char* memory = secret.data();
  wipe(secret);
  EXPECT_TRUE(secret.empty());
  secret.resize(1);  // the memory is still the string's own
  EXPECT_EQ(memory, secret.data());
  EXPECT_EQ(std::string_view(memory + 2, 10), std::string_view("\0\0\0\0\0\0\0\0\0\0", 10));
}

}  // namespace
}  // namespace volley
