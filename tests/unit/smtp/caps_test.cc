#include "engine/smtp/caps.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace volley::smtp {
namespace {

TEST(Caps, AllKeywords) {
  const auto caps = parse_capabilities(
      "mx.example.net\nPIPELINING\nSIZE "
      "157286400\n8BITMIME\nSTARTTLS\nENHANCEDSTATUSCODES\nCHUNKING\n"
      "SMTPUTF8\nDSN\nREQUIRETLS\nAUTH PLAIN LOGIN XOAUTH2\nAUTH=CRAM-MD5 SCRAM-SHA-256\n"
      "LIMITS MAILMAX=1000 RCPTMAX=50000 RCPTDOMAINMAX=1 OTHER=x RCPTMAX");
  EXPECT_TRUE(caps.esmtp && caps.pipelining && caps.starttls && caps.eight_bit);
  EXPECT_TRUE(caps.enhanced_codes && caps.smtputf8 && caps.chunking && caps.dsn && caps.requiretls);
  EXPECT_EQ(caps.max_size, 157286400u);
  EXPECT_EQ(caps.auth, kAuthPlain | kAuthLogin | kAuthXoauth2 | kAuthCramMd5 | kAuthScramSha256);
  EXPECT_EQ(caps.mail_max, 1000u);
  EXPECT_EQ(caps.rcpt_max, 50000u);
  EXPECT_EQ(caps.rcpt_domain_max, 1u);
  EXPECT_FALSE(caps.overflow);
}

TEST(Caps, FirstLineIsNoKeyword) {
  EXPECT_FALSE(parse_capabilities("PIPELINING").pipelining);
  EXPECT_FALSE(parse_capabilities("").pipelining);
}

TEST(Caps, OddSizesAreUnknown) {
  for (const char* size :
       {"SIZE", "SIZE 0", "SIZE -1", "SIZE 99999999999999999999", "SIZE abc", "SIZE 10k"}) {
    const auto caps = parse_capabilities(std::string("mx\n") + size);
    EXPECT_TRUE(caps.size) << size;
    EXPECT_FALSE(caps.max_size) << size;
  }
}

TEST(Caps, CaseTabsAndDuplicates) {
  const auto caps = parse_capabilities("mx\n pipelining  \nsize\t100 \nSIZE 200\nXPIPELININGX");
  EXPECT_TRUE(caps.pipelining);
  EXPECT_EQ(caps.max_size, 200u);
  EXPECT_FALSE(parse_capabilities("mx\nXPIPELINING\nPIPELININGX").pipelining);
}

TEST(Caps, MechanismsKeepTheirNames) {
  auto caps = parse_capabilities("mx\nAUTH=LOGIN plain\nAUTH GSSAPI \x1b[1m a,b NTLM");
  EXPECT_EQ(caps.auth_names, "LOGIN PLAIN GSSAPI NTLM");
  EXPECT_EQ(caps.auth, kAuthLogin | kAuthPlain);
  std::string many = "mx\nAUTH";
  for (int i = 0; i < 100; ++i) many += " X" + std::to_string(i);
  caps = parse_capabilities(many + " PLAIN");
  EXPECT_EQ(std::count(caps.auth_names.begin(), caps.auth_names.end(), ' '), 15);
  EXPECT_EQ(caps.auth, kAuthPlain);
  EXPECT_EQ(parse_capabilities("mx\nAUTH").auth_names, "");
}

TEST(Caps, TooManyKeywords) {
  std::string raw = "mx\nPIPELINING";
  for (int i = 0; i < 300; ++i) raw += "\nX" + std::to_string(i);
  raw += "\nDSN";
  const auto caps = parse_capabilities(raw);
  EXPECT_TRUE(caps.overflow);
  EXPECT_FALSE(caps.dsn);
}

}  // namespace
}  // namespace volley::smtp
