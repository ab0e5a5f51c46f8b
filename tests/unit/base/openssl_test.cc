#include "base/openssl.h"

#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#include <memory>

namespace volley {
namespace {

int freed = 0;
void note(int* object) { freed += *object; }

TEST(Openssl, SaysTheReasonAndForgetsIt) {
  ERR_clear_error();
  EXPECT_EQ(openssl_error(Errc::kInternal, "no key").message, "no key");
  ERR_raise(ERR_LIB_EVP, EVP_R_UNSUPPORTED_ALGORITHM);
  const Error error = openssl_error(Errc::kConfig, "no key");
  EXPECT_EQ(error.code, Errc::kConfig);
  EXPECT_EQ(error.message, "no key: unsupported algorithm");
  EXPECT_EQ(ERR_peek_error(), 0u);
  EXPECT_EQ(openssl_reason("failed"), "failed");
}

TEST(Openssl, FreesByTheFunctionGiven) {
  int object = 7;
  { const std::unique_ptr<int, Freer<note>> owner(&object); }
  EXPECT_EQ(freed, 7);
}

}  // namespace
}  // namespace volley
