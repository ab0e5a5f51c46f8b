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
  EXPECT_EQ(*epoch, (**store->find("c")).import_epoch);
  const ImportFlush flush = flush_of(10, sequence(1, 10));
  for (int again = 0; again < 2; ++again) {
    ASSERT_TRUE(store->import("c", Lane::kBulk, *epoch, std::span(&flush, 1)).ok());
    EXPECT_EQ(counts_of(*store, "c").accepted, 10u);
    EXPECT_EQ(redis.number({"LLEN", "volley:{p00}:b:default:q:c:example.com"}), 1);
  }
  EXPECT_EQ(*store->import_marks("c"), std::vector<ImportMark>{{.row = 10}});
}

// A slice of two calls: (0, 20], domains below 100 first.
TEST(Import, ASliceMayTakeSeveralCalls) {
  RedisServer redis;
  auto store = redis.store(1);
  Campaign wanted;
  wanted.id = "c";
  ASSERT_TRUE(store->create(wanted, "").ok());
  const uint64_t epoch = *store->begin_import("c");
  const auto call = [&](uint64_t mark, uint32_t upto, std::optional<ImportMark> after,
                        uint64_t first) {
    ImportFlush flush = flush_of(mark, sequence(first, 5));
    flush.upto = upto;
    flush.after = after;
    return flush;
  };
  const auto write = [&](const ImportFlush& flush) {
    return store->import("c", Lane::kBulk, epoch, std::span(&flush, 1));
  };
  const auto expect_at = [&](ImportMark mark, uint64_t accepted) {
    EXPECT_EQ(*store->import_marks("c"), std::vector<ImportMark>{mark});
    EXPECT_EQ(counts_of(*store, "c").accepted, accepted);
  };
  const ImportMark begun{0, 20, 100}, further{0, 20, 200};
  for (int again = 0; again < 2; ++again) {  // as when an answer was lost
    ASSERT_TRUE(write(call(20, 100, ImportMark{}, 1)).ok());
    expect_at(begun, 5);
  }
  // The slice goes on to its end, from where it is.
  EXPECT_FALSE(write(call(30, 0, {}, 6)).ok());
  EXPECT_FALSE(write(call(30, 0, begun, 6)).ok());
  EXPECT_FALSE(write(call(20, 0, further, 6)).ok());
  EXPECT_FALSE(write(call(20, 200, ImportMark{.row = 10}, 6)).ok());
  expect_at(begun, 5);
  ASSERT_TRUE(write(call(20, 200, begun, 6)).ok());
  expect_at(further, 10);
  ASSERT_TRUE(write(call(20, 0, further, 11)).ok());
  expect_at({.row = 20}, 15);
  for (const ImportFlush& before :
       {call(20, 100, ImportMark{}, 1), call(20, 200, begun, 6), call(20, 0, further, 11)}) {
    ASSERT_TRUE(write(before).ok());  // all of them were in a pipeline whose answers were lost
    expect_at({.row = 20}, 15);
  }
  const Status gap = write(call(40, 0, ImportMark{.row = 30}, 16));
  ASSERT_FALSE(gap.ok());
  EXPECT_EQ(gap.error().code, Errc::kUnavailable);
  EXPECT_NE(gap.error().message.find("run the same command again"), std::string::npos);
  ASSERT_TRUE(write(call(40, 0, ImportMark{.row = 20}, 16)).ok());
  expect_at({.row = 40}, 20);
  EXPECT_EQ(redis.number({"HLEN", "volley:{p00}:c:c"}), 5) << "nothing is left of the slice";
}

TEST(Import, MarksCoverRows) {
  const ImportMark mark{10, 20, 7};
  EXPECT_TRUE(mark.covers(10, ~uint64_t{0}));
  EXPECT_TRUE(mark.covers(20, (uint64_t{7} << 32) - 1));
  EXPECT_FALSE(mark.covers(20, uint64_t{7} << 32));
  EXPECT_FALSE(mark.covers(21, 0));
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
  EXPECT_EQ(marks, std::vector<ImportMark>(64, ImportMark{.row = 100000}));
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
  flush = flush_of(3, {1, 2, 3});
  flush.upto = 5;  // of a slice that begins nowhere
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
  ASSERT_TRUE(store->close_import("whole", (**store->find("whole")).import_epoch, 4, 0, 0).ok());
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
