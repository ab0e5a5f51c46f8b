#include "engine/intake/stream_reader.h"

#include <gtest/gtest.h>

#include <atomic>
#include <nlohmann/json.hpp>
#include <thread>

#include "engine/intake/api.h"
#include "queue/stream.h"
#include "tests/unit/queue/redis_fixture.h"

namespace volley::intake {
namespace {

using Json = nlohmann::json;
using metrics::Metric;

struct StreamReaderTest : testing::Test {
  StreamReaderTest() { store = redis.store(); }

  StreamOptions options(const std::string& engine = "one") {
    StreamOptions out;
    out.queue = redis.url();
    out.memory_durability = true;
    out.senders = {"example.com"};
    out.engine_id = engine;
    out.on_queued = [this] { ++woken; };
    out.wait = std::chrono::milliseconds(1);
    out.patience = std::chrono::milliseconds(200);
    return out;
  }
  static Json message(const std::string& to = "ann@example.org") {
    return {{"from", "App <app@example.com>"}, {"to", to}, {"subject", "Hello"}, {"text", "Hi.\n"}};
  }
  std::string add(const std::vector<std::string>& fields) {
    std::vector<std::string> command{"XADD", stream, "*"};
    command.insert(command.end(), fields.begin(), fields.end());
    return redis.text(command);
  }
  uint64_t accepted() { return store->counts(queue::kSingleMessages)->accepted; }
  using Entry = std::map<std::string, std::string>;
  std::vector<Entry> entries(std::string_view key) {
    std::vector<Entry> out;
    const queue::Reply all = redis.run({"XRANGE", std::string(key), "-", "+"});
    for (size_t i = 0; i < all.view().size(); ++i) {
      Entry& entry = out.emplace_back();
      const queue::ReplyView fields = all.view().at(i).at(1);
      for (size_t f = 0; f + 1 < fields.size(); f += 2)
        entry[std::string(fields.at(f).text())] = fields.at(f + 1).text();
    }
    return out;
  }
  std::vector<Entry> parked() { return entries(queue::kIntakeParked); }
  // Nothing waits, nothing is pending.
  bool empty() {
    return redis.number({"XLEN", stream}) == 0 &&
           redis.run({"XPENDING", stream, "volley"}).view().at(0).number() == 0;
  }

  const std::string stream{queue::kIntakeStream};
  queue::testing::RedisServer redis;
  std::unique_ptr<queue::Store> store;
  metrics::Registry registry;
  std::atomic<int> woken{0};
};

TEST_F(StreamReaderTest, QueuesAMessageAndTellsItsId) {
  StreamReader reader(options(), registry);
  EXPECT_EQ(*reader.round(), 0u);
  const std::string id = add({"message", message().dump(), "key", "order-1"});
  EXPECT_EQ(*reader.round(), 1u);
  EXPECT_EQ(accepted(), 1u);
  EXPECT_EQ(woken, 1);
  EXPECT_TRUE(empty());
  const auto results = entries(queue::kIntakeResults);
  ASSERT_EQ(results.size(), 1u);
  EXPECT_EQ(results[0].at("entry"), id);
  EXPECT_EQ(results[0].at("key"), "order-1");
  EXPECT_EQ(store->single(results[0].at("id"))->value().state, "queued");
  EXPECT_EQ(registry.total(Metric::kIntakeAccepted), 1u);
  EXPECT_EQ(registry.total(Metric::kIntakeParked), 0u);
}

TEST_F(StreamReaderTest, WhatCannotBeSentIsParkedAsItCame) {
  StreamReader reader(options(), registry);
  Json forged = message();
  forged["from"] = "eve@example.net";
  Json nobody = message("nobody");
  const std::string first = add({"message", "{", "key", "k"});
  add({"message", forged.dump()});
  add({"message", nobody.dump()});
  add({"message", message().dump(), "reason", "mine"});
  EXPECT_EQ(*reader.round(), 4u);
  EXPECT_TRUE(empty());
  EXPECT_EQ(accepted(), 0u);
  EXPECT_EQ(woken, 0);
  const auto all = parked();
  ASSERT_EQ(all.size(), 4u);
  EXPECT_EQ(all[0].at("message"), "{");
  EXPECT_EQ(all[0].at("key"), "k");
  EXPECT_EQ(all[0].at("id"), first);
  EXPECT_NE(all[0].at("reason").find("parse error"), std::string::npos);
  EXPECT_EQ(all[1].at("message"), forged.dump());
  EXPECT_EQ(all[1].at("reason"), "from: eve@example.net is not one of the configured senders");
  EXPECT_EQ(all[2].at("reason").find("to: "), 0u);
  EXPECT_EQ(all[3].at("reason").find("unknown field \"reason\""), 0u);
  EXPECT_EQ(entries(queue::kIntakeResults).at(1).at("parked"), all[1].at("reason"));
  EXPECT_EQ(registry.total(Metric::kIntakeParked), 4u);
}

TEST_F(StreamReaderTest, NobodyMaySendWithoutSenders) {
  StreamOptions nobody = options();
  nobody.senders.clear();
  StreamReader reader(nobody, registry);
  add({"message", message().dump()});
  EXPECT_EQ(*reader.round(), 1u);
  EXPECT_EQ(accepted(), 0u);
  EXPECT_EQ(parked().size(), 1u);
}

TEST_F(StreamReaderTest, ABatchWithOneBadMessage) {
  StreamReader reader(options(), registry);
  Json good = message("a@example.org"), bad = message("b@example.org"),
       last = message("c@example.org");
  bad["colour"] = "red";
  bad["key"] = "order-2";
  add({"batch", Json{good, bad, last}.dump()});
  EXPECT_EQ(*reader.round(), 1u);
  EXPECT_EQ(accepted(), 2u);
  EXPECT_TRUE(empty());
  ASSERT_EQ(parked().size(), 1u);
  const Entry entry = parked()[0];
  EXPECT_EQ(entry.at("index"), "1");
  EXPECT_EQ(entry.at("key"), "order-2");
  EXPECT_EQ(entry.at("reason").find("unknown field \"colour\""), 0u);
  // Mended, it can be added as it is.
  Json mended = Json::parse(entry.at("message"));
  mended.erase("colour");
  add({"message", mended.dump(), "key", entry.at("key")});
  EXPECT_EQ(*reader.round(), 1u);
  EXPECT_EQ(accepted(), 3u);
  const auto results = entries(queue::kIntakeResults);
  ASSERT_EQ(results.size(), 4u);
  EXPECT_EQ(results[2].at("index"), "2");
}

TEST_F(StreamReaderTest, KeysHoldOverEntriesAndAgainstOtherBodies) {
  StreamReader reader(options(), registry);
  add({"message", message().dump(), "key", "k"});
  add({"message", message().dump(), "key", "k"});
  add({"message", message("bob@example.org").dump(), "key", "k"});
  add({"message", message().dump()});  // without a key the same again is another message
  EXPECT_EQ(*reader.round(), 4u);
  EXPECT_EQ(accepted(), 2u);
  const auto results = entries(queue::kIntakeResults);
  ASSERT_EQ(results.size(), 4u);
  EXPECT_EQ(results[0].at("id"), results[1].at("id"));
  EXPECT_EQ(results[2].at("parked"), "key: used before with another body");
  ASSERT_EQ(parked().size(), 1u);
  EXPECT_EQ(parked()[0].at("key"), "k");
  EXPECT_EQ(registry.total(Metric::kIntakeAccepted), 2u);
}

TEST_F(StreamReaderTest, AnEntryReadTwiceIsQueuedOnce) {
  // An engine queues everything, and dies before it settles: another one has read the entries by then.
  const std::string one = add({"message", message().dump()});
  add({"batch", Json{message("b@example.org"), message("c@example.org")}.dump()});
  queue::IntakeStream dead(redis.url(), true, "dead");
  ASSERT_EQ(dead.next(10, Duration())->entries.size(), 2u);
  StreamOptions take_over = options("two");
  take_over.idle = Duration();
  const auto read_them_all = [&] {
    StreamReader reader(take_over, registry);
    return *reader.round();
  };
  redis.run({"CONFIG", "SET", "maxmemory", "1"});
  {
    StreamReader refused(take_over, registry);
    EXPECT_FALSE(refused.round().ok());
    EXPECT_EQ(redis.number({"XLEN", stream}), 2);
  }
  redis.run({"CONFIG", "SET", "maxmemory", "0"});
  redis.run({"COPY", stream, "volley:kept"});
  EXPECT_EQ(read_them_all(), 2u);
  EXPECT_EQ(accepted(), 3u);
  redis.run({"COPY", "volley:kept", stream, "REPLACE"});  // as they were before they were settled
  EXPECT_EQ(read_them_all(), 2u);
  EXPECT_EQ(accepted(), 3u);
  EXPECT_TRUE(empty());
  EXPECT_EQ(registry.total(Metric::kIntakeAccepted), 3u);
  const auto results = entries(queue::kIntakeResults);
  ASSERT_EQ(results.size(), 6u);
  EXPECT_EQ(results[0].at("entry"), one);
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(results[i].at("id"), results[i + 3].at("id"));
}

TEST_F(StreamReaderTest, WhileTheQueueRefusesEntriesWaitInOrder) {
  StreamReader reader(options(), registry);
  EXPECT_EQ(*reader.round(), 0u);  // the group is there
  std::vector<std::string> ids;
  for (int i = 0; i < 40; ++i)
    ids.push_back(add(
        {"message", i % 10 == 7 ? "{" : message("u" + std::to_string(i) + "@example.org").dump()}));
  redis.run({"CONFIG", "SET", "maxmemory", "1"});
  for (int i = 0; i < 3; ++i) {
    const auto refused = reader.round();
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().code, Errc::kUnavailable);
  }
  EXPECT_EQ(redis.number({"XLEN", stream}), 40);
  redis.run({"CONFIG", "SET", "maxmemory", "0"});
  EXPECT_EQ(*reader.round() + *reader.round(), 40u);
  EXPECT_TRUE(empty());
  EXPECT_EQ(accepted(), 36u);
  EXPECT_EQ(parked().size(), 4u);
  std::vector<std::string> order;
  for (const Entry& result : entries(queue::kIntakeResults)) order.push_back(result.at("entry"));
  EXPECT_EQ(order, ids);
}

TEST_F(StreamReaderTest, WhatIsParkedIsNotParkedAgainWhileItsEntryWaits) {
  StreamReader reader(options(), registry);
  EXPECT_EQ(*reader.round(), 0u);
  add({"message", "{"});
  redis.run({"ACL", "SETUSER", "default", "-xdel"});  // parked, and then it cannot be settled
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(reader.round().ok());
  redis.run({"ACL", "SETUSER", "default", "+xdel"});
  EXPECT_EQ(*reader.round(), 1u);
  EXPECT_EQ(parked().size(), 1u);
  EXPECT_TRUE(empty());
}

TEST_F(StreamReaderTest, LargeMessagesGoInPieces) {
  StreamReader reader(options(), registry);
  Json large = message();
  large["text"] = std::string(3 << 20, 'x');
  for (int i = 0; i < 4; ++i) add({"message", large.dump()});
  EXPECT_EQ(*reader.round(), 4u);
  EXPECT_EQ(accepted(), 4u);
}

TEST_F(StreamReaderTest, ItsThreadSurvivesARestartOfRedisAndStopsAtOnce) {
  queue::testing::RedisServer kept({"--appendonly", "yes"});
  StreamOptions there = options();
  there.queue = kept.url();
  StreamReader reader(there, registry);
  reader.start();
  const auto fed = [&](const std::string& to) {
    kept.text({"XADD", stream, "*", "message", message(to).dump()});
  };
  fed("a@example.org");
  while (registry.total(Metric::kIntakeAccepted) < 1) std::this_thread::yield();
  reader.stop();
  reader.stop();
  EXPECT_EQ(woken, 1);
  fed("b@example.org");
  StreamReader second(there, registry);
  second.start();
  while (registry.total(Metric::kIntakeAccepted) < 2) std::this_thread::yield();
  kept.stop(SIGTERM);
}

}  // namespace
}  // namespace volley::intake
