#include "base/net/endpoint.h"

#include <gtest/gtest.h>

#include <unordered_set>

namespace volley::net {
namespace {

TEST(Endpoint, ParsesAndPrints) {
  for (const char* text : {"127.0.0.1:2525", "0.0.0.0:0", "[::1]:25", "[2001:db8::1]:65535",
                           "unix:/run/volley.sock"}) {
    const auto parsed = Endpoint::parse(text);
    ASSERT_TRUE(parsed) << text;
    EXPECT_EQ(parsed->str(), text);
  }
  EXPECT_EQ(Endpoint::parse("/run/x")->path(), "/run/x");
  EXPECT_EQ(Endpoint::parse("[::1]:25")->host(), "::1");
  EXPECT_EQ(Endpoint::parse("192.0.2.1:25")->port(), 25);
  EXPECT_EQ(Endpoint::parse("192.0.2.1:25")->with_port(26).str(), "192.0.2.1:26");
  EXPECT_EQ(Endpoint().str(), "");
}

TEST(Endpoint, RefusesTheRest) {
  for (const char* text : {"", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1",
                           "127.0.0.1:25x", "example.com:25", "::1:25", "[::1]", "[127.0.0.1]:25",
                           "127.1:25", "1.2.3.4.5:25", "[]:25", "127.0.0.1: 25"}) {
    const auto parsed = Endpoint::parse(text);
    EXPECT_FALSE(parsed) << text;
    if (!parsed) {
      EXPECT_EQ(parsed.error().code, Errc::kUsage);
    }
  }
  EXPECT_FALSE(Endpoint::from_ip("example.com", 1));
  EXPECT_FALSE(Endpoint::from_ip(std::string_view("127.0.0.1\0x", 11), 1));
}

TEST(Endpoint, GuardsOurOwnNetwork) {
  for (const char* ip : {"0.0.0.0",
                         "0.1.2.3",
                         "10.0.0.1",
                         "10.255.255.255",
                         "100.64.0.1",
                         "100.127.255.255",
                         "127.0.0.1",
                         "127.255.255.254",
                         "169.254.169.254",
                         "172.16.0.1",
                         "172.31.255.255",
                         "192.0.0.1",
                         "192.168.1.1",
                         "198.18.0.1",
                         "224.0.0.1",
                         "255.255.255.255",
                         "::",
                         "::1",
                         "fe80::1",
                         "fc00::1",
                         "fd12:3456::1",
                         "fec0::1",
                         "ff02::1",
                         "::ffff:127.0.0.1",
                         "::ffff:10.0.0.1",
                         "::127.0.0.1",
                         "64:ff9b::10.0.0.1",
                         "64:ff9b:1::1",
                         "2002:7f00:1::",
                         "2002:a00:1::1",
                         "2001::1",
                         "100::1"}) {
    const auto e = Endpoint::from_ip(ip, 25);
    ASSERT_TRUE(e) << ip;
    EXPECT_TRUE(e->is_private_or_loopback()) << ip;
  }
  for (const char* ip :
       {"1.1.1.1",         "9.255.255.255",   "11.0.0.0",         "100.63.255.255",
        "100.128.0.0",     "126.255.255.255", "128.0.0.1",        "172.15.255.255",
        "172.32.0.0",      "192.0.1.1",       "192.0.2.1",        "198.51.100.7",
        "203.0.113.9",     "198.17.255.255",  "223.255.255.255",  "2001:db8::1",
        "2606:4700::1111", "2a00:1450::1",    "::ffff:192.0.2.1", "64:ff9b::192.0.2.1",
        "2002:c000:201::1"}) {
    const auto e = Endpoint::from_ip(ip, 25);
    ASSERT_TRUE(e) << ip;
    EXPECT_FALSE(e->is_private_or_loopback()) << ip;
  }
  EXPECT_TRUE(Endpoint::unix_socket("/x").is_private_or_loopback());
  EXPECT_TRUE(Endpoint().is_private_or_loopback());
}

TEST(Endpoint, KnowsThisMachine) {
  for (const char* host : {"localhost", "127.0.0.1", "127.255.255.254", "::1"}) {
    EXPECT_TRUE(is_this_machine(host)) << host;
  }
  for (const char* host : {"", "localhost.example.com", "10.0.0.1", "128.0.0.1", "::2", "0.0.0.0",
                           "::", "relay.example.com", "[::1]", "127.0.0.1:25"}) {
    EXPECT_FALSE(is_this_machine(host)) << host;
  }
  EXPECT_FALSE(Endpoint::unix_socket("/x").is_loopback());
}

TEST(Endpoint, ComparesAndHashes) {
  const auto a = *Endpoint::from_ip("192.0.2.1", 25);
  const auto b = *Endpoint::from_ip("192.0.2.1", 26);
  const auto c = *Endpoint::from_ip("192.0.2.2", 25);
  const auto path = Endpoint::unix_socket("/a");
  const std::unordered_set<Endpoint> set{a, b, c, a, path, Endpoint::unix_socket("/b")};
  EXPECT_EQ(set.size(), 5u);
  EXPECT_LT(a, b);
  EXPECT_NE(a, c);
  EXPECT_EQ(a, b.with_port(25));
  EXPECT_EQ(a.hash(), b.with_port(25).hash());
}

}  // namespace
}  // namespace volley::net
