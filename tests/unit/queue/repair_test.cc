// Indexes broken by hand in a real Redis, and chunks that nobody can read.
#include "queue/history.h"
#include "tests/unit/queue/harness.h"

namespace volley::queue {
namespace {

using namespace testing;

constexpr char kP[] = "volley:{p00}:";

std::string key(const std::string& name) { return kP + name; }

TEST(ListKey, NamesWhatLiesThere) {
  auto q = parse_list_key("volley:{p07}:b:default:q:november:example.com#3");
  ASSERT_TRUE(q);
  EXPECT_EQ(q->partition, 7u);
  EXPECT_EQ(q->place, 'q');
  EXPECT_EQ(q->lane_tenant, "b:default");
  EXPECT_EQ(q->campaign, "november");
  EXPECT_EQ(q->domain, "example.com#3");
  auto r = parse_list_key("volley:{p63}:r:1790000000000|t:default|_messages|example.com");
  ASSERT_TRUE(r);
  EXPECT_EQ(r->due, "1790000000000");
  EXPECT_EQ(r->campaign, "_messages");
  auto f = parse_list_key("volley:{p00}:f:42");
  ASSERT_TRUE(f);
  EXPECT_EQ(f->lease, 42u);
  for (const char* other :
       {"volley:{g}:meta", "volley:{p00}:inf", "volley:{p00}:o:november", "volley:{pxx}:f:1",
        "volley:{p00}:f:", "volley:{p00}:b:default:doms", "volley:{p00}:b:default:dc:example.com",
        "volley:{p00}:b:default:q:november:", "other", ""}) {
    EXPECT_FALSE(parse_list_key(other)) << other;
  }
}

TEST(Repair, WhatNoIndexNamesIsFoundAgain) {
  RedisServer redis;
  auto store = redis.store(1);
  Engine engine(redis);
  engine.own();
  const Campaign campaign = running_campaign(*store, "november", 2, 10);
  engine.apply(campaign);
  running_campaign(*store, "other", 1, 10, "example.net");
  // Nothing is broken: nothing to mend.
  auto sound = store->repair(false);
  ASSERT_TRUE(sound.ok()) << sound.error().message;
  EXPECT_EQ(sound->mended + sound->adopted, 0u);
  EXPECT_EQ(sound->lists, 2u);

  redis.run(
      {"DEL", key("b:default:doms"), key("b:default:dc:example.com"), key("lt"), key("pk:other")});
  EXPECT_EQ(engine.claim().chunks.size(), 0u);
  auto looked = store->repair(true);
  ASSERT_TRUE(looked.ok());
  EXPECT_EQ(looked->mended, 2u);
  EXPECT_EQ(engine.claim().chunks.size(), 0u);
  auto mended = store->repair(false);
  ASSERT_TRUE(mended.ok());
  EXPECT_EQ(mended->mended, 2u);
  EXPECT_EQ(redis.number({"SISMEMBER", key("pk:other"), "example.net"}), 1);
  engine.deliver(engine.claim_one());
  engine.deliver(engine.claim_one());
  EXPECT_EQ(counts_of(*store, "november").delivered, 20u);
  EXPECT_EQ(store->repair(false)->mended, 0u);
}

TEST(Repair, WaitingAndHeldListsToo) {
  RedisServer redis;
  auto store = redis.store(1);
  Engine engine(redis);
  engine.own();
  engine.apply(running_campaign(*store, "november", 1, 10));
  const Claimed claimed = engine.claim_one();
  Settlement s = engine.closing(claimed);
  s.deferrals = 10;
  s.retries.push_back({3'600'000, 10, claimed.chunk});
  ASSERT_TRUE(engine.settle(s).ok());
  redis.run({"DEL", key("rb")});
  EXPECT_EQ(store->repair(false)->mended, 1u);
  EXPECT_EQ(redis.number({"ZCARD", key("rb")}), 1);
}

TEST(Repair, AChunkUnderNoLeaseGetsOne) {
  RedisServer redis;
  auto store = redis.store(1);
  Engine engine(redis);
  engine.own();
  engine.apply(running_campaign(*store, "november", 1, 10));
  running_campaign(*store, "other", 1, 10, "example.net");
  const Claimed claimed = engine.claim_one();
  redis.run({"HDEL", key("inf"), std::to_string(claimed.lease)});
  EXPECT_EQ(store->repair(true)->adopted, 1u);
  auto repaired = store->repair(false);
  ASSERT_TRUE(repaired.ok());
  EXPECT_EQ(repaired->adopted, 1u);
  EXPECT_TRUE(repaired->unknown.empty());
  const auto again = engine.recover();
  ASSERT_EQ(again.size(), 1u);
  EXPECT_EQ(again[0].destination.campaign, "november");
  EXPECT_EQ(again[0].destination.domain, "example.com");
  engine.deliver(again[0]);
  EXPECT_EQ(counts_of(*store, "november").delivered, 10u);
  // One that no campaign misses is left alone, and named.
  redis.run({"RPUSH", key("f:99"), chunk_of(sequence(1, 5))});
  repaired = store->repair(false);
  ASSERT_TRUE(repaired.ok());
  EXPECT_EQ(repaired->unknown, (std::vector<std::string>{key("f:99")}));
}

TEST(Repair, AnOwnerSeesThatSomethingIsMissingAndMendsItsPartition) {
  RedisServer redis;
  auto store = redis.store(1);
  Engine engine(redis);
  engine.own();
  engine.apply(running_campaign(*store, "november", 3, 10));
  const std::vector<std::string> running{"november"};
  const auto drift = [&] {
    return engine.await<uint64_t>([&](auto done) { engine.door.drift(0, running, done); });
  };
  EXPECT_EQ(*drift(), 0u);  // there is something to be had
  redis.run({"DEL", key("b:default:doms"), key("b:default:dc:example.com")});
  EXPECT_EQ(*drift(), 30u);
  auto mended = engine.await<uint64_t>([&](auto done) { engine.door.mend(0, done); });
  ASSERT_TRUE(mended.ok()) << mended.error().message;
  EXPECT_EQ(*mended, 1u);
  const Claimed all = engine.claim_one();
  EXPECT_EQ(*drift(), 0u);
  engine.deliver(all);
  engine.deliver(engine.claim_one());
  engine.deliver(engine.claim_one());
  EXPECT_EQ(*drift(), 0u);
}

TEST(Damage, AChunkThatCannotBeReadIsParkedListedAndDropped) {
  RedisServer redis;
  auto store = redis.store(1);
  Engine engine(redis);
  engine.own();
  engine.apply(running_campaign(*store, "november", 2, 10));
  const Claimed bad = engine.claim_one();
  const auto park = [&] {
    return engine.await<uint64_t>(
        [&](auto done) { engine.door.park(0, engine.epoch, bad.lease, "wrong checksum", done); });
  };
  EXPECT_EQ(*park(), 10u);
  EXPECT_EQ(*park(), 0u);  // the answer was lost: nothing is counted twice
  EXPECT_EQ(counts_of(*store, "november").parked, 10u);
  EXPECT_EQ(counts_of(*store, "november").in_flight, 0u);
  auto damaged = store->damaged();
  ASSERT_TRUE(damaged.ok());
  ASSERT_EQ(damaged->size(), 1u);
  const DamagedChunk chunk = damaged->front();
  EXPECT_EQ(chunk.why, "wrong checksum");
  EXPECT_EQ(chunk.destination.campaign, "november");
  EXPECT_EQ(chunk.recipients, 10u);
  // Taken up again, it is not listed any more.
  ASSERT_TRUE(store->unpark("november").ok());
  EXPECT_TRUE(store->damaged()->empty());
  EXPECT_FALSE(store->drop(chunk)->has_value());
  engine.own();
  ASSERT_EQ(engine.recover().size(), 1u);
  EXPECT_EQ(*park(), 10u);
  EXPECT_EQ(**store->drop(chunk), 10u);
  EXPECT_FALSE(store->drop(chunk)->has_value());
  const Counts counts = counts_of(*store, "november");
  EXPECT_EQ(counts.cancelled, 10u);
  EXPECT_EQ(counts.parked, 0u);
  EXPECT_EQ(counts.queued, 10u);
  EXPECT_EQ(
      redis.number({"EXISTS", key("f:" + std::to_string(bad.lease)), key("why"), key("dead")}), 0);
}

TEST(Resolve, WhatIsKnownElsewhereIsFinalWhereverItLies) {
  RedisServer redis;
  auto store = redis.store(1);
  Engine engine(redis);
  engine.own();
  engine.apply(running_campaign(*store, "november", 2, 10));
  const Claimed flying = engine.claim_one();
  uint64_t met = 0;
  const auto resolve_odd = [&](std::string_view as) {
    WalkVisitor visitor;
    visitor.found = [&](const Found& found) {
      std::vector<Known> known;
      for (size_t i = 0; i < found.recipients.size(); ++i) {
        if (found.recipients[i].number % 2 == 1)
          known.push_back({i, i == 0 ? Outcome::kBounced : Outcome::kDelivered, 250});
      }
      if (known.empty()) return Step::kOn;
      auto done = store->resolve(found, known, as);
      EXPECT_TRUE(done.ok()) << done.error().message;
      if (*done == ChangeResult::kChanged) met += known.size();
      return Step::kOn;
    };
    EXPECT_TRUE(store->walk({}, visitor).ok());
  };
  resolve_odd("engine-2");  // engine-1 works on what is in flight
  EXPECT_EQ(met, 5u);
  resolve_odd("engine-1");
  EXPECT_EQ(met, 10u);
  const Counts counts = counts_of(*store, "november");
  EXPECT_EQ(counts.delivered, 8u);
  EXPECT_EQ(counts.bounced, 2u);
  EXPECT_EQ(counts.in_flight, 5u);
  engine.own();
  const auto left = engine.recover();
  ASSERT_EQ(left.size(), 1u);
  EXPECT_EQ(left[0].lease, flying.lease);
  EXPECT_EQ(numbers_of(left[0].chunk), (std::vector<uint64_t>{2, 4, 6, 8, 10}));
  engine.deliver(left[0]);
  engine.deliver(engine.claim_one());
  EXPECT_EQ(counts_of(*store, "november").delivered, 18u);
  uint64_t outcomes = 0;
  ASSERT_TRUE(
      store->each_outcome("november", [&](const FinalOutcome&) { return ++outcomes > 0; }).ok());
  EXPECT_EQ(outcomes, 20u);
}

TEST(Leases, AClockThatLeaptTakesNobodysPartitionAway) {
  RedisServer redis;
  auto store = redis.store(1);
  Engine one(redis, "engine-1"), two(redis, "engine-2");
  one.own();
  const auto try_to_own = [&](Engine& engine, uint64_t epoch) {
    return *engine.await<Lease>([&](auto done) { engine.door.own(0, epoch, 60000, done); });
  };
  const int64_t expires = redis.number({"HGET", key("own"), "expires"});
  for (const int64_t day : {-86'400'000LL, 86'400'000LL}) {
    redis.run({"HSET", key("own"), "expires", std::to_string(expires + day)});
    EXPECT_EQ(try_to_own(two, 0).holder, "engine-1");
    // No longer than a lease's time from now, so that a dead engine's is free then.
    const int64_t left = redis.number({"HGET", key("own"), "expires"}) - *store->now_ms();
    EXPECT_GT(left, 0);
    EXPECT_LE(left, 60000);
    EXPECT_EQ(try_to_own(one, one.epoch).epoch, one.epoch);
  }
}

TEST(History, MarksMoveForwardOnly) {
  RedisServer redis;
  auto store = redis.store(1);
  EXPECT_EQ(*store->history("engine-1", 1000), 0u);
  EXPECT_EQ(*store->history("engine-1", 500), 1000u);
  EXPECT_EQ(*store->history("engine-1", 1001), 1000u);
  EXPECT_EQ(*store->history("engine-2", 0), 0u);
  Engine engine(redis);
  const auto tell = [&](uint64_t mark, uint64_t expected) {
    return *engine.await<uint64_t>([&](auto done) { engine.door.history(mark, expected, done); });
  };
  EXPECT_EQ(tell(1002, 1000), 1001u);
  // A queue that has forgotten is not told: the next start sees it, too.
  EXPECT_EQ(tell(3000, 2999), 1002u);
  EXPECT_EQ(tell(1003, 1002), 1002u);
}

TEST(History, WhatIsOlderThanWhat) {
  using enum HistoryVerdict;
  EXPECT_EQ(judge_history({}, 0), kAsLeft);             // both new
  EXPECT_EQ(judge_history({}, 1000), kDirectoryOlder);  // it has forgotten all
  EXPECT_EQ(judge_history(HistoryRange{1000, 1120}, 0), kQueueOlder);
  EXPECT_EQ(judge_history(HistoryRange{1000, 1120}, 999), kAsLeft);  // a power cut
  EXPECT_EQ(judge_history(HistoryRange{1000, 1120}, 1120), kAsLeft);
  EXPECT_EQ(judge_history(HistoryRange{1000, 1120}, 1121), kDirectoryOlder);
  EXPECT_EQ(judge_history(HistoryRange{2000, 2120}, 1010), kQueueOlder);
  EXPECT_EQ(judge_history(HistoryRange{0, 2120}, 0), kAsLeft);  // killed before the queue was told
}

TEST(History, TheFileKeepsEachQueueApart) {
  TemporaryDirectory directory;
  const std::string path = history_path(directory.path());
  EXPECT_FALSE(read_history(path, "a")->has_value());
  ASSERT_TRUE(write_history(path, "a", {1, 2}).ok());
  ASSERT_TRUE(write_history(path, "b", {3, 4}).ok());
  ASSERT_TRUE(write_history(path, "a", {5, 6}).ok());
  EXPECT_EQ(**read_history(path, "a"), (HistoryRange{5, 6}));
  EXPECT_EQ(**read_history(path, "b"), (HistoryRange{3, 4}));
  EXPECT_FALSE(read_history(path, "c")->has_value());
  std::FILE* file = std::fopen(path.c_str(), "w");
  std::fputs("a 5", file);
  std::fclose(file);
  EXPECT_EQ(read_history(path, "a").error().code, Errc::kData);
  EXPECT_FALSE(write_history(path, "a", {7, 8}).ok());
}

}  // namespace
}  // namespace volley::queue
