#include <gtest/gtest.h>

#include "queue/keys.h"
#include "tests/unit/queue/walker.h"

namespace volley::queue {
namespace {

using namespace testing;

bool odd(uint64_t number) { return number % 2 == 1; }

class ChangeTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(store);
    engine = std::make_unique<Engine>(redis);
    engine->own();
  }
  void import(const std::string& id, size_t chunks, size_t per_chunk) {
    engine->apply(running_campaign(*store, id, chunks, per_chunk));
  }
  void defer(const Claimed& claimed) {
    Settlement s = engine->closing(claimed);
    const auto list = numbers_of(claimed.chunk);
    s.deferrals = static_cast<uint32_t>(list.size());
    s.retries.push_back({3600000, static_cast<uint32_t>(list.size()), claimed.chunk});
    ASSERT_EQ(*engine->settle(s), SettleResult::kApplied);
  }
  void cancel(const std::string& id) {
    ASSERT_TRUE(store->set_state(id, CampaignState::kCancelled, "").ok());
    engine->apply(**store->find(id));
  }
  // All that can be claimed, delivered.
  Numbers deliver_all() {
    Numbers out;
    for (;;) {
      const ClaimReply reply = engine->claim(1);
      if (reply.chunks.empty()) return out;
      for (const uint64_t n : numbers_of(reply.chunks[0].chunk)) out.insert(n);
      engine->deliver(reply.chunks[0]);
    }
  }

  RedisServer redis;
  std::unique_ptr<Store> store = redis.store(1);
  std::unique_ptr<Engine> engine;
};

TEST_F(ChangeTest, HeldOnesStayUntilTheyAreReleased) {
  import("c", 30, 3);
  defer(engine->claim_one());  // 1 to 3
  EXPECT_EQ(change_of(*store, Change::kHold, odd), 45u);
  Counts c = counts_of(*store, "c");
  EXPECT_EQ(c.queued, 90u);
  EXPECT_EQ(c.held, 45u);
  EXPECT_EQ(c.waiting_retry, 1u);
  EXPECT_EQ(walk_of(*store).at.at(Where::kHeld).size(), 45u);
  EXPECT_EQ(deliver_all().size(), 44u);
  ASSERT_TRUE(store->finish_if_done("c").ok());
  EXPECT_EQ((**store->find("c")).state, CampaignState::kRunning);
  EXPECT_EQ(change_of(*store, Change::kRelease, everybody), 45u);
  EXPECT_EQ(counts_of(*store, "c").held, 0u);
  EXPECT_EQ(redis.number({"EXISTS", "volley:{p00}:hd:c"}), 0);
  EXPECT_EQ(deliver_all().size(), 45u);
  EXPECT_EQ(counts_of(*store, "c").queued, 1u);  // 2 waits
}

TEST_F(ChangeTest, WhatWaitedWaitsOnAfterItsRelease) {
  import("c", 1, 1);
  const Claimed claimed = engine->claim_one();
  ChunkBuilder builder;
  auto chunk = Chunk::decode(claimed.chunk);
  Recipient recipient = chunk->recipients()[0];
  recipient.not_before_ms = *store->now_ms() + 3600000;
  recipient.last_code = 451;
  recipient.attempts = 3;
  builder.add(recipient);
  Settlement s = engine->closing(claimed);
  s.retries.push_back({3600000, 1, builder.encode()});
  ASSERT_EQ(*engine->settle(s), SettleResult::kApplied);
  EXPECT_EQ(change_of(*store, Change::kHold, everybody), 1u);
  EXPECT_EQ(redis.number({"ZCARD", "volley:{p00}:rb"}), 0);
  EXPECT_EQ(change_of(*store, Change::kRelease, everybody), 1u);
  EXPECT_EQ(counts_of(*store, "c").waiting_retry, 1u);
  EXPECT_TRUE(engine->claim().chunks.empty());
  EXPECT_EQ(change_of(*store, Change::kRetry, everybody), 1u);
  EXPECT_EQ(counts_of(*store, "c").waiting_retry, 0u);
  chunk = Chunk::decode(engine->claim_one().chunk);
  EXPECT_EQ(chunk->recipients()[0].attempts, 3u);  // what is known of it stays
  EXPECT_EQ(chunk->recipients()[0].last_code, 451);
}

TEST_F(ChangeTest, DeletedOnesAreFinal) {
  import("c", 10, 4);
  defer(engine->claim_one());
  const Claimed in_flight = engine->claim_one();  // 5 to 8
  EXPECT_EQ(change_of(*store, Change::kHold, [](uint64_t n) { return n > 38; }), 2u);
  EXPECT_EQ(change_of(*store, Change::kDelete, odd), 18u);
  Counts c = counts_of(*store, "c");
  EXPECT_EQ(c.cancelled, 18u);
  EXPECT_EQ(c.queued, 22u);
  EXPECT_EQ(c.held, 1u);
  EXPECT_EQ(c.waiting_retry, 2u);
  Numbers finals;
  ASSERT_TRUE(store
                  ->each_outcome("c",
                                 [&](const FinalOutcome& o) {
                                   EXPECT_EQ(o.outcome, Outcome::kCancelled);
                                   EXPECT_EQ(o.address,
                                             "user" + std::to_string(o.number) + "@example.com");
                                   finals.insert(o.number);
                                   return true;
                                 })
                  .ok());
  Numbers all = walk_of(*store).all();
  EXPECT_EQ(all.size(), 22u);
  all.insert(finals.begin(), finals.end());
  EXPECT_EQ(all, numbers(1, 40));
  EXPECT_EQ(change_of(*store, Change::kDelete, everybody), 18u);
  engine->deliver(in_flight);
  ASSERT_TRUE(store->finish_if_done("c").ok());
  EXPECT_EQ((**store->find("c")).state, CampaignState::kFinished);
  EXPECT_EQ(counts_of(*store, "c").delivered, 4u);
  EXPECT_EQ(redis.number({"ZCARD", "volley:{p00}:rb"}), 0);
  EXPECT_TRUE(engine->claim().chunks.empty());
}

TEST_F(ChangeTest, RetryMakesDueAndWakesTheDomain) {
  import("c", 2, 2);
  defer(engine->claim_one());
  const Claimed second =
      engine->claim(1, {{Lane::kBulk, "default", "", "example.com"}}).chunks.at(0);
  Settlement s = engine->closing(second);
  s.remainder = second.chunk;
  s.remainder_recipients = 2;
  s.ready_in_ms = 60000;  // the domain rests
  ASSERT_EQ(*engine->settle(s), SettleResult::kApplied);
  EXPECT_TRUE(engine->claim().chunks.empty());
  EXPECT_EQ(change_of(*store, Change::kRetry, odd), 1u);
  EXPECT_EQ(counts_of(*store, "c").waiting_retry, 1u);
  EXPECT_EQ(deliver_all(), (Numbers{1, 3, 4}));
}

TEST_F(ChangeTest, WakeLeavesAloneWhatNobodyMayOffer) {
  const Destination to{Lane::kBulk, "default", "c", "example.com"};
  EXPECT_EQ(*store->wake(to, 0), 0u);  // never heard of
  import("c", 2, 1);
  EXPECT_EQ(*store->wake(to, 0), 0u);  // ready
  const Claimed claimed = engine->claim_one();
  EXPECT_EQ(*store->wake(to, 0), 0u);  // its owner works on it
  engine->deliver(claimed, 60000);
  EXPECT_EQ(*store->wake(to, 0), 1u);
  EXPECT_FALSE(engine->claim().chunks.empty());
}

TEST_F(ChangeTest, WhatMovedOnIsNotChanged) {
  import("c", 1, 2);
  WalkVisitor visitor;
  std::vector<ChangeResult> results;
  visitor.found = [&](const Found& found) {
    if (found.place.where != Where::kReady) return Step::kOn;
    engine->deliver(engine->claim_one());
    const size_t picked[] = {0};
    auto result = store->change(Change::kDelete, found, picked);
    EXPECT_TRUE(result.ok());
    results.push_back(*result);
    return Step::kOn;
  };
  ASSERT_TRUE(store->walk({}, visitor).ok());
  EXPECT_EQ(results, std::vector<ChangeResult>{ChangeResult::kMoved});
  EXPECT_EQ(counts_of(*store, "c").delivered, 2u);
}

TEST_F(ChangeTest, AnElementThatMovedWithinItsListIsFound) {
  import("c", 3, 1);
  WalkVisitor visitor;
  visitor.found = [&](const Found& found) {
    if (found.recipients[0].number != 2) return Step::kOn;
    redis.run({"RPUSH", found.place.key, chunk_of({9})});
    const size_t picked[] = {0};
    EXPECT_EQ(*store->change(Change::kHold, found, picked), ChangeResult::kChanged);
    return Step::kStop;
  };
  ASSERT_TRUE(store->walk({}, visitor).ok());
  EXPECT_EQ(walk_of(*store).at.at(Where::kHeld), Numbers{2});
  EXPECT_EQ(walk_of(*store).at.at(Where::kReady), (Numbers{1, 3, 9}));
}

// As after a lost answer: the very same call again.
TEST_F(ChangeTest, ARepeatedCallChangesNothingTwice) {
  import("c", 1, 3);
  const std::string key = "volley:{p00}:b:default:q:c:example.com";
  const std::string outcomes(1, 'x');
  const std::vector<std::string> call = {"FCALL",
                                         "volley1_change",
                                         "1",
                                         "volley:{p00}:",
                                         "tool",
                                         "1",
                                         "delete",
                                         "q",
                                         "b:default",
                                         "c",
                                         "example.com",
                                         "",
                                         "-1",
                                         redis.text({"LINDEX", key, "0"}),
                                         chunk_of({1, 2}),
                                         "",
                                         outcomes,
                                         "0"};
  EXPECT_EQ(redis.number(call), 1);
  EXPECT_EQ(redis.number(call), 1);
  EXPECT_EQ(counts_of(*store, "c").cancelled, 1u);
  EXPECT_EQ(redis.number({"LLEN", "volley:{p00}:o:c"}), 1);
  std::vector<std::string> later = call;
  later[5] = "2";
  EXPECT_EQ(redis.number(later), 0);  // another change: what it saw is gone
  std::vector<std::string> wrong = call;
  wrong[5] = "3";
  wrong[13] = redis.text({"LINDEX", key, "0"});
  EXPECT_TRUE(redis.run(wrong).view().is_error());  // leaves as many as there are
  wrong[14] = "no chunk";
  EXPECT_TRUE(redis.run(wrong).view().is_error());
  wrong[6] = "release";
  EXPECT_TRUE(redis.run(wrong).view().is_error());
  EXPECT_EQ(counts_of(*store, "c").queued, 2u);
}

TEST_F(ChangeTest, PauseLeavesThemHeldAndCancelDropsThem) {
  import("c", 3, 2);
  EXPECT_EQ(change_of(*store, Change::kHold, odd), 3u);
  ASSERT_TRUE(store->set_state("c", CampaignState::kPaused, "").ok());
  engine->apply(**store->find("c"));
  EXPECT_EQ(change_of(*store, Change::kHold, [](uint64_t n) { return n == 2; }), 1u);
  ASSERT_TRUE(store->set_state("c", CampaignState::kRunning, "").ok());
  engine->apply(**store->find("c"));
  EXPECT_EQ(deliver_all(), (Numbers{4, 6}));
  EXPECT_EQ(counts_of(*store, "c").held, 4u);
  cancel("c");
  EXPECT_EQ(redis.number({"EXISTS", "volley:{p00}:hd:c", "volley:{p00}:b:default:h:c:example.com"}),
            0);
  const Counts c = counts_of(*store, "c");
  EXPECT_EQ(c.cancelled, 4u);
  EXPECT_EQ(c.held, 0u);
  EXPECT_EQ(c.queued, 0u);
}

TEST_F(ChangeTest, ReleasedWhilePausedTheyWaitForTheResume) {
  import("c", 1, 2);
  EXPECT_EQ(change_of(*store, Change::kHold, everybody), 2u);
  ASSERT_TRUE(store->set_state("c", CampaignState::kPaused, "").ok());
  engine->apply(**store->find("c"));
  EXPECT_EQ(change_of(*store, Change::kRelease, everybody), 2u);
  EXPECT_TRUE(engine->claim().chunks.empty());
  ASSERT_TRUE(store->set_state("c", CampaignState::kRunning, "").ok());
  engine->apply(**store->find("c"));
  EXPECT_EQ(deliver_all(), numbers(1, 2));
}

TEST_F(ChangeTest, NothingIsChangedOfACancelledCampaign) {
  import("c", 2, 2);
  (void)engine->claim_one();
  WalkVisitor visitor;
  size_t refused = 0;
  visitor.found = [&](const Found& found) {
    if (found.place.where != Where::kReady) return Step::kOn;
    redis.run({"HSET", "volley:{p00}:c:c", "state", "cancelled"});
    const size_t picked[] = {0};
    refused += *store->change(Change::kHold, found, picked) == ChangeResult::kOver ? 1 : 0;
    return Step::kOn;
  };
  ASSERT_TRUE(store->walk({}, visitor).ok());
  EXPECT_EQ(refused, 1u);
  EXPECT_EQ(redis.number({"EXISTS", "volley:{p00}:hd:c"}), 0);
}

TEST_F(ChangeTest, PurgeDropsWhatIsHeld) {
  import("c", 2, 2);
  EXPECT_EQ(change_of(*store, Change::kHold, everybody), 4u);
  ASSERT_TRUE(store->set_state("c", CampaignState::kCancelled, "").ok());  // no engine was told
  ASSERT_TRUE(store->purge("c").ok());
  const auto keys = redis.run({"KEYS", "*"});
  for (size_t i = 0; i < keys.view().size(); ++i) {
    const std::string key(keys.view().at(i).text());
    EXPECT_EQ(key.find(":c:example.com"), std::string::npos) << key;
    EXPECT_FALSE(key.ends_with(":c")) << key;
  }
}

TEST_F(ChangeTest, ParkedOnesAreDeletedOneByOne) {
  import("c", 1, 4);
  const Claimed claimed = engine->claim_one();
  Settlement s = engine->closing(claimed);
  s.close = false;
  s.outcomes = outcomes_of({1});
  s.done = pack_numbers({1});
  ASSERT_EQ(*engine->settle(s), SettleResult::kApplied);
  for (int i = 0; i < 4; ++i) {
    engine = std::make_unique<Engine>(redis);
    engine->own();
    (void)engine->recover();
  }
  ASSERT_EQ(counts_of(*store, "c").parked, 3u);
  EXPECT_EQ(change_of(*store, Change::kHold, everybody), 0u);
  EXPECT_EQ(change_of(*store, Change::kDelete, [](uint64_t n) { return n == 3; }), 1u);
  EXPECT_EQ(counts_of(*store, "c").parked, 2u);
  EXPECT_EQ(walk_of(*store).at.at(Where::kParked), (Numbers{2, 4}));
  ASSERT_EQ(*store->unpark("c"), 2u);
  EXPECT_EQ(walk_of(*store).at.at(Where::kInFlight), (Numbers{2, 4}));
  for (int i = 0; i < 4; ++i) {
    engine = std::make_unique<Engine>(redis);
    engine->own();
    (void)engine->recover();
  }
  EXPECT_EQ(change_of(*store, Change::kDelete, everybody), 2u);
  const Counts c = counts_of(*store, "c");
  EXPECT_EQ(c.cancelled, 3u);
  EXPECT_EQ(c.parked, 0u);
  EXPECT_EQ(c.queued, 0u);
  EXPECT_EQ(redis.number({"EXISTS", "volley:{p00}:dead", "volley:{p00}:pg", "volley:{p00}:f:1"}),
            0);
}

TEST_F(ChangeTest, SingleMessagesAreToldOf) {
  SingleMessage message;
  message.number = 99;
  message.address = "ann@example.com";
  message.content = std::string(kMaxInlineContent + 1, 'x');
  std::string id;
  ASSERT_TRUE(store->submit(message, id).ok());
  EXPECT_EQ(change_of(*store, Change::kHold, everybody), 1u);
  EXPECT_EQ((*store->single(id))->state, "queued");
  EXPECT_EQ(redis.number({"EXISTS", "volley:{p00}:x:99"}), 1);
  EXPECT_EQ(change_of(*store, Change::kDelete, everybody), 1u);
  EXPECT_EQ((*store->single(id))->state, "cancelled");
  EXPECT_EQ(redis.number({"EXISTS", "volley:{p00}:x:99"}), 0);
  EXPECT_GT(redis.number({"TTL", "volley:{p00}:m:99"}), 0);
  const Counts c = counts_of(*store, std::string(kSingleMessages));
  EXPECT_EQ(c.cancelled, 1u);
  EXPECT_EQ(c.queued, 0u);
}

TEST_F(ChangeTest, AFullQueueCanBeEmptied) {
  import("c", 4, 2);
  redis.run({"CONFIG", "SET", "maxmemory", "1"});
  EXPECT_EQ(change_of(*store, Change::kDelete, everybody), 8u);
  redis.run({"CONFIG", "SET", "maxmemory", "0"});
  EXPECT_EQ(counts_of(*store, "c").cancelled, 8u);
}

}  // namespace
}  // namespace volley::queue
