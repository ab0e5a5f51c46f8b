#include "engine/cli/address_match.h"

#include <gtest/gtest.h>

namespace volley::cli {
namespace {

TEST(AddressMatch, IsNamedInWords) {
  const auto match = AddressMatch::make("Bob@Example.com");
  ASSERT_TRUE(match.ok());
  for (const char* text : {"bob@example.com", "550 <BOB@EXAMPLE.COM>: unknown", R"({"to":"Bob <bob@example.com>"})",
                           "mailto:bob@example.com.", "'bob@example.com'", "x,bob@example.com,y", "jbob@example.com bob@example.com"}) {
    EXPECT_TRUE(match->named_in(text)) << text;
    EXPECT_TRUE(match->may_be_in(text)) << text;
  }
  for (const char* text : {"", "bob", "bob@example.org", "jbob@example.com", "a.bob@example.com", "bob@example.com.au", "bob@sub.example.com"}) {
    EXPECT_FALSE(match->named_in(text)) << text;
  }
}

TEST(AddressMatch, IsNamedHoweverItIsWritten) {
  const auto quoted = AddressMatch::make(R"("bob smith"@example.com)");
  ASSERT_TRUE(quoted.ok());
  EXPECT_TRUE(quoted->named_in(R"({"recipient":"\"Bob Smith\"@example.com"})"));
  EXPECT_TRUE(quoted->named_in(R"(<"bob smith"@example.com>)"));
  const auto foreign = AddressMatch::make("bob@b\xc3\xbc" "cher.example");
  ASSERT_TRUE(foreign.ok());
  EXPECT_TRUE(foreign->named_in("<bob@xn--bcher-kva.example>"));
  EXPECT_TRUE(foreign->named_in("<bob@b\xc3\xbc" "cher.example>"));
}

}  // namespace
}  // namespace volley::cli
