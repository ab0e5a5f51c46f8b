#include <gtest/gtest.h>

#include <map>

#include "tests/unit/queue/harness.h"

namespace volley::queue {
namespace {

using namespace testing;

TEST(Fairness, CampaignsShareADomainByWeight) {
  RedisServer redis;
  auto store = redis.store(1);
  Engine engine(redis);
  engine.own();
  for (const auto& [id, weight] : std::map<std::string, uint32_t>{{"heavy", 300}, {"light", 100}}) {
    running_campaign(*store, id, 40, 10);
    ASSERT_TRUE(store->edit(id, [w = weight](Campaign& c) { c.weight = w; }).ok());
    engine.apply(**store->find(id));
  }
  std::map<std::string, int> got;
  for (int i = 0; i < 40; ++i) {
    const Claimed claimed = engine.claim_one();
    ++got[claimed.destination.campaign];
    engine.deliver(claimed);
  }
  EXPECT_NEAR(got["heavy"], 30, 1);
  EXPECT_NEAR(got["light"], 10, 1);
}

TEST(Fairness, ANewcomerDoesNotGetAllThePast) {
  RedisServer redis;
  auto store = redis.store(1);
  Engine engine(redis);
  engine.own();
  engine.apply(running_campaign(*store, "old", 60, 10));
  for (int i = 0; i < 30; ++i) engine.deliver(engine.claim_one());
  engine.apply(running_campaign(*store, "new", 30, 10));
  std::map<std::string, int> got;
  for (int i = 0; i < 20; ++i) {
    const Claimed claimed = engine.claim_one();
    ++got[claimed.destination.campaign];
    engine.deliver(claimed);
  }
  EXPECT_NEAR(got["old"], 10, 1);
  EXPECT_NEAR(got["new"], 10, 1);
}

TEST(Fairness, TransactionalMailGoesFirst) {
  RedisServer redis;
  auto store = redis.store(1);
  Engine engine(redis);
  engine.own();
  for (int i = 0; i < 20; ++i) {
    engine.apply(running_campaign(*store, "bulk" + std::to_string(i), 1, 5,
                                  "d" + std::to_string(i) + ".example"));
  }
  // The domain is busy with bulk mail; its transactional lane is not.
  Claimed bulk = engine.claim_one();
  SingleMessage message;
  message.number = 77;
  message.address = "reset@" + bulk.destination.domain;
  message.content = "your link";
  std::string id;
  ASSERT_TRUE(store->submit(message, id).ok());
  const Claimed next = engine.claim_one();
  EXPECT_EQ(next.destination.lane, Lane::kTransactional);
  EXPECT_EQ(next.destination.campaign, kSingleMessages);
  EXPECT_EQ(numbers_of(next.chunk), std::vector<uint64_t>{77});
  EXPECT_EQ(engine.claim_one().destination.lane, Lane::kBulk);
}

TEST(Fairness, TransactionalOnlyLeavesBulkMailWhereItIs) {
  RedisServer redis;
  auto store = redis.store(1);
  Engine engine(redis);
  engine.own();
  engine.apply(running_campaign(*store, "bulk", 2, 5));
  const auto urgent = [&] {
    ClaimRequest request;
    request.epoch = engine.epoch;
    request.transactional_only = true;
    auto reply = engine.await<ClaimReply>([&](auto done) { engine.door.claim(request, done); });
    EXPECT_TRUE(reply.ok());
    return reply.ok() ? std::move(*reply) : ClaimReply();
  };
  const ClaimReply none = urgent();
  EXPECT_TRUE(none.chunks.empty());
  EXPECT_EQ(none.next_due_ms, -1) << "bulk mail is not what was asked for";
  SingleMessage message;
  message.number = 77;
  message.address = "reset@example.com";
  message.content = "your link";
  std::string id;
  ASSERT_TRUE(store->submit(message, id).ok());
  const ClaimReply one = urgent();
  ASSERT_EQ(one.chunks.size(), 1u);
  EXPECT_EQ(one.chunks[0].destination.lane, Lane::kTransactional);
  EXPECT_EQ(engine.claim_one().destination.lane, Lane::kBulk);
}

TEST(Fairness, BlockedAndPausedDomainsDoNotStarveTheScan) {
  RedisServer redis;
  auto store = redis.store(1);
  Engine engine(redis);
  engine.own();
  // 600 domains of a paused campaign, as if they had all been offered already, in front of one that may send.
  Campaign wanted;
  wanted.id = "paused";
  ASSERT_TRUE(store->create(wanted, "").ok());
  const uint64_t epoch = *store->begin_import("paused");
  ImportFlush flush;
  flush.mark = 600;
  for (uint64_t i = 1; i <= 600; ++i) {
    const std::string domain = "p" + std::to_string(i) + ".example";
    flush.parts.push_back({domain, 1, chunk_of({i}, domain)});
  }
  ASSERT_TRUE(store->import("paused", Lane::kBulk, epoch, std::span(&flush, 1)).ok());
  ASSERT_TRUE(store->close_import("paused", epoch, 600, 0, 0).ok());
  engine.apply(**store->find("paused"));
  ASSERT_TRUE(store->set_state("paused", CampaignState::kPaused, "lunch").ok());
  engine.apply(**store->find("paused"));
  engine.apply(running_campaign(*store, "live", 1, 3, "zz.example"));
  // Each call does bounded work and says that there is more to do now.
  int calls = 0;
  std::vector<Claimed> got;
  for (; calls < 10 && got.empty(); ++calls) {
    ClaimReply reply = engine.claim();
    got = std::move(reply.chunks);
    if (got.empty()) {
      EXPECT_EQ(reply.next_due_ms, 0);
    }
  }
  ASSERT_EQ(got.size(), 1u);
  EXPECT_EQ(got[0].destination.campaign, "live");
  EXPECT_GT(calls, 1);
  EXPECT_EQ(redis.number({"SCARD", "volley:{p00}:pk:paused"}), 600);
  // Resumed: all of it is offered again.
  ASSERT_TRUE(store->set_state("paused", CampaignState::kRunning, "").ok());
  engine.apply(**store->find("paused"));
  EXPECT_EQ(redis.number({"EXISTS", "volley:{p00}:pk:paused"}), 0);
  size_t chunks = 0;
  for (ClaimReply reply = engine.claim(100); !reply.chunks.empty(); reply = engine.claim(100))
    chunks += reply.chunks.size();
  EXPECT_EQ(chunks, 600u);
}

}  // namespace
}  // namespace volley::queue
