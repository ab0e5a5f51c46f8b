#include "engine/smtp/providers.h"

#include <gtest/gtest.h>

namespace volley::smtp {
namespace {

TEST(Providers, BySuffixAtALabelBoundary) {
  EXPECT_EQ(provider_of("aspmx.l.google.com"), "google");
  EXPECT_EQ(provider_of("ALT1.ASPMX.L.GOOGLE.COM."), "google");
  EXPECT_EQ(provider_of("evilgoogle.com"), "");
  EXPECT_EQ(provider_of("google.com.evil.example"), "");
  EXPECT_EQ(provider_of("google.com"), "");
  EXPECT_EQ(provider_of("example-com.mail.protection.outlook.com"), "o365");
  EXPECT_EQ(provider_of("outlook-com.olc.protection.outlook.com"), "outlook");
  EXPECT_EQ(provider_of("example-com.a-v1.mx.microsoft"), "o365");
  EXPECT_EQ(provider_of("mta5.am0.yahoodns.net"), "yahoo");
  EXPECT_EQ(provider_of("mx3.mail.yahoo.co.jp"), "yahoo-jp");
  EXPECT_EQ(provider_of("mx01.mail.icloud.com"), "icloud");
  EXPECT_EQ(provider_of("smtp-in.orange.fr"), "orange");
  EXPECT_EQ(provider_of("mx1.free.fr"), "free");
  EXPECT_EQ(provider_of("mx3.free.fr"), "");
  EXPECT_EQ(provider_of("cxr.mx.a.cloudfilter.net"), "cox");
  EXPECT_EQ(provider_of("other.cloudfilter.net"), "cloudmark");
  EXPECT_EQ(provider_of(""), "");
  EXPECT_EQ(provider_of("."), "");
  EXPECT_EQ(provider_of(".google.com"), "");
}

// A relay is what the operator calls one, whatever an MX is called.
TEST(Providers, NoMxIsARelay) {
  for (const char* host : {"relay", "relay.", "smtp.relay", "relay.example.com", "mx.relay.example.com"}) {
    EXPECT_EQ(provider_of(host), "") << host;
  }
  EXPECT_EQ(family_of(kRelayProvider), Family::kRelay);
}

TEST(Providers, Limits) {
  EXPECT_EQ(provider_limits("google").connections, 5u);
  EXPECT_TRUE(provider_limits("google").tls_required);
  EXPECT_EQ(provider_limits("yahoo").messages, 20u);
  EXPECT_EQ(provider_limits("icloud").rcpts, 1u);
  EXPECT_EQ(provider_limits("orange").connections, 2u);
  EXPECT_EQ(provider_limits("nobody").connections, 10u);
  EXPECT_EQ(provider_limits("").messages, 100u);
  EXPECT_EQ(family_of("laposte"), Family::kOrange);
  EXPECT_EQ(family_of("outlook"), Family::kMicrosoft);
  EXPECT_EQ(family_of(""), Family::kGeneric);
}

}  // namespace
}  // namespace volley::smtp
