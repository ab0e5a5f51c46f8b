#include "engine/http/listen_address.h"

#include <gtest/gtest.h>

namespace volley::http {
namespace {

TEST(ListenAddress, Reads) {
  auto v4 = parse_listen_address("127.0.0.1:8025");
  ASSERT_TRUE(v4);
  EXPECT_EQ(v4->host, "127.0.0.1");
  EXPECT_EQ(v4->port, 8025);
  EXPECT_TRUE(v4->loopback);
  auto v6 = parse_listen_address("[::1]:0");
  ASSERT_TRUE(v6);
  EXPECT_EQ(v6->str(), "[::1]:0");
  EXPECT_TRUE(v6->loopback);
  auto local = parse_listen_address("localhost:1");
  ASSERT_TRUE(local);
  EXPECT_EQ(local->str(), "127.0.0.1:1");
}

TEST(ListenAddress, WhatIsNotLoopback) {
  for (const char* text : {"0.0.0.0:80", "[::]:80", "192.0.2.1:80", "[2001:db8::1]:80"}) {
    auto address = parse_listen_address(text);
    ASSERT_TRUE(address) << text;
    EXPECT_FALSE(address->loopback) << text;
  }
}

TEST(ListenAddress, Refuses) {
  for (const char* text : {"", "8025", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:x",
                           "example.com:80", "::1:80", "[::1:80", "[127.0.0.1]:80", ":80"}) {
    auto address = parse_listen_address(text);
    ASSERT_FALSE(address) << text;
    EXPECT_EQ(address.error().code, Errc::kConfig);
  }
}

}  // namespace
}  // namespace volley::http
