#include <gtest/gtest.h>

#include <thread>

#include "tests/unit/queue/harness.h"

namespace volley::queue {
namespace {

using namespace testing;

class ControlTest : public ::testing::Test {
 protected:
  void SetUp() override {
    store = redis.store(1);
    ASSERT_TRUE(store);
    redis.run({"HSET", "volley:{g}:meta", "retry_wheel_ms", "1"});
    engine = std::make_unique<Engine>(redis);
    engine->own();
  }
  void set(const std::string& id, CampaignState to) {
    const Status status = store->set_state(id, to, "test");
    ASSERT_TRUE(status.ok()) << status.error().message;
  }
  void tell(const std::string& id) { engine->apply(**store->find(id)); }

  RedisServer redis;
  std::unique_ptr<Store> store;
  std::unique_ptr<Engine> engine;
};

TEST_F(ControlTest, CreateIsIdempotent) {
  Campaign wanted;
  wanted.id = "c";
  wanted.name = "first";
  auto made = store->create(wanted, "one");
  ASSERT_TRUE(made.ok());
  EXPECT_EQ(made->state, CampaignState::kImporting);
  EXPECT_EQ(made->import_epoch, static_cast<uint64_t>(made->created_ms));
  EXPECT_GT(made->created_ms, 0);
  wanted.name = "second";
  auto again = store->create(wanted, "two");
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->name, "first");
  EXPECT_EQ(*store->content("c"), "one");
  EXPECT_EQ(store->list()->size(), 1u);
  EXPECT_FALSE(store->find("other")->has_value());
  wanted.id = "_bad";
  EXPECT_FALSE(store->create(wanted, "").ok());
  EXPECT_EQ(store->set_state("nobody", CampaignState::kPaused, "").error().code, Errc::kData);
}

TEST_F(ControlTest, EveryChangeMovesBothRevisions) {
  Campaign wanted;
  wanted.id = "c";
  ASSERT_TRUE(store->create(wanted, "").ok());
  const auto revision = [&] {
    return *engine->await<uint64_t>([&](auto done) { engine->door.global_revision(done); });
  };
  uint64_t before = revision();
  ASSERT_TRUE(store->edit("c", [](Campaign& c) { c.rate = 5; }).ok());
  EXPECT_GT(revision(), before);
  before = revision();
  EXPECT_EQ((**store->find("c")).revision, 2u);
  ASSERT_TRUE(store
                  ->edit("c",
                         [](Campaign& c) {
                           c.rate = 5;
                           c.state = CampaignState::kFinished;
                         })
                  .ok());
  EXPECT_EQ((**store->find("c")).revision, 2u);
  EXPECT_EQ((**store->find("c")).state, CampaignState::kImporting);
  auto all = engine->await<std::vector<Campaign>>([&](auto done) { engine->door.campaigns(done); });
  ASSERT_TRUE(all.ok());
  ASSERT_EQ(all->size(), 1u);
  EXPECT_EQ((*all)[0].rate, 5);
}

TEST_F(ControlTest, ConcurrentWritersLoseNothing) {
  Campaign wanted;
  wanted.id = "c";
  wanted.weight = 0;
  ASSERT_TRUE(store->create(wanted, "").ok());
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      auto mine = redis.store(1);
      for (int i = 0; i < 25; ++i)
        EXPECT_TRUE(mine->edit("c", [](Campaign& c) { ++c.weight; }).ok());
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ((**store->find("c")).weight, 100u);
  EXPECT_EQ((**store->find("c")).revision, 101u);
}

TEST_F(ControlTest, PauseWhileInFlightAndResume) {
  engine->apply(running_campaign(*store, "c", 2, 3));
  const Claimed claimed = engine->claim_one();
  auto paused = engine->await<void>(
      [&](auto done) { engine->door.set_state("c", CampaignState::kPaused, "lunch", done); });
  ASSERT_TRUE(paused.ok());
  EXPECT_EQ((**store->find("c")).reason, "lunch");
  tell("c");
  Settlement s = engine->closing(claimed);
  s.outcomes = outcomes_of({1});
  s.remainder_recipients = 2;
  s.remainder = chunk_of({2, 3});
  ASSERT_EQ(*engine->settle(s), SettleResult::kApplied);
  EXPECT_TRUE(engine->claim().chunks.empty());
  EXPECT_EQ(counts_of(*store, "c").queued, 5u);
  ASSERT_TRUE(store->finish_if_done("c").ok());
  EXPECT_EQ((**store->find("c")).state, CampaignState::kPaused);
  set("c", CampaignState::kRunning);
  tell("c");
  const Claimed first = engine->claim_one();
  EXPECT_EQ(numbers_of(first.chunk), (std::vector<uint64_t>{2, 3}));  // at the head
  engine->deliver(first);
  engine->deliver(engine->claim_one());
  EXPECT_EQ(counts_of(*store, "c").delivered, 6u);
}

TEST_F(ControlTest, CancelCountsAtOnce) {
  engine->apply(running_campaign(*store, "c", 4, 10));
  engine->deliver(engine->claim_one());
  Settlement s = engine->closing(engine->claim_one());
  s.retries.push_back({3600000, 10, chunk_of(sequence(11, 10))});
  ASSERT_EQ(*engine->settle(s), SettleResult::kApplied);
  const Claimed in_flight = engine->claim_one();
  set("c", CampaignState::kCancelled);
  Counts c = counts_of(*store, "c");
  EXPECT_EQ(c.delivered, 10u);
  EXPECT_EQ(c.in_flight, 10u);
  EXPECT_EQ(c.queued, 10u);
  EXPECT_EQ(c.cancelled, 20u);
  EXPECT_EQ(c.waiting_retry, 0u);
  tell("c");
  // What was in flight still gets its outcome; what would be tried again is not.
  s = engine->closing(in_flight);
  s.outcomes = outcomes_of(sequence(21, 4));
  s.retries.push_back({0, 6, chunk_of(sequence(25, 6))});
  ASSERT_EQ(*engine->settle(s), SettleResult::kApplied);
  c = counts_of(*store, "c");
  EXPECT_EQ(c.delivered, 14u);
  EXPECT_EQ(c.cancelled, 26u);
  EXPECT_EQ(c.queued, 0u);
  EXPECT_TRUE(engine->claim().chunks.empty());
  EXPECT_EQ(redis.number({"EXISTS", "volley:{p00}:b:default:q:c:example.com"}), 0);
  EXPECT_FALSE(store->set_state("c", CampaignState::kRunning, "").ok());
  const ImportFlush flush = flush_of(1000, {1000});
  EXPECT_FALSE(
      store->import("c", Lane::kBulk, (**store->find("c")).import_epoch, std::span(&flush, 1))
          .ok());
}

TEST_F(ControlTest, OldRevisionsAreNotAppliedOverNewer) {
  const Campaign running = running_campaign(*store, "c", 1, 1);
  set("c", CampaignState::kPaused);
  tell("c");
  engine->apply(running);
  EXPECT_TRUE(engine->claim().chunks.empty());
}

TEST_F(ControlTest, PurgeLeavesNoTrace) {
  engine->apply(running_campaign(*store, "keep", 1, 2, "keep.example"));
  engine->apply(running_campaign(*store, "gone", 700, 1));
  Campaign parked = running_campaign(*store, "gone2", 3, 1);
  engine->apply(parked);
  engine->deliver(engine->claim_one());
  Claimed claimed = engine->claim_one();
  while (claimed.destination.campaign != "gone") {
    engine->deliver(claimed);
    claimed = engine->claim_one();
  }
  EXPECT_FALSE(store->purge("gone").ok());
  set("gone", CampaignState::kCancelled);
  EXPECT_EQ(store->purge("gone").error().code, Errc::kTempFail);  // in flight
  EXPECT_TRUE((**store->find("gone")).purging);
  Settlement s = engine->closing(claimed);
  s.retries.push_back({3600000, 1, claimed.chunk});
  ASSERT_EQ(*engine->settle(s), SettleResult::kApplied);
  ASSERT_TRUE(store->purge("gone").ok());
  EXPECT_FALSE(store->find("gone")->has_value());
  const auto keys = redis.run({"KEYS", "*"});
  for (size_t i = 0; i < keys.view().size(); ++i) {
    const std::string key(keys.view().at(i).text());
    EXPECT_EQ(key.find("gone:"), std::string::npos) << key;
    EXPECT_EQ(key.find("|gone|"), std::string::npos) << key;
    EXPECT_FALSE(key.ends_with(":gone")) << key;
    EXPECT_EQ(key.find("{c:gone}"), std::string::npos) << key;
  }
  EXPECT_EQ(redis.number({"ZCARD", "volley:{p00}:rb"}), 0);
  EXPECT_EQ(counts_of(*store, "keep").accepted, 2u);
  EXPECT_EQ(store->list()->size(), 2u);
}

TEST_F(ControlTest, AnImporterThatAPurgeOvertookPutsNothingBack) {
  Campaign wanted;
  wanted.id = "c";
  ASSERT_TRUE(store->create(wanted, "").ok());
  const uint64_t old = *store->begin_import("c");
  const ImportFlush flush = flush_of(2, {1, 2});
  const auto import = [&](uint64_t epoch) {
    return store->import("c", Lane::kBulk, epoch, std::span(&flush, 1));
  };
  ASSERT_TRUE(import(old).ok());
  set("c", CampaignState::kCancelled);
  ASSERT_TRUE(store->purge("c").ok());
  const int64_t keys = redis.number({"DBSIZE"});
  EXPECT_EQ(import(old).error().code, Errc::kData);
  EXPECT_EQ(redis.number({"DBSIZE"}), keys);
  // Nor into another campaign of that name.
  ASSERT_TRUE(store->create(wanted, "").ok());
  const uint64_t fresh = *store->begin_import("c");
  EXPECT_GT(fresh, old);
  EXPECT_EQ(import(old).error().code, Errc::kData);
  EXPECT_EQ(counts_of(*store, "c").accepted, 0u);
  ASSERT_TRUE(import(fresh).ok());
  EXPECT_EQ(counts_of(*store, "c").accepted, 2u);
}

TEST_F(ControlTest, SuppressionsOfNoCampaignAreNotKept) {
  EXPECT_EQ(store->put_suppressions("gone", "hashes").error().code, Errc::kData);
  // Purged after its record was read.
  const Reply late = redis.run(
      {"FCALL", "volley1_suppress", "1", "volley:{c:gone}:", "1", "{}", "hashes", "nonce"});
  EXPECT_TRUE(late.view().is_error());
  EXPECT_EQ(redis.number({"EXISTS", "volley:{c:gone}:sup"}), 0);
}

}  // namespace
}  // namespace volley::queue
