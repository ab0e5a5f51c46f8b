#include <gtest/gtest.h>

#include <set>

#include "tests/unit/queue/harness.h"

namespace volley::queue {
namespace {

using namespace testing;

TEST(Import, MarksMakeItIdempotent) {
  RedisServer redis;
  auto store = redis.store(1);
  Campaign wanted;
  wanted.id = "c";
  ASSERT_TRUE(store->create(wanted, "hello").ok());
  auto epoch = store->begin_import("c");
  ASSERT_TRUE(epoch.ok());
  EXPECT_EQ(*epoch, 2u);
  const ImportFlush flush = flush_of(10, sequence(1, 10));
  for (int again = 0; again < 2; ++again) {
    ASSERT_TRUE(store->import("c", Lane::kBulk, *epoch, std::span(&flush, 1)).ok());
    EXPECT_EQ(counts_of(*store, "c").accepted, 10u);
    EXPECT_EQ(redis.number({"LLEN", "volley:{p00}:b:default:q:c:example.com"}), 1);
  }
  EXPECT_EQ(*store->import_marks("c"), std::vector<uint64_t>{10});
}

TEST(Import, StaleImporterIsRefused) {
  RedisServer redis;
  auto store = redis.store(4);
  Campaign wanted;
  wanted.id = "c";
  ASSERT_TRUE(store->create(wanted, "").ok());
  const uint64_t old_epoch = *store->begin_import("c");
  const uint64_t new_epoch = *store->begin_import("c");
  EXPECT_GT(new_epoch, old_epoch);
  ImportFlush flush = flush_of(5, sequence(1, 5));
  flush.partition = 3;  // which the new importer has not written to yet
  const Status stale = store->import("c", Lane::kBulk, old_epoch, std::span(&flush, 1));
  ASSERT_FALSE(stale.ok());
  EXPECT_EQ(stale.error().code, Errc::kData);
  EXPECT_FALSE(store->close_import("c", old_epoch, 5, 0, 0).ok());
  EXPECT_EQ(counts_of(*store, "c").accepted, 0u);
  EXPECT_TRUE(store->import("c", Lane::kBulk, new_epoch, std::span(&flush, 1)).ok());
  EXPECT_TRUE(store->close_import("c", new_epoch, 7, 1, 1).ok());
  EXPECT_TRUE(store->close_import("c", new_epoch, 7, 1, 1).ok());
  const auto c = **store->find("c");
  EXPECT_EQ(c.state, CampaignState::kRunning);
  EXPECT_EQ(c.read, counts_of(*store, "c").accepted + c.invalid + c.duplicate);
  EXPECT_FALSE(store->begin_import("c").ok());
}

TEST(Import, SuppressedAreAcceptedAndFinal) {
  RedisServer redis;
  auto store = redis.store(1);
  Campaign wanted;
  wanted.id = "c";
  ASSERT_TRUE(store->create(wanted, "").ok());
  const uint64_t epoch = *store->begin_import("c");
  ImportFlush flush = flush_of(3, {1, 2});
  flush.suppressed = 1;
  flush.suppressed_outcomes = outcomes_of({3}, Outcome::kSuppressed);
  ASSERT_TRUE(store->import("c", Lane::kBulk, epoch, std::span(&flush, 1)).ok());
  const Counts c = counts_of(*store, "c");
  EXPECT_EQ(c.accepted, 3u);
  EXPECT_EQ(c.suppressed, 1u);
  EXPECT_EQ(c.queued, 2u);
  std::vector<uint64_t> seen;
  ASSERT_TRUE(store
                  ->each_outcome("c",
                                 [&](const FinalOutcome& o) {
                                   EXPECT_EQ(o.outcome, Outcome::kSuppressed);
                                   seen.push_back(o.number);
                                   return true;
                                 })
                  .ok());
  EXPECT_EQ(seen, std::vector<uint64_t>{3});
}

TEST(Import, ManyPartitionsInOnePipeline) {
  RedisServer redis;
  auto store = redis.store();
  Campaign wanted;
  wanted.id = "big";
  ASSERT_TRUE(store->create(wanted, "").ok());
  const uint64_t epoch = *store->begin_import("big");
  std::vector<ImportFlush> flushes(64);
  uint64_t next = 1;
  for (uint32_t p = 0; p < 64; ++p) {
    flushes[p].partition = p;
    flushes[p].mark = 100000;
    for (int part = 0; part < 20; ++part) {
      const std::string domain = "d" + std::to_string(part) + ".example";
      flushes[p].parts.push_back({domain, 50, chunk_of(sequence(next, 50), domain)});
      next += 50;
    }
  }
  ASSERT_TRUE(store->import("big", Lane::kBulk, epoch, flushes).ok());
  ASSERT_TRUE(store->import("big", Lane::kBulk, epoch, flushes).ok());
  EXPECT_EQ(counts_of(*store, "big").accepted, 64u * 20 * 50);
  const auto marks = *store->import_marks("big");
  EXPECT_EQ(std::set<uint64_t>(marks.begin(), marks.end()), std::set<uint64_t>{100000});
}

TEST(Import, BrokenFlushesAreRefused) {
  RedisServer redis;
  auto store = redis.store(1);
  Campaign wanted;
  wanted.id = "c";
  ASSERT_TRUE(store->create(wanted, "").ok());
  const uint64_t epoch = *store->begin_import("c");
  ImportFlush flush = flush_of(3, {1, 2, 3});
  flush.parts[0].recipients = 4;
  EXPECT_FALSE(store->import("c", Lane::kBulk, epoch, std::span(&flush, 1)).ok());
  flush = flush_of(3, {1, 2, 3});
  flush.parts[0].domain = "with space";
  EXPECT_FALSE(store->import("c", Lane::kBulk, epoch, std::span(&flush, 1)).ok());
  flush = flush_of(0, {1});
  EXPECT_FALSE(store->import("c", Lane::kBulk, epoch, std::span(&flush, 1)).ok());
  EXPECT_EQ(counts_of(*store, "c").accepted, 0u);
}

TEST(Import, NothingIsSentBeforeTheListIsClosedUnlessStreamed) {
  RedisServer redis;
  auto store = redis.store(1);
  Engine engine(redis);
  engine.own();
  for (const bool stream : {false, true}) {
    Campaign wanted;
    wanted.id = stream ? "streamed" : "whole";
    wanted.stream = stream;
    auto made = store->create(wanted, "");
    ASSERT_TRUE(made.ok());
    const uint64_t epoch = *store->begin_import(wanted.id);
    engine.apply(**store->find(wanted.id));
    const ImportFlush flush = flush_of(4, sequence(1, 4), wanted.id + ".example");
    ASSERT_TRUE(store->import(wanted.id, Lane::kBulk, epoch, std::span(&flush, 1)).ok());
    auto reply = engine.claim();
    EXPECT_EQ(reply.chunks.size(), stream ? 1u : 0u);
  }
  // Closing lets the other one go, once its owner hears of it.
  ASSERT_TRUE(store->close_import("whole", 2, 4, 0, 0).ok());
  engine.apply(**store->find("whole"));
  auto reply = engine.claim();
  ASSERT_EQ(reply.chunks.size(), 1u);
  EXPECT_EQ(reply.chunks[0].destination.campaign, "whole");
  EXPECT_EQ(reply.chunks[0].destination.domain, "whole.example");
  EXPECT_EQ(numbers_of(reply.chunks[0].chunk), sequence(1, 4));
}

TEST(Import, HeldStaysPaused) {
  RedisServer redis;
  auto store = redis.store(1);
  Campaign wanted;
  wanted.id = "c";
  wanted.hold = true;
  ASSERT_TRUE(store->create(wanted, "").ok());
  const uint64_t epoch = *store->begin_import("c");
  ASSERT_TRUE(store->close_import("c", epoch, 0, 0, 0).ok());
  EXPECT_EQ((**store->find("c")).state, CampaignState::kPaused);
}

}  // namespace
}  // namespace volley::queue
