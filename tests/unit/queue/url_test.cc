#include "queue/url.h"

#include <gtest/gtest.h>

namespace volley::queue {
namespace {

TEST(QueueUrl, Tcp) {
  auto url = QueueUrl::parse("redis://user:p%40ss@redis.example.com:6380/3");
  ASSERT_TRUE(url.ok());
  EXPECT_FALSE(url->unix_socket);
  EXPECT_EQ(url->host_or_path, "redis.example.com");
  EXPECT_EQ(url->port, 6380);
  EXPECT_EQ(url->database, 3u);
  EXPECT_EQ(url->user, "user");
  EXPECT_EQ(url->password, "p@ss");
  EXPECT_EQ(url->str(), "redis://redis.example.com:6380/3");
  EXPECT_EQ(QueueUrl::parse("redis://192.0.2.1")->port, 6379);
  auto v6 = QueueUrl::parse("redis://:secret@[2001:db8::1]:7000");
  ASSERT_TRUE(v6.ok());
  EXPECT_EQ(v6->host_or_path, "2001:db8::1");
  EXPECT_EQ(v6->port, 7000);
  EXPECT_EQ(v6->user, "");
  EXPECT_EQ(v6->password, "secret");
}

TEST(QueueUrl, Unix) {
  auto url = QueueUrl::parse("redis+unix:///run/redis/r.sock?db=2");
  ASSERT_TRUE(url.ok());
  EXPECT_TRUE(url->unix_socket);
  EXPECT_EQ(url->host_or_path, "/run/redis/r.sock");
  EXPECT_EQ(url->database, 2u);
  EXPECT_EQ(url->str(), "redis+unix:///run/redis/r.sock?db=2");
}

TEST(QueueUrl, Refused) {
  for (const char* text : {"", "http://example.com", "rediss://example.com", "redis://",
                           "redis://h:0", "redis://h:99999", "redis://h:6379/x", "redis://user@h",
                           "redis+unix://relative", "redis+unix:///a?db=x", "redis://u:%zz@h"}) {
    auto url = QueueUrl::parse(text);
    ASSERT_FALSE(url.ok()) << text;
    EXPECT_EQ(url.error().code, Errc::kConfig);
  }
  EXPECT_FALSE(QueueUrl::parse("redis+unix:///" + std::string(200, 'a')).ok());
}

}  // namespace
}  // namespace volley::queue
