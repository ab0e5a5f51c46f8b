#include <gtest/gtest.h>

#include "tests/unit/queue/harness.h"

namespace volley::queue {
namespace {

using namespace testing;

// A lease that is over, and not for so long that the clock must have leapt.
std::string just_over() { return std::to_string(to_ms(wall_now()) - 1000); }

struct RecoveryTest : ::testing::Test {
  RedisServer redis;
  std::unique_ptr<Store> store = redis.store(1);
};

TEST_F(RecoveryTest, LeasesOfPartitions) {
  Engine one(redis, "one"), two(redis, "two");
  one.own();
  auto refused = two.await<Lease>([&](auto done) { two.door.own(0, 0, 60000, done); });
  ASSERT_TRUE(refused.ok());
  EXPECT_EQ(refused->epoch, 0u);
  EXPECT_EQ(refused->holder, "one");
  auto renewed = one.await<Lease>([&](auto done) { one.door.own(0, one.epoch, 60000, done); });
  EXPECT_EQ(renewed->epoch, one.epoch);
  // The same engine after a restart: at once, and fenced from its former self.
  Engine again(redis, "one");
  again.own();
  EXPECT_GT(again.epoch, one.epoch);
  ClaimRequest request;
  request.epoch = one.epoch;
  auto fenced = one.await<ClaimReply>([&](auto done) { one.door.claim(request, done); });
  ASSERT_FALSE(fenced.ok());
  EXPECT_EQ(fenced.error().code, Errc::kData);
  EXPECT_FALSE(
      one.await<void>([&](auto done) { one.door.apply(0, one.epoch, Campaign(), done); }).ok());
  // An old release changes nothing, a current one frees.
  ASSERT_TRUE(one.await<void>([&](auto done) { one.door.release(0, one.epoch, done); }).ok());
  EXPECT_EQ(two.await<Lease>([&](auto done) { two.door.own(0, 0, 60000, done); })->epoch, 0u);
  ASSERT_TRUE(again.await<void>([&](auto done) { again.door.release(0, again.epoch, done); }).ok());
  two.own();
  EXPECT_GT(two.epoch, again.epoch);
  // Expired: free for anybody.
  redis.run({"HSET", "volley:{p00}:own", "expires", just_over()});
  again.own();
  EXPECT_GT(again.epoch, two.epoch);
}

// The clock goes back by an hour: what was noted for a moment before lies an hour ahead.
TEST_F(RecoveryTest, AnHourBackHidesNothingThatIsReady) {
  Engine one(redis, "one");
  one.own();
  one.apply(running_campaign(*store, "c", 1, 2));
  const std::string doms = "volley:{p00}:b:default:doms";
  const std::string domain(redis.run({"ZRANGE", doms, "0", "0"}).view().at(0).text());
  const auto noted_for = [&](int64_t from_now) {
    redis.run({"ZADD", doms, std::to_string(*store->now_ms() + from_now), domain});
  };
  noted_for(60'000);  // it rests
  const ClaimReply resting = one.claim();
  EXPECT_TRUE(resting.chunks.empty());
  EXPECT_GT(resting.next_due_ms, 50'000);
  noted_for(3'600'000);
  EXPECT_EQ(one.claim().chunks.size(), 1u);
}

TEST_F(RecoveryTest, AnHourBackDoesNotBringDeadEnginesToLife) {
  Engine one(redis, "one");
  const auto live = [&] {
    return *one.await<uint64_t>([&](auto done) {
      one.door.publish_status("{}", [done](uint64_t engines, uint64_t) { done(engines); });
    });
  };
  const int64_t now = *store->now_ms();
  redis.run({"HSET", "volley:{g}:alive", "two", std::to_string(now)});
  EXPECT_EQ(live(), 2u);
  redis.run({"HSET", "volley:{g}:alive", "two", std::to_string(now + 3'600'000)});
  EXPECT_EQ(live(), 1u);
  // Nor does what one of them had of a canary keep that from being out.
  redis.run({"HSET", "volley:{c:c}:canary", "given", "50", "l:two",
             "7|" + std::to_string(now + 3'600'000)});
  const Grant grant = *one.await<Grant>([&](auto done) { one.door.grant("c", 0, 50, 0, done); });
  EXPECT_TRUE(grant.all_out);
}

TEST_F(RecoveryTest, PartialProgressSurvivesACrash) {
  auto one = std::make_unique<Engine>(redis, "one");
  one->own();
  one->apply(running_campaign(*store, "c", 2, 4));
  const Claimed claimed = one->claim_one();
  Settlement s = one->closing(claimed);
  s.close = false;
  s.outcomes = outcomes_of({1, 2});
  s.done = pack_numbers({1, 2});
  ASSERT_EQ(*one->settle(s), SettleResult::kApplied);
  const uint64_t old_epoch = one->epoch;
  one.reset();

  Engine two(redis, "two");
  redis.run({"HSET", "volley:{p00}:own", "expires", just_over()});
  two.own();
  const auto recovered = two.recover();
  ASSERT_EQ(recovered.size(), 1u);
  EXPECT_EQ(recovered[0].lease, claimed.lease);
  EXPECT_EQ(recovered[0].chunk, claimed.chunk);
  EXPECT_EQ(*unpack_numbers(recovered[0].done), (std::vector<uint64_t>{1, 2}));
  EXPECT_EQ(recovered[0].reclaims, 1u);
  EXPECT_TRUE(two.recover().empty());

  // The loser comes back with what it believes: its lease is another's now.
  s.sequence = 2;
  s.epoch = old_epoch;
  s.close = true;
  s.outcomes = outcomes_of({3, 4});
  EXPECT_EQ(*two.settle(s), SettleResult::kFenced);
  EXPECT_EQ(counts_of(*store, "c").delivered, 2u);

  s = two.closing(recovered[0]);
  s.outcomes = outcomes_of({3, 4});
  EXPECT_EQ(*two.settle(s), SettleResult::kApplied);
  EXPECT_EQ(counts_of(*store, "c").delivered, 4u);
  EXPECT_EQ(counts_of(*store, "c").in_flight, 0u);
  // The domain was busy under the dead owner: free for this one.
  two.deliver(two.claim_one());
  EXPECT_EQ(counts_of(*store, "c").delivered, 8u);
}

TEST_F(RecoveryTest, BusyDomainsOfADeadOwnerAreOfferedAgain) {
  Engine one(redis, "one");
  one.own();
  one.apply(running_campaign(*store, "c", 3, 1));
  one.deliver(one.claim_one(), -1);  // still working on it, it said
  EXPECT_TRUE(one.claim().chunks.empty());
  Engine again(redis, "one");
  again.own();
  EXPECT_TRUE(again.recover().empty());
  EXPECT_EQ(again.claim().chunks.size(), 1u);
}

TEST_F(RecoveryTest, DeliveredIsAFactUntilSomebodyRecovered) {
  Engine one(redis, "one");
  one.own();
  one.apply(running_campaign(*store, "c", 1, 2));
  const Claimed claimed = one.claim_one();
  Engine again(redis, "one");
  again.own();
  // A journal replayed before recovery: the old epoch still counts.
  Settlement s = one.closing(claimed);
  s.outcomes = outcomes_of({1, 2});
  EXPECT_EQ(*again.settle(s), SettleResult::kApplied);
  EXPECT_TRUE(again.recover().empty());
  EXPECT_EQ(counts_of(*store, "c").delivered, 2u);
}

TEST_F(RecoveryTest, PoisonIsParked) {
  std::unique_ptr<Engine> engine;
  uint64_t lease = 0;
  for (int crash = 0; crash <= 3; ++crash) {
    engine = std::make_unique<Engine>(redis);
    engine->own();
    if (crash == 0) {
      engine->apply(running_campaign(*store, "c", 1, 3));
      lease = engine->claim_one().lease;
    } else {
      const auto recovered = engine->recover();
      ASSERT_EQ(recovered.size(), 1u) << crash;
      EXPECT_EQ(recovered[0].reclaims, static_cast<uint32_t>(crash));
      EXPECT_EQ(recovered[0].lease, lease);
    }
  }
  engine = std::make_unique<Engine>(redis);
  engine->own();
  EXPECT_TRUE(engine->recover().empty());
  Counts c = counts_of(*store, "c");
  EXPECT_EQ(c.parked, 3u);
  EXPECT_EQ(c.in_flight, 0u);
  EXPECT_EQ(c.queued, 3u);
  EXPECT_TRUE(engine->claim().chunks.empty());

  EXPECT_EQ(*store->unpark("c"), 3u);
  EXPECT_EQ(*store->unpark("c"), 0u);
  const auto recovered = engine->recover();
  ASSERT_EQ(recovered.size(), 1u);
  c = counts_of(*store, "c");
  EXPECT_EQ(c.parked, 0u);
  EXPECT_EQ(c.in_flight, 3u);
  engine->deliver(recovered[0]);
  EXPECT_EQ(counts_of(*store, "c").delivered, 3u);
}

TEST_F(RecoveryTest, ProgressClearsTheSuspicion) {
  std::unique_ptr<Engine> engine;
  for (uint64_t crash = 0; crash < 6; ++crash) {
    engine = std::make_unique<Engine>(redis);
    engine->own();
    Claimed claimed;
    if (crash == 0) {
      engine->apply(running_campaign(*store, "c", 1, 10));
      claimed = engine->claim_one();
    } else {
      const auto recovered = engine->recover();
      ASSERT_EQ(recovered.size(), 1u) << crash;
      claimed = recovered[0];
    }
    Settlement s = engine->closing(claimed);
    s.close = false;
    s.outcomes = outcomes_of({crash + 1});
    s.done = pack_numbers(sequence(1, crash + 1));
    ASSERT_EQ(*engine->settle(s), SettleResult::kApplied);
  }
  EXPECT_EQ(counts_of(*store, "c").delivered, 6u);
  EXPECT_EQ(counts_of(*store, "c").parked, 0u);
}

// A server that lost power comes back as it was two seconds ago, while its engine lives on and remembers.
TEST_F(RecoveryTest, WhatTheServerHasForgottenIsNotTakenForAnotherChunk) {
  Engine engine(redis);
  engine.own();
  engine.apply(running_campaign(*store, "c", 3, 2));
  const Claimed forgotten = engine.claim_one();
  const std::string list = "volley:{p00}:b:default:q:c:example.com";
  // The claim never happened.
  redis.run({"LMOVE", "volley:{p00}:f:" + std::to_string(forgotten.lease), list, "LEFT", "LEFT"});
  redis.run({"DEL", "volley:{p00}:inf"});
  redis.run({"HDEL", "volley:{p00}:own", "n", "n0", "tok"});
  redis.run({"HINCRBY", "volley:{p00}:c:c", "in_flight", "-2"});
  const Claimed other = engine.claim(1, {forgotten.destination}).chunks.at(0);
  EXPECT_GT(other.lease, forgotten.lease);
  Settlement s = engine.closing(forgotten);
  s.outcomes = outcomes_of(numbers_of(forgotten.chunk));
  EXPECT_EQ(*engine.settle(s), SettleResult::kAlreadyApplied);
  EXPECT_EQ(counts_of(*store, "c").delivered, 0u);
  engine.deliver(other);
  EXPECT_EQ(counts_of(*store, "c").delivered, 2u);
  // An epoch that it forgot is nobody else's either.
  const uint64_t before = engine.epoch;
  redis.run({"HSET", "volley:{p00}:own", "epoch", "1", "owner", ""});
  Engine next(redis, "next");
  next.own();
  EXPECT_GT(next.epoch, before);
}

// Calls whose answer was lost are the same calls again: same token, same reply, nothing counted twice.
TEST_F(RecoveryTest, RepeatedClaimsAndRecoveriesGiveTheSameReply) {
  Engine engine(redis);
  engine.own();
  engine.apply(running_campaign(*store, "c", 3, 2));
  const std::string epoch = std::to_string(engine.epoch);
  const std::vector<std::string> claim = {
      "FCALL", "volley1_claim", "1", "volley:{p00}:", epoch, "900", "8", "100000", "", "0"};
  const auto first = redis.run(claim), second = redis.run(claim);
  ASSERT_EQ(first.view().at(1).size(), 1u);
  ASSERT_EQ(second.view().at(1).size(), 1u);
  for (size_t i = 0; i < 7; ++i) {
    EXPECT_EQ(first.view().at(1).at(0).at(i).text(), second.view().at(1).at(0).at(i).text());
  }
  EXPECT_EQ(counts_of(*store, "c").in_flight, 2u);

  Engine again(redis);
  again.own();
  const std::vector<std::string> recover = {"FCALL",         "volley1_recover",           "1",
                                            "volley:{p00}:", std::to_string(again.epoch), "901"};
  const auto third = redis.run(recover), fourth = redis.run(recover);
  ASSERT_EQ(third.view().size(), 1u);
  ASSERT_EQ(fourth.view().size(), 1u);
  EXPECT_EQ(fourth.view().at(0).at(6).number(), 1);
  EXPECT_EQ(fourth.view().at(0).at(4).text(), first.view().at(1).at(0).at(4).text());
}

}  // namespace
}  // namespace volley::queue
