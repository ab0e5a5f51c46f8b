#include <gtest/gtest.h>

#include "tests/unit/queue/harness.h"

namespace volley::queue {
namespace {

using namespace testing;

class DoorTest : public ::testing::Test {
 protected:
  void SetUp() override {
    store = redis.store(1);
    ASSERT_TRUE(store);
    redis.run({"HSET", "volley:{g}:meta", "retry_wheel_ms", "1"});
    engine = std::make_unique<Engine>(redis);
    engine->own();
  }
  void start(const std::string& id, size_t chunks, size_t per_chunk,
             const std::string& domain = "example.com") {
    engine->apply(running_campaign(*store, id, chunks, per_chunk, domain));
  }

  RedisServer redis;
  std::unique_ptr<Store> store;
  std::unique_ptr<Engine> engine;
};

TEST_F(DoorTest, ClaimSettleFinish) {
  start("c", 3, 4);
  EXPECT_TRUE(engine->door.connected());
  EXPECT_GT(engine->door.queue_now_ms(), 1600000000000);
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE((**store->find("c")).state == CampaignState::kRunning);
    const Claimed claimed = engine->claim_one();
    EXPECT_EQ(claimed.destination.campaign, "c");
    EXPECT_EQ(claimed.destination.lane, Lane::kBulk);
    EXPECT_EQ(claimed.destination.tenant, "default");
    EXPECT_EQ(numbers_of(claimed.chunk), sequence(1 + 4 * static_cast<uint64_t>(i), 4));
    EXPECT_EQ(counts_of(*store, "c").in_flight, 4u);
    // The domain is being worked on: not offered to "any".
    EXPECT_TRUE(engine->claim().chunks.empty());
    ASSERT_TRUE(store->finish_if_done("c").ok());
    engine->deliver(claimed);
  }
  EXPECT_EQ(engine->claim().next_due_ms, -1);
  auto finished = engine->await<void>([&](auto done) { engine->door.finish_if_done("c", done); });
  ASSERT_TRUE(finished.ok());
  EXPECT_EQ((**store->find("c")).state, CampaignState::kFinished);
  const Counts c = counts_of(*store, "c");
  EXPECT_EQ(c.accepted, 12u);
  EXPECT_EQ(c.delivered, 12u);
  EXPECT_EQ(c.in_flight, 0u);
  size_t outcomes = 0;
  ASSERT_TRUE(store->each_outcome("c", [&](const FinalOutcome&) { return ++outcomes < 10; }).ok());
  EXPECT_EQ(outcomes, 10u);
  EXPECT_EQ(engine->door.pending(), 0u);
}

// So that nobody asks for more of a domain that has none.
TEST_F(DoorTest, AClaimSaysWhetherThereIsMore) {
  start("c", 2, 1);
  start("d", 1, 1, "other.example");
  std::map<std::string, std::vector<bool>> more;
  for (int i = 0; i < 2; ++i) {
    for (const Claimed& c : engine->claim().chunks) {
      more[c.destination.domain].push_back(c.more);
      engine->deliver(c);
    }
  }
  EXPECT_EQ(more["example.com"], (std::vector<bool>{true, false}));
  EXPECT_EQ(more["other.example"], (std::vector<bool>{false}));
}

TEST_F(DoorTest, WantedTakesMoreOfABusyDomain) {
  start("c", 4, 2);
  const Claimed first = engine->claim_one();
  auto more = engine->claim(8, {first.destination, first.destination});
  ASSERT_EQ(more.chunks.size(), 2u);
  EXPECT_EQ(numbers_of(more.chunks[0].chunk), (std::vector<uint64_t>{3, 4}));
  EXPECT_EQ(numbers_of(more.chunks[1].chunk), (std::vector<uint64_t>{5, 6}));
  engine->deliver(first, -1);
  EXPECT_TRUE(engine->claim().chunks.empty());
  engine->door.ready(0, engine->epoch, first.destination, 0);
  EXPECT_EQ(engine->claim().chunks.size(), 1u);
  Destination unknown = first.destination;
  unknown.domain = "nothing.example";
  EXPECT_TRUE(engine->claim(8, {unknown}).chunks.empty());
}

TEST_F(DoorTest, SettlingTwiceCountsOnce) {
  start("c", 1, 5);
  const Claimed claimed = engine->claim_one();
  Settlement s = engine->closing(claimed);
  s.outcomes = outcomes_of({1, 2});
  s.outcomes.push_back({3, Outcome::kBounced, 550, "5.1.1", "user3@example.com"});
  s.deferrals = 2;
  s.retries.push_back({60000, 1, chunk_of({4})});
  s.remainder_recipients = 1;
  s.remainder = chunk_of({5});
  for (int again = 0; again < 2; ++again) {
    auto result = engine->settle(s);
    ASSERT_TRUE(result.ok()) << result.error().message;
    EXPECT_EQ(*result, again == 0 ? SettleResult::kApplied : SettleResult::kAlreadyApplied);
    const Counts c = counts_of(*store, "c");
    EXPECT_EQ(c.delivered, 2u);
    EXPECT_EQ(c.bounced, 1u);
    EXPECT_EQ(c.deferrals, 2u);
    EXPECT_EQ(c.waiting_retry, 1u);
    EXPECT_EQ(c.queued, 2u);
    EXPECT_EQ(c.in_flight, 0u);
  }
  EXPECT_EQ(numbers_of(engine->claim_one().chunk), std::vector<uint64_t>{5});
  EXPECT_EQ(redis.number({"EXISTS", "volley:{p00}:f:1"}), 0);
}

TEST_F(DoorTest, PartialSettlements) {
  start("c", 1, 4);
  const Claimed claimed = engine->claim_one();
  Settlement s = engine->closing(claimed);
  s.close = false;
  s.ready_in_ms = -1;
  s.outcomes = outcomes_of({1, 2});
  s.done = pack_numbers({1, 2});
  EXPECT_EQ(*engine->settle(s), SettleResult::kApplied);
  EXPECT_EQ(*engine->settle(s), SettleResult::kAlreadyApplied);
  EXPECT_EQ(counts_of(*store, "c").in_flight, 2u);
  EXPECT_TRUE(engine->claim().chunks.empty());
  s.sequence = 2;
  s.close = true;
  s.done.clear();
  s.outcomes = outcomes_of({3});
  // One recipient is missing from it: refused, nothing lost.
  EXPECT_FALSE(engine->settle(s).ok());
  s.outcomes = outcomes_of({3, 4});
  EXPECT_EQ(*engine->settle(s), SettleResult::kApplied);
  EXPECT_EQ(counts_of(*store, "c").delivered, 4u);
}

TEST_F(DoorTest, RetriesComeBackWhenDue) {
  start("c", 2, 2);
  const Claimed claimed = engine->claim_one();
  Settlement s = engine->closing(claimed);
  s.deferrals = 2;
  s.retries.push_back({0, 1, chunk_of({1})});
  s.retries.push_back({3600000, 1, chunk_of({2})});
  ASSERT_EQ(*engine->settle(s), SettleResult::kApplied);
  EXPECT_EQ(counts_of(*store, "c").waiting_retry, 2u);
  // The wheel rounds up by a millisecond: until then there is only the fresh chunk.
  std::vector<uint64_t> got;
  while (got.size() < 3) {
    for (const Claimed& c : engine->claim().chunks) {
      for (const uint64_t n : numbers_of(c.chunk)) got.push_back(n);
      engine->deliver(c);
    }
  }
  std::sort(got.begin(), got.end());
  EXPECT_EQ(got, (std::vector<uint64_t>{1, 3, 4}));
  const ClaimReply rest = engine->claim();
  EXPECT_TRUE(rest.chunks.empty());
  EXPECT_GT(rest.next_due_ms, 3500000);
  EXPECT_LE(rest.next_due_ms, 3600001);
  EXPECT_EQ(counts_of(*store, "c").waiting_retry, 1u);
  ASSERT_TRUE(store->finish_if_done("c").ok());
  EXPECT_EQ((**store->find("c")).state, CampaignState::kRunning);
}

// At the usual wheel of five seconds.
TEST_F(DoorTest, AShortDelayTurnsAFinerWheel) {
  redis.run({"HSET", "volley:{g}:meta", "retry_wheel_ms", "5000"});
  engine = std::make_unique<Engine>(redis);
  engine->own();
  start("c", 1, 2);
  Settlement s = engine->closing(engine->claim_one());
  s.deferrals = 2;
  s.retries.push_back({1000, 1, chunk_of({1})});
  s.retries.push_back({60000, 1, chunk_of({2})});
  ASSERT_EQ(*engine->settle(s), SettleResult::kApplied);
  const auto due = [&](int i) {
    return std::stoll(redis.text(
        {"EVAL",
         "return redis.call('ZRANGE', 'volley:{p00}:rb', ARGV[1], ARGV[1], 'WITHSCORES')[2]", "0",
         std::to_string(i)}));
  };
  EXPECT_EQ(due(0) % 250, 0);
  EXPECT_EQ(due(1) % 4000, 0);
  const ClaimReply rest = engine->claim();
  EXPECT_LE(rest.next_due_ms, 1250);
}

TEST_F(DoorTest, ARestingDomainSaysWhenItIsDue) {
  start("c", 2, 1);
  engine->deliver(engine->claim_one(), 5000);
  const ClaimReply reply = engine->claim();
  EXPECT_TRUE(reply.chunks.empty());
  EXPECT_GT(reply.next_due_ms, 4000);
  EXPECT_LE(reply.next_due_ms, 5000);
}

TEST_F(DoorTest, LimitsOfAClaim) {
  for (int i = 0; i < 30; ++i) {
    start("c" + std::to_string(i), 1, 100, "d" + std::to_string(i) + ".example");
  }
  EXPECT_EQ(engine->claim(5).chunks.size(), 5u);
  ClaimRequest request;
  request.epoch = engine->epoch;
  request.max_chunks = 100;
  request.max_bytes = 1;
  auto one = engine->await<ClaimReply>([&](auto done) { engine->door.claim(request, done); });
  ASSERT_TRUE(one.ok());
  EXPECT_EQ(one->chunks.size(), 1u);
  EXPECT_EQ(one->next_due_ms, 0);
  EXPECT_EQ(engine->claim(100).chunks.size(), 24u);
}

TEST_F(DoorTest, PipelinedClaimsDoNotOverlap) {
  start("c", 6, 1);
  const Claimed first = engine->claim_one();
  std::vector<uint64_t> leases;
  ClaimRequest request;
  request.epoch = engine->epoch;
  request.wanted = {first.destination};
  for (int i = 0; i < 5; ++i) {
    engine->door.claim(request, [&](Result<ClaimReply> reply) {
      ASSERT_TRUE(reply.ok());
      for (const Claimed& c : reply->chunks) leases.push_back(c.lease);
    });
  }
  EXPECT_EQ(engine->door.pending(), 5u);
  while (engine->door.pending() > 0) engine->loop.run_once(true);
  EXPECT_EQ(leases, (std::vector<uint64_t>{2, 3, 4, 5, 6}));
}

TEST_F(DoorTest, ContentAndSuppressions) {
  start("c", 1, 1);
  auto content = engine->await<std::string>([&](auto done) { engine->door.content("c", done); });
  ASSERT_TRUE(content.ok());
  EXPECT_EQ(*content, "content of c");
  EXPECT_EQ(*store->content("c"), "content of c");
  EXPECT_FALSE(
      engine->await<std::string>([&](auto done) { engine->door.content("nobody", done); }).ok());
  EXPECT_EQ(*engine->await<std::string>([&](auto done) { engine->door.suppressions("c", done); }),
            "");
  const auto before = (**store->find("c")).suppress_revision;
  ASSERT_TRUE(store->put_suppressions("c", std::string("\0\1binary", 8)).ok());
  EXPECT_EQ(*engine->await<std::string>([&](auto done) { engine->door.suppressions("c", done); }),
            std::string("\0\1binary", 8));
  EXPECT_EQ((**store->find("c")).suppress_revision, before + 1);
}

TEST_F(DoorTest, StatusesOfEngines) {
  engine->door.publish_status(R"({"rate":1})");
  engine->door.publish_status(R"({"rate":2})");  // the first is still on its way
  while (engine->door.pending() > 0) engine->loop.run_once(true);
  auto engines = store->engines();
  ASSERT_TRUE(engines.ok());
  ASSERT_EQ(engines->size(), 1u);
  EXPECT_EQ((*engines)[0].engine, "engine-1");
  EXPECT_EQ((*engines)[0].json, R"({"rate":1})");
  EXPECT_GT((*engines)[0].at_ms, 1600000000000);
}

TEST_F(DoorTest, AStatusIsThereWhenTheStoreHasPublishedIt) {
  ASSERT_TRUE(store->publish_status("engine-9", R"({"rate":3})").ok());
  auto engines = store->engines();
  ASSERT_TRUE(engines.ok());
  ASSERT_EQ(engines->size(), 1u);
  EXPECT_EQ((*engines)[0].engine, "engine-9");
  EXPECT_EQ((*engines)[0].json, R"({"rate":3})");
}

TEST_F(DoorTest, MayBeDestroyedInItsOwnCallback) {
  start("c", 1, 1);
  auto door = std::make_unique<Door>(engine->loop, redis.url(), "engine-2");
  bool called = false;
  door->global_revision([&](const Result<uint64_t>&) {
    called = true;
    door.reset();
  });
  door->global_revision(
      [&](const Result<uint64_t>&) { ADD_FAILURE() << "called after destruction"; });
  while (!called) engine->loop.run_once(true);
  engine->loop.run_once(false);
}

TEST(DoorRestart, AnotherServerProcessIsNoticedAndABrokenConnectionIsNone) {
  RedisServer redis;
  auto store = redis.store(1);
  Engine engine(redis);
  const auto revision = [&] {
    return engine.await<uint64_t>([&](auto done) { engine.door.global_revision(done); }).ok();
  };
  ASSERT_TRUE(revision());
  redis.run({"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"});
  ASSERT_TRUE(revision());
  EXPECT_EQ(engine.door.restarts(), 0u);
  redis.stop(SIGKILL);
  redis.start();
  ASSERT_TRUE(revision());
  EXPECT_EQ(engine.door.restarts(), 1u);
}

}  // namespace
}  // namespace volley::queue
