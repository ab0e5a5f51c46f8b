#include <gtest/gtest.h>

#include "queue/keys.h"
#include "tests/unit/queue/walker.h"

namespace volley::queue {
namespace {

using namespace testing;

class WalkTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(store);
    engine = std::make_unique<Engine>(redis);
    engine->own();
  }
  void import(const std::string& id, size_t chunks, size_t per_chunk,
              const std::string& domain = "example.com") {
    engine->apply(running_campaign(*store, id, chunks, per_chunk, domain));
  }
  // The rest of a claimed chunk waits.
  void defer(const Claimed& claimed, int64_t delay_ms = 3600000) {
    Settlement s = engine->closing(claimed);
    const auto list = numbers_of(claimed.chunk);
    s.deferrals = static_cast<uint32_t>(list.size());
    s.retries.push_back({delay_ms, static_cast<uint32_t>(list.size()), claimed.chunk});
    ASSERT_EQ(*engine->settle(s), SettleResult::kApplied);
  }

  RedisServer redis;
  std::unique_ptr<Store> store = redis.store(1);
  std::unique_ptr<Engine> engine;
};

TEST_F(WalkTest, EverybodyOnceWhereverTheyLie) {
  import("c", 50, 3);                           // more elements than two pages
  defer(engine->claim_one());                   // 1 to 3
  const Claimed claimed = engine->claim_one();  // 4 to 6
  Settlement s = engine->closing(claimed);
  s.close = false;
  s.outcomes = outcomes_of({5});
  s.done = pack_numbers({5});
  ASSERT_EQ(*engine->settle(s), SettleResult::kApplied);
  const Seen seen = walk_of(*store);
  EXPECT_EQ(seen.at.at(Where::kWaiting), numbers(1, 3));
  EXPECT_EQ(seen.at.at(Where::kInFlight), (Numbers{4, 6}));  // what is settled is not queued
  EXPECT_EQ(seen.at.at(Where::kReady), numbers(7, 144));
  EXPECT_EQ(seen.all().size(), counts_of(*store, "c").queued);
  EXPECT_TRUE(seen.corrupt.empty());
}

TEST_F(WalkTest, CampaignsThatMayNotSend) {
  (void)running_campaign(*store, "untold", 2, 2);  // its partition does not know that it runs
  import("paused", 3, 2, "example.net");
  ASSERT_TRUE(store->set_state("paused", CampaignState::kPaused, "").ok());
  engine->apply(**store->find("paused"));
  (void)engine->claim();  // moves what may not send out of the way
  EXPECT_EQ(walk_of(*store, {.campaign = "untold"}).all(), numbers(1, 4));
  EXPECT_EQ(walk_of(*store, {.campaign = "paused"}).all(), numbers(1, 6));
  EXPECT_EQ(walk_of(*store).all().size(), 10u);
}

TEST_F(WalkTest, Filters) {
  import("a", 1, 2, "example.com");
  import("b", 1, 3, "example.net");
  SingleMessage message;
  message.number = 77;
  message.address = "ann@example.net";
  std::string id;
  ASSERT_TRUE(store->submit(message, id).ok());
  EXPECT_EQ(walk_of(*store, {.campaign = "b"}).all(), numbers(1, 3));
  EXPECT_EQ(walk_of(*store, {.domain = "example.com"}).all(), numbers(1, 2));
  EXPECT_EQ(walk_of(*store, {.domain = "example.net"}).all(), (Numbers{1, 2, 3, 77}));
  EXPECT_EQ(walk_of(*store, {.lane = Lane::kTransactional}).all(), Numbers{77});
  EXPECT_EQ(walk_of(*store, {.campaign = std::string(kSingleMessages)}).all(), Numbers{77});
  const WalkFilter nothing{.wants = [](const Place&) { return false; }};
  EXPECT_TRUE(walk_of(*store, nothing).all().empty());
  WalkVisitor visitor;
  EXPECT_EQ(store->walk({.campaign = "nobody"}, visitor).error().code, Errc::kData);
}

TEST_F(WalkTest, SplitDomainsAreOneDomain) {
  RedisServer other;
  auto many = other.store(64);
  Campaign wanted;
  wanted.id = "big";
  ASSERT_TRUE(many->create(wanted, "").ok());
  std::vector<ImportFlush> flushes;
  for (uint64_t n = 1; n <= 8; ++n) {
    ImportFlush flush = flush_of(n, {n}, "gmail.com");
    flush.parts[0].domain = queue_domain("gmail.com", n);
    flush.partition = partition_of(flush.parts[0].domain, 64);
    const auto same = std::find_if(flushes.begin(), flushes.end(), [&](const ImportFlush& f) {
      return f.partition == flush.partition;
    });
    if (same == flushes.end()) {
      flushes.push_back(flush);
    } else {
      same->parts.push_back(flush.parts[0]);
    }
  }
  ASSERT_TRUE(many->import("big", Lane::kBulk, *many->begin_import("big"), flushes).ok());
  EXPECT_EQ(walk_of(*many, {.domain = "gmail.com"}).all(), numbers(1, 8));
  EXPECT_TRUE(walk_of(*many, {.domain = "gmail.com#1"}).all().empty());
}

TEST_F(WalkTest, WhatIsCorruptIsReportedAndPassedOver) {
  import("c", 10, 1);
  const std::string key = "volley:{p00}:b:default:q:c:example.com";
  std::string bad = redis.text({"LINDEX", key, "4"});
  bad.back() = static_cast<char>(bad.back() ^ 1);
  redis.run({"LSET", key, "4", bad});
  redis.run({"HSET", "volley:{p00}:inf", "9999", "nonsense"});
  redis.run({"ZADD", "volley:{p00}:rb", "1", "nonsense"});
  const Seen seen = walk_of(*store);
  EXPECT_EQ(seen.all().size(), 9u);
  EXPECT_EQ(seen.corrupt, (std::vector<std::string>{"volley:{p00}:rb", key, "volley:{p00}:inf"}));
}

TEST_F(WalkTest, StopsWhenTold) {
  import("c", 40, 1);
  size_t met = 0;
  WalkVisitor visitor;
  visitor.found = [&](const Found&) { return ++met == 7 ? Step::kStop : Step::kOn; };
  ASSERT_TRUE(store->walk({}, visitor).ok());
  EXPECT_EQ(met, 7u);
}

TEST_F(WalkTest, ParkedOnesAndThoseOfACancelledCampaign) {
  import("c", 2, 2);
  (void)engine->claim_one();
  redis.run({"HSET", "volley:{p00}:dead", "1", redis.text({"HGET", "volley:{p00}:inf", "1"})});
  redis.run({"HDEL", "volley:{p00}:inf", "1"});
  const Seen seen = walk_of(*store);
  EXPECT_EQ(seen.at.at(Where::kParked), numbers(1, 2));
  ASSERT_TRUE(store->set_state("c", CampaignState::kCancelled, "").ok());
  size_t over = 0;
  WalkVisitor visitor;
  visitor.found = [&](const Found& found) {
    over += found.place.over ? found.recipients.size() : 0;
    return Step::kOn;
  };
  ASSERT_TRUE(store->walk({}, visitor).ok());
  EXPECT_EQ(over, 4u);
}

}  // namespace
}  // namespace volley::queue
