// What goes wrong around a PartitionOwner: crashes, lost queues, lost partitions.
#include <filesystem>

#include "tests/unit/delivery/owner_bench.h"

namespace volley::delivery {
namespace {

using namespace testing;

const std::vector<std::string> kDomains = {"a.example.com", "b.example.com", "c.example.com"};

// The process dies with outcomes written down that the queue has not heard of.
TEST_F(OwnerTest, AfterACrashNobodyIsForgottenAndNoDeliveredOneRepeated) {
  import_campaign(*store, "november", kDomains, 200);
  for (int life = 0; life < 3; ++life) {
    auto b = bench();
    ASSERT_TRUE(b->until([&] { return b->delivery.works.size() >= 3; }));
    for (auto& work : b->delivery.works) {
      const size_t n = work->waiting;
      size_t tried = 0;
      for (size_t i = 0; i < work->states.size() && tried < n / 2; ++i) {
        if (work->states[i] != RecipientState::kWaiting) continue;
        b->delivery.attempt(*work, i, tried++ < n / 3 ? Verdict::kDelivered : Verdict::kDeferred);
      }
    }
    // Of one of them the queue has heard a part.
    Work& first = *b->delivery.works[0];
    if (life == 1) {
      const uint64_t before = counts_of(*store, "november").delivered;
      const Portion part = compose_portion(first, b->door->queue_now_ms(), 1);
      ASSERT_FALSE(part.outcomes.empty());
      b->owner->on_progress(first.ticket, part);
      ASSERT_TRUE(b->until([&] { return counts_of(*store, "november").delivered > before; }));
    }
    b->loop.run_once(false);  // the journal is written at the turn's end
  }
  auto b = bench();
  ASSERT_TRUE(b->until([&] {
    b->deliver_all();
    return counts_of(*store, "november").queued == 0;
  }));
  EXPECT_TRUE(everyone_once(600));
  EXPECT_EQ(counts_of(*store, "november").delivered, 600u);
  EXPECT_GT(counts_of(*store, "november").deferrals, 0u);
  ASSERT_TRUE(b->until([&] { return b->book->done(); }));
}

TEST_F(OwnerTest, RecoveredChunksThatNobodyTouchedAreJustDelivered) {
  import_campaign(*store, "november", kDomains, 100);
  {
    auto b = bench();
    ASSERT_TRUE(b->until([&] { return b->delivery.works.size() == 3; }));
  }
  EXPECT_EQ(counts_of(*store, "november").in_flight, 300u);
  auto b = bench();
  ASSERT_TRUE(b->until([&] {
    b->deliver_all();
    return counts_of(*store, "november").queued == 0;
  }));
  EXPECT_TRUE(everyone_once(300));
}

TEST_F(OwnerTest, ALostConnectionIsMendedAndNothingIsCountedTwice) {
  import_campaign(*store, "november", kDomains, 300);
  auto b = bench();
  unsigned cuts = 0;
  ASSERT_TRUE(b->until([&] {
    if (!b->delivery.works.empty()) {
      auto work = std::move(b->delivery.works.front());
      b->delivery.works.erase(b->delivery.works.begin());
      b->delivery.attempt_all(*work);
      b->give_back(std::move(work));
      // The settlement is on its way, or its answer is.
      if (cuts % 2 == 0) b->loop.run_once(false);
      ++cuts;
      redis.run({"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"});
    }
    return inbox.size() == 900;
  }));
  EXPECT_GE(cuts, 9u);
  ASSERT_TRUE(b->until([&] { return counts_of(*store, "november").queued == 0; }));
  EXPECT_EQ(counts_of(*store, "november").delivered, 900u);
  EXPECT_TRUE(everyone_once(900));
}

TEST_F(OwnerTest, APartitionThatSomebodyElseTookIsLeftAndItsWorkStops) {
  import_campaign(*store, "november", {"a.example.com"}, 100);
  auto b = bench("engine-a", [](OwnerOptions& o) { o.lease_ttl = std::chrono::milliseconds(900); });
  ASSERT_TRUE(b->until([&] { return b->delivery.works.size() == 1; }));
  auto work = std::move(b->delivery.works[0]);
  b->delivery.works.clear();
  const std::string own = "volley:{p0" + std::to_string(work->partition) + "}:own";
  const int64_t epoch = std::stoll(redis.text({"HGET", own, "epoch"}));
  const std::string later = std::to_string(wall_now().time_since_epoch().count() + 3'600'000);
  redis.run(
      {"HSET", own, "owner", "engine-b", "epoch", std::to_string(epoch + 1), "expires", later});
  ASSERT_TRUE(b->until([&] { return !work->campaign->sending(); }));
  EXPECT_TRUE(b->delivery.looked_again.contains("november"));
  // What was delivered under the old epoch is a fact until somebody recovers it.
  for (size_t i = 0; i < 40; ++i) b->delivery.attempt(*work, i, Verdict::kDelivered);
  b->give_back(std::move(work));
  ASSERT_TRUE(b->until([&] { return counts_of(*store, "november").delivered == 40; }));
  ASSERT_TRUE(b->until([&] { return b->owner->snapshot().elsewhere == "engine-b"; }));
  EXPECT_EQ(counts_of(*store, "november").in_flight, 0u);
  // The other one goes away.
  redis.run({"HSET", own, "owner", "", "expires", "0"});
  ASSERT_TRUE(b->until([&] {
    b->deliver_all();
    return counts_of(*store, "november").queued == 0;
  }));
  EXPECT_TRUE(everyone_once(100));
}

TEST_F(OwnerTest, WhatANewOwnerRecoveredIsFencedFromTheOldOne) {
  import_campaign(*store, "november", {"a.example.com"}, 100);
  auto b = bench();
  ASSERT_TRUE(b->until([&] { return b->delivery.works.size() == 1; }));
  auto work = std::move(b->delivery.works[0]);
  b->delivery.works.clear();
  const std::string own = "volley:{p0" + std::to_string(work->partition) + "}:own";
  redis.run({"HSET", own, "expires", "0"});
  Inbox others;
  TemporaryDirectory elsewhere;
  OwnerBench c(redis.url(), elsewhere.path(), others, "engine-b");
  ASSERT_TRUE(c.until([&] { return c.delivery.works.size() == 1; }));
  b->delivery.attempt_all(*work, Verdict::kBounced);
  b->give_back(std::move(work));
  ASSERT_TRUE(b->until([&] { return b->owner->snapshot().works == 0; }));
  EXPECT_EQ(counts_of(*store, "november").bounced, 0u);
  ASSERT_TRUE(c.until([&] {
    c.deliver_all();
    return counts_of(*store, "november").queued == 0;
  }));
  EXPECT_EQ(others.size(), 100u);
  EXPECT_EQ(counts_of(*store, "november").delivered, 100u);
}

TEST_F(OwnerTest, AFencedWorkLeavesNothingInTheJournal) {
  import_campaign(*store, "november", {"a.example.com"}, 100);
  auto b = bench();
  ASSERT_TRUE(b->until([&] { return b->delivery.works.size() == 1; }));
  auto work = std::move(b->delivery.works[0]);
  b->delivery.works.clear();
  redis.run({"HSET", "volley:{p0" + std::to_string(work->partition) + "}:own", "expires", "0"});
  Inbox others;
  TemporaryDirectory elsewhere;
  OwnerBench c(redis.url(), elsewhere.path(), others, "engine-b");
  ASSERT_TRUE(c.until([&] { return c.delivery.works.size() == 1; }));
  for (size_t i = 0; i < 10; ++i) b->delivery.attempt(*work, i, Verdict::kDelivered);
  b->owner->on_progress(work->ticket, compose_portion(*work, b->door->queue_now_ms(), 1));
  ASSERT_TRUE(b->until([&] { return b->door->pending() == 0; }));
  b->delivery.attempt_all(*work);  // what was in flight
  b->give_back(std::move(work));
  ASSERT_TRUE(b->until([&] { return b->owner->snapshot().works == 0; }));
  b->delivery.journal->logged(b->delivery.sequence);
  b.reset();
  EXPECT_TRUE(std::filesystem::is_empty(directory.path()));
}

TEST_F(OwnerTest, ALeaseThatCannotBeRenewedInTimeStopsItsWork) {
  import_campaign(*store, "november", {"a.example.com"}, 10);
  auto b = bench("engine-a", [](OwnerOptions& o) { o.lease_ttl = std::chrono::milliseconds(600); });
  ASSERT_TRUE(b->until([&] { return b->delivery.works.size() == 1; }));
  const auto context = b->delivery.works[0]->campaign;
  redis.run({"CLIENT", "PAUSE", "2000", "ALL"});
  ASSERT_TRUE(b->until([&] { return !context->sending(); }));
  b->deliver_all();
  ASSERT_TRUE(b->until([&] {
    return b->owner->snapshot().works == 0 && b->owner->snapshot().owned == kPartitions;
  }));
  EXPECT_EQ(counts_of(*store, "november").delivered, 10u);
  EXPECT_TRUE(everyone_once(10));
}

TEST_F(OwnerTest, StoppingGivesBackWhatIsLeftAndReleasesThePartitions) {
  import_campaign(*store, "november", kDomains, 200);
  auto b = bench();
  ASSERT_TRUE(b->until([&] { return b->delivery.works.size() >= 3; }));
  b->owner->stop();
  auto works = std::move(b->delivery.works);
  b->delivery.works.clear();
  for (auto& work : works) {
    b->delivery.attempt(*work, 0, Verdict::kDelivered);
    b->give_back(std::move(work));
  }
  ASSERT_TRUE(b->stopped());
  const queue::Counts c = counts_of(*store, "november");
  EXPECT_EQ(c.in_flight, 0u);
  EXPECT_EQ(c.delivered, inbox.size());
  b.reset();
  size_t journals = 0;
  for (const auto& entry : std::filesystem::directory_iterator(directory.path())) {
    journals += entry.path().extension() == ".journal";
  }
  EXPECT_EQ(journals, 1u) << "its events were never logged here";
  // Nobody has to wait for a lease of ours to run out.
  auto other = bench("engine-b");
  ASSERT_TRUE(other->until([&] {
    other->deliver_all();
    return counts_of(*store, "november").queued == 0;
  }));
  EXPECT_TRUE(everyone_once(600));
}

TEST_F(OwnerTest, TwoLoopsShareThePartitions) {
  import_campaign(*store, "november", kDomains, 100);
  const auto half = [](unsigned loop) {
    return [loop](OwnerOptions& o) {
      o.loop = loop;
      o.loops = 2;
    };
  };
  auto even = bench("engine-a", half(0)), odd = bench("engine-a", half(1));
  ASSERT_TRUE(even->until([&] {
    odd->loop.run_once(false);
    even->deliver_all();
    odd->deliver_all();
    return counts_of(*store, "november").queued == 0;
  }));
  EXPECT_TRUE(everyone_once(300));
  EXPECT_EQ(even->owner->snapshot().owned, 2u);
  EXPECT_EQ(odd->owner->snapshot().owned, 2u);
}

}  // namespace
}  // namespace volley::delivery
