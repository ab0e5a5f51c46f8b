#include "queue/stream.h"

#include <gtest/gtest.h>

#include "tests/unit/queue/harness.h"

namespace volley::queue {
namespace {

using namespace testing;

constexpr Duration kNoWait{};
const std::string kStream(kIntakeStream), kParked(kIntakeParked), kResults(kIntakeResults);

struct StreamTest : ::testing::Test {
  IntakeStream consumer(const std::string& name = "one") {
    return {redis.url(), /*memory_durability=*/true, name};
  }
  std::string add(const std::string& value) {
    return redis.text({"XADD", kStream, "*", "message", value});
  }
  static std::vector<std::string> values(const Result<IntakeBatch>& batch) {
    std::vector<std::string> out;
    if (!batch) return {batch.error().message};
    for (const IntakeEntry& entry : batch->entries)
      out.emplace_back(entry.fields.empty() ? "gone" : entry.fields[0].second);
    return out;
  }
  static std::vector<std::string_view> ids(const IntakeBatch& batch) {
    std::vector<std::string_view> out;
    for (const IntakeEntry& entry : batch.entries) out.push_back(entry.id);
    return out;
  }
  int64_t unsettled() { return redis.run({"XPENDING", kStream, "volley"}).view().at(0).number(); }
  using Strings = std::vector<std::string>;

  RedisServer redis;
};

TEST_F(StreamTest, WhatWasAddedBeforeTheFirstReaderIsReadToo) {
  const std::string id = redis.text({"XADD", kStream, "*", "message", "{}", "key", "k"});
  IntakeStream stream = consumer();
  const auto batch = stream.next(10, kNoWait);
  ASSERT_TRUE(batch.ok()) << batch.error().message;
  ASSERT_EQ(batch->entries.size(), 1u);
  const IntakeEntry& entry = batch->entries[0];
  EXPECT_EQ(entry.id, id);
  EXPECT_EQ(entry.fields, (std::vector<StreamField>{{"message", "{}"}, {"key", "k"}}));
  EXPECT_EQ(entry.bytes, 13u);
}

TEST_F(StreamTest, StaysPendingInOrderUntilSettled) {
  IntakeStream stream = consumer();
  for (const char* value : {"a", "b", "c"}) add(value);
  EXPECT_EQ(values(stream.pending(10)), Strings());
  EXPECT_EQ(values(stream.next(2, kNoWait)), (Strings{"a", "b"}));
  const auto again = stream.pending(10);
  EXPECT_EQ(values(again), (Strings{"a", "b"}));
  EXPECT_EQ(values(consumer().pending(10)), (Strings{"a", "b"}));  // after a restart
  EXPECT_EQ(values(consumer("two").pending(10)), Strings());
  ASSERT_TRUE(stream.settle(ids(*again)).ok());
  ASSERT_TRUE(stream.settle(ids(*again)).ok());  // repeated after a lost reply
  EXPECT_EQ(values(stream.pending(10)), Strings());
  EXPECT_EQ(unsettled(), 0);
  EXPECT_EQ(redis.number({"XLEN", kStream}), 1);
  EXPECT_EQ(values(stream.next(10, kNoWait)), (Strings{"c"}));
  EXPECT_EQ(values(stream.next(10, std::chrono::milliseconds(1))), Strings());
}

TEST_F(StreamTest, WhatADeadEngineLeftIsTakenOver) {
  for (const char* value : {"a", "b", "c"}) add(value);
  IntakeStream dead = consumer("dead"), alive = consumer("alive");
  ASSERT_EQ(values(dead.next(2, kNoWait)), (Strings{"a", "b"}));
  EXPECT_EQ(*alive.claim_idle(std::chrono::hours(1), 10), 0u);
  EXPECT_EQ(*alive.claim_idle(kNoWait, 1), 1u);
  EXPECT_EQ(*alive.claim_idle(kNoWait, 1), 1u);  // goes on behind the first
  EXPECT_EQ(values(alive.pending(10)), (Strings{"a", "b"}));
  EXPECT_EQ(values(dead.pending(10)), Strings());
}

TEST_F(StreamTest, WhatSomebodyDeletedIsSettled) {
  const std::string id = add("a");
  IntakeStream stream = consumer();
  ASSERT_EQ(values(stream.next(1, kNoWait)), (Strings{"a"}));
  redis.run({"XDEL", kStream, id});  // as a crash in the middle of settle() leaves it
  const auto left = stream.pending(10);
  EXPECT_EQ(values(left), (Strings{"gone"}));
  ASSERT_TRUE(stream.settle(ids(*left)).ok());
  EXPECT_EQ(unsettled(), 0);
}

TEST_F(StreamTest, ADeletedStreamIsMadeAnew) {
  IntakeStream stream = consumer();
  EXPECT_EQ(values(stream.next(1, kNoWait)), Strings());
  redis.run({"DEL", kStream});
  add("a");
  EXPECT_EQ(*stream.claim_idle(kNoWait, 10), 0u);
  EXPECT_EQ(values(stream.next(1, kNoWait)), (Strings{"a"}));
}

TEST_F(StreamTest, AnotherThingUnderItsNameIsSaid) {
  redis.run({"SET", kStream, "x"});
  const auto batch = consumer().next(1, kNoWait);
  ASSERT_FALSE(batch.ok());
  EXPECT_NE(batch.error().message.find("WRONGTYPE"), std::string::npos) << batch.error().message;
}

TEST_F(StreamTest, AFullRedisRefusesToParkAndStillReadsAndSettles) {
  IntakeStream stream = consumer();
  EXPECT_EQ(values(stream.next(1, kNoWait)), Strings());
  add("a");
  redis.run({"CONFIG", "SET", "maxmemory", "1"});
  const auto batch = stream.next(1, kNoWait);
  ASSERT_EQ(values(batch), (Strings{"a"}));
  const std::vector<StreamField> fields{{"message", "a"}, {"reason", "bad"}};
  const Status refused = stream.park(fields);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Errc::kUnavailable);
  EXPECT_EQ(*stream.claim_idle(kNoWait, 10), 1u);
  EXPECT_EQ(values(stream.pending(10)), (Strings{"a"}));
  ASSERT_TRUE(stream.settle(ids(*batch)).ok());
  redis.run({"CONFIG", "SET", "maxmemory", "0"});
  ASSERT_TRUE(stream.park(fields).ok());
  const Reply parked = redis.run({"XRANGE", kParked, "-", "+"});
  ASSERT_EQ(parked.view().size(), 1u);
  EXPECT_EQ(parked.view().at(0).at(1).at(3).text(), "bad");
}

TEST_F(StreamTest, ResultsAndBacklog) {
  auto store = redis.store(1);
  EXPECT_EQ(store->intake_backlog()->waiting, 0u);
  IntakeStream stream = consumer();
  ASSERT_TRUE(stream.publish({}).ok());
  const std::vector<std::vector<StreamField>> results{{{"entry", "1-0"}, {"id", "x"}},
                                                      {{"entry", "2-0"}, {"id", "y"}}};
  ASSERT_TRUE(stream.publish(results).ok());
  const Reply told = redis.run({"XRANGE", kResults, "-", "+"});
  ASSERT_EQ(told.view().size(), 2u);
  EXPECT_EQ(told.view().at(1).at(1).at(1).text(), "2-0");
  add("a");
  const std::vector<StreamField> fields{{"reason", "bad"}};
  ASSERT_TRUE(stream.park(fields).ok());
  ASSERT_TRUE(stream.park(fields).ok());
  EXPECT_EQ(store->intake_backlog()->waiting, 1u);
  EXPECT_EQ(store->intake_backlog()->parked, 2u);
}

}  // namespace
}  // namespace volley::queue
