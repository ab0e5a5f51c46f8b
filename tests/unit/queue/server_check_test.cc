#include "queue/server_check.h"

#include <gtest/gtest.h>

#include "tests/unit/queue/redis_fixture.h"

namespace volley::queue {
namespace {

using testing::RedisServer;

ServerFacts good() {
  ServerFacts f;
  f.version = "7.0.15";
  f.role = "master";
  f.aof = true;
  f.aof_last_write = "ok";
  f.eviction = "noeviction";
  f.appendfsync = "always";
  f.no_appendfsync_on_rewrite = "no";
  return f;
}

std::string refusal(const ServerFacts& facts, bool memory = false) {
  std::vector<std::string> warnings;
  const Status status = judge_server(facts, memory, warnings);
  if (status) return {};
  EXPECT_EQ(status.error().code, Errc::kUnavailable);
  return status.error().message;
}

TEST(ServerCheck, Judges) {
  std::vector<std::string> warnings;
  EXPECT_TRUE(judge_server(good(), false, warnings).ok());
  EXPECT_TRUE(warnings.empty());

  auto f = good();
  f.version = "6.2.7";
  EXPECT_NE(refusal(f).find("too old"), std::string::npos);
  f = good();
  f.version = "";
  EXPECT_NE(refusal(f), "");
  f = good();
  f.eviction = "allkeys-lru";
  EXPECT_NE(refusal(f).find("CONFIG SET maxmemory-policy noeviction"), std::string::npos);
  f = good();
  f.role = "slave";
  EXPECT_NE(refusal(f).find("master"), std::string::npos);
  f = good();
  f.loading = true;
  EXPECT_NE(refusal(f).find("loading"), std::string::npos);
  f = good();
  f.aof = false;
  EXPECT_NE(refusal(f).find("appendonly yes"), std::string::npos);
  EXPECT_EQ(refusal(f, /*memory=*/true), "");
  f = good();
  f.aof_last_write = "err";
  EXPECT_NE(refusal(f).find("disk"), std::string::npos);
}

TEST(ServerCheck, Warns) {
  auto f = good();
  f.appendfsync = "everysec";
  f.no_appendfsync_on_rewrite = "yes";
  std::vector<std::string> warnings;
  ASSERT_TRUE(judge_server(f, false, warnings).ok());
  ASSERT_EQ(warnings.size(), 2u);
  EXPECT_NE(warnings[0].find("everysec"), std::string::npos);
  f = good();
  f.appendfsync = "";
  warnings.clear();
  ASSERT_TRUE(judge_server(f, false, warnings).ok());
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_NE(warnings[0].find("CONFIG"), std::string::npos);
}

TEST(ServerCheck, RealServers) {
  RedisServer plain;
  auto no_aof = Store::open(plain.url());
  ASSERT_FALSE(no_aof.ok());
  EXPECT_EQ(no_aof.error().code, Errc::kUnavailable);
  EXPECT_NE(no_aof.error().message.find("appendonly"), std::string::npos);
  EXPECT_TRUE(Store::open(plain.url(), 64, true).ok());
  plain.run({"CONFIG", "SET", "maxmemory-policy", "allkeys-lru"});
  auto evicting = Store::open(plain.url(), 64, true);
  ASSERT_FALSE(evicting.ok());
  EXPECT_NE(evicting.error().message.find("noeviction"), std::string::npos);

  RedisServer durable({"--appendonly", "yes", "--appendfsync", "everysec"});
  auto warned = Store::open(durable.url());
  ASSERT_TRUE(warned.ok()) << warned.error().message;
  ASSERT_EQ((*warned)->warnings().size(), 1u);
  EXPECT_NE((*warned)->warnings()[0].find("everysec"), std::string::npos);
}

TEST(ServerCheck, MetaRecord) {
  RedisServer redis;
  auto first = redis.store(8);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->dedupe_key().size(), 32u);
  EXPECT_EQ(redis.store(8)->dedupe_key(), first->dedupe_key());
  auto other = Store::open(redis.url(), 16, true);
  ASSERT_FALSE(other.ok());
  EXPECT_EQ(other.error().code, Errc::kConfig);
  EXPECT_NE(other.error().message.find("8 partitions"), std::string::npos);
  // A newer Volley's functions stay where they are.
  redis.run({"FUNCTION", "FLUSH"});
  redis.run({"HSET", "volley:{g}:meta", "schema", "9"});
  auto newer = Store::open(redis.url(), 8, true);
  ASSERT_FALSE(newer.ok());
  EXPECT_EQ(newer.error().code, Errc::kUnavailable);
  EXPECT_NE(newer.error().message.find("schema 9"), std::string::npos);
  EXPECT_EQ(redis.run({"FUNCTION", "LIST"}).view().size(), 0u);
}

TEST(ServerCheck, OthersInTheSameRedis) {
  RedisServer redis;
  EXPECT_TRUE(redis.store(8)->warnings().empty());
  redis.run({"SET", "session:1", "x"});
  auto store = redis.store(8);
  ASSERT_EQ(store->warnings().size(), 1u);
  EXPECT_NE(store->warnings()[0].find("session:1"), std::string::npos);
  redis.run({"DEL", "session:1"});
  EXPECT_EQ(parse_info("db0:keys=3,expires=0\r\ndb4:keys=1,expires=0\r\n").databases, 2u);
}

TEST(ServerCheck, Unreachable) {
  QueueUrl url;
  url.unix_socket = true;
  url.host_or_path = "/nonexistent/r.sock";
  SyncConnection none;
  auto connection = SyncConnection::connect(url, std::chrono::seconds(1));
  ASSERT_FALSE(connection.ok());
  EXPECT_EQ(connection.error().code, Errc::kUnavailable);
  EXPECT_NE(connection.error().message.find("/nonexistent/r.sock"), std::string::npos);
  EXPECT_FALSE(none.run(Command("PING"), std::chrono::seconds(1)).ok());
}

TEST(ServerCheck, Credentials) {
  RedisServer redis;
  redis.run({"ACL", "SETUSER", "mailer", "on", ">right", "~*", "+@all"});
  QueueUrl url = redis.url();
  url.user = "mailer";
  url.password = "wrong";
  auto refused = Store::open(url, 64, true);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Errc::kNoPermission);
  url.password = "right";
  url.database = 1;
  EXPECT_TRUE(Store::open(url, 64, true).ok());
}

}  // namespace
}  // namespace volley::queue
