#include "engine/delivery/partition_owner.h"

#include "tests/unit/delivery/owner_bench.h"

namespace volley::delivery {
namespace {

using namespace testing;

const std::vector<std::string> kDomains = {"a.example.com", "b.example.com", "c.example.com"};

TEST_F(OwnerTest, ClaimsDeliversAndSettlesEverybody) {
  import_campaign(*store, "november", kDomains, 250);
  auto b = bench();
  ASSERT_TRUE(b->until([&] {
    b->deliver_all([](const queue::Recipient& r) {
      return r.number % 10 == 0   ? Verdict::kBounced
             : r.number % 10 == 1 ? Verdict::kSuppressed
                                  : Verdict::kDelivered;
    });
    return counts_of(*store, "november").queued == 0;
  }));
  const queue::Counts c = counts_of(*store, "november");
  EXPECT_EQ(c.accepted, 750u);
  EXPECT_EQ(c.delivered, 600u);
  EXPECT_EQ(c.bounced, 75u);
  EXPECT_EQ(c.suppressed, 75u);
  EXPECT_TRUE(everyone_once(600));
  ASSERT_TRUE(b->stopped());
  EXPECT_EQ(b->owner->snapshot().recipients_in_memory, 0u);
  EXPECT_EQ(b->controls.find("november")->in_memory.load(), 0);
  EXPECT_EQ(redis.number({"HLEN", "volley:{p00}:inf"}), 0);
}

TEST_F(OwnerTest, TheDeferredComeBackWithTheirHistory) {
  import_campaign(*store, "november", kDomains, 20);
  auto b = bench();
  std::map<uint64_t, unsigned> attempts;
  ASSERT_TRUE(b->until([&] {
    b->deliver_all([&](const queue::Recipient& r) {
      EXPECT_EQ(r.attempts, attempts[r.number]);
      EXPECT_EQ(r.first_attempt_ms == 0, r.attempts == 0);
      return ++attempts[r.number] < 3 ? (r.number % 2 == 0 ? Verdict::kDeferred : Verdict::kInDoubt)
                                      : Verdict::kDelivered;
    });
    return counts_of(*store, "november").delivered == 60;
  }));
  EXPECT_EQ(counts_of(*store, "november").deferrals, 120u);
  EXPECT_TRUE(everyone_once(60));
}

TEST_F(OwnerTest, SaysWhenTheQueueHasSomethingNext) {
  constexpr int64_t kHour = 3'600'000;
  import_campaign(*store, "november", {"one.example"}, 20);
  auto b = bench();
  ASSERT_TRUE(b->until([&] {
    b->deliver_all([](const queue::Recipient&) { return Verdict::kDeferred; }, kHour);
    return counts_of(*store, "november").waiting_retry == 20 &&
           b->owner->snapshot().next_due_ms > kHour / 2;
  })) << b->owner->snapshot().next_due_ms;
  // Long delays share buckets of an eighth.
  EXPECT_LE(b->owner->snapshot().next_due_ms, kHour + kHour / 8);
}

TEST_F(OwnerTest, ProgressIsSettledWhileTheWorkIsOut) {
  import_campaign(*store, "november", {"a.example.com"}, 50);
  auto b = bench();
  ASSERT_TRUE(b->until([&] { return b->delivery.works.size() == 1; }));
  Work& work = *b->delivery.works[0];
  for (size_t i = 0; i < 10; ++i) b->delivery.attempt(work, i, Verdict::kDelivered);
  for (size_t i = 10; i < 15; ++i) b->delivery.attempt(work, i, Verdict::kDeferred, 3'600'000);
  b->owner->on_progress(work.ticket, compose_portion(work, b->door->queue_now_ms(), 1));
  ASSERT_TRUE(b->until([&] { return counts_of(*store, "november").delivered == 10; }));
  queue::Counts c = counts_of(*store, "november");
  EXPECT_EQ(c.waiting_retry, 5u);
  EXPECT_EQ(c.in_flight, 35u);
  EXPECT_EQ(b->owner->snapshot().recipients_in_memory, 35u);
  b->deliver_all();
  ASSERT_TRUE(b->until([&] { return counts_of(*store, "november").in_flight == 0; }));
  c = counts_of(*store, "november");
  EXPECT_EQ(c.delivered, 45u);
  EXPECT_EQ(c.queued, 5u);
}

TEST_F(OwnerTest, WhatWasNotTriedGoesBackToTheHeadAndComesAgain) {
  import_campaign(*store, "november", {"a.example.com"}, 30);
  auto b = bench();
  ASSERT_TRUE(b->until([&] { return b->delivery.works.size() == 1; }));
  auto work = std::move(b->delivery.works[0]);
  b->delivery.works.clear();
  for (size_t i = 0; i < 10; ++i) b->delivery.attempt(*work, i, Verdict::kDelivered);
  b->give_back(std::move(work));
  ASSERT_TRUE(b->until([&] { return b->delivery.works.size() == 1; }));
  EXPECT_EQ(b->delivery.works[0]->chunk.recipients().size(), 20u);
  b->deliver_all();
  ASSERT_TRUE(b->until([&] { return counts_of(*store, "november").queued == 0; }));
  EXPECT_TRUE(everyone_once(30));
}

TEST_F(OwnerTest, MemoryIsBounded) {
  import_campaign(*store, "november", kDomains, 1000);
  auto b = bench("engine-a", [](OwnerOptions& o) { o.recipients_in_memory = 600; });
  uint64_t most = 0;
  unsigned turns = 0;
  ASSERT_TRUE(b->until([&] {
    most = std::max(most, b->owner->snapshot().recipients_in_memory);
    if (++turns % 10 == 0) b->deliver_all();
    return counts_of(*store, "november").queued == 0;
  }));
  EXPECT_LE(most, 600u);
  EXPECT_GT(most, 100u);
  EXPECT_TRUE(everyone_once(3000));
}

TEST_F(OwnerTest, MoreOfADomainIsClaimedByNameUpToThreeWorks) {
  import_campaign(*store, "november", {"a.example.com"}, 1000);
  auto b = bench();
  ASSERT_TRUE(b->until([&] { return b->delivery.works.size() == 3; }));
  // Nothing of them is done: three it stays.
  for (int turn = 0; turn < 50; ++turn) b->loop.run_once(false);
  EXPECT_EQ(b->delivery.most_works, 3u);
  ASSERT_TRUE(b->until([&] {
    b->deliver_all();
    return counts_of(*store, "november").queued == 0;
  }));
  EXPECT_TRUE(everyone_once(1000));
}

// What is sent while a claim is under way has to be here before.
TEST_F(OwnerTest, ADomainThatRunsDryIsClaimedFromInLargerBursts) {
  import_campaign(*store, "november", {"a.example.com"}, 8000);
  auto b = bench();
  ASSERT_TRUE(b->until([&] {
    b->deliver_all();
    return counts_of(*store, "november").queued == 0;
  }));
  EXPECT_GT(b->delivery.most_works, 3u);
  EXPECT_LE(b->delivery.most_works, 17u);
  EXPECT_TRUE(everyone_once(8000));
}

TEST_F(OwnerTest, ASiteThatHasEnoughIsNotFed) {
  import_campaign(*store, "november", {"a.example.com"}, 10);
  auto b = bench("engine-a", [](OwnerOptions& o) { o.park_for = std::chrono::milliseconds(20); });
  b->delivery.hungry = false;
  // Claimed, routed, parked for a moment, and given back: nothing in memory, and everything still queued.
  ASSERT_TRUE(b->until([&] {
    return redis.number({"ZCARD", "volley:{p00}:b:default:doms"}) +
                   redis.number({"ZCARD", "volley:{p01}:b:default:doms"}) +
                   redis.number({"ZCARD", "volley:{p02}:b:default:doms"}) +
                   redis.number({"ZCARD", "volley:{p03}:b:default:doms"}) ==
               1 &&
           b->registry.total(metrics::Metric::kQueueSettlements) == 1 &&
           b->owner->snapshot().works == 0;
  }));
  EXPECT_TRUE(b->delivery.works.empty());
  EXPECT_EQ(counts_of(*store, "november").queued, 10u);
}

TEST_F(OwnerTest, WhatWaitsForItsSiteIsHandedOverOnceThereIsRoom) {
  import_campaign(*store, "november", kDomains, 10);
  auto b = bench("engine-a", [](OwnerOptions& o) { o.park_for = std::chrono::hours(1); });
  b->delivery.hungry = false;
  ASSERT_TRUE(b->until([&] { return b->owner->snapshot().works == 3; }));
  EXPECT_TRUE(b->delivery.works.empty());
  b->delivery.hungry = true;
  ASSERT_TRUE(b->until([&] { return b->delivery.works.size() == 3; }));
  b->deliver_all();
  ASSERT_TRUE(b->until([&] { return counts_of(*store, "november").queued == 0; }));
  EXPECT_EQ(b->registry.total(metrics::Metric::kQueueClaimedRecipients), 30u);
}

TEST_F(OwnerTest, PauseResumeAndCancelAreObeyed) {
  import_campaign(*store, "november", kDomains, 150);
  auto b = bench();
  ASSERT_TRUE(b->until([&] { return b->delivery.works.size() >= 3; }));
  ASSERT_TRUE(store->set_state("november", queue::CampaignState::kPaused, "lunch").ok());
  b->owner->wake();
  ASSERT_TRUE(
      b->until([&] { return b->delivery.states["november"] == queue::CampaignState::kPaused; }));
  for (auto& work : b->delivery.works) EXPECT_FALSE(work->campaign->sending());
  auto works = std::move(b->delivery.works);
  b->delivery.works.clear();
  for (auto& work : works) {
    b->delivery.attempt(*work, 0, Verdict::kDelivered);
    b->give_back(std::move(work));
  }
  ASSERT_TRUE(b->until([&] { return b->owner->snapshot().works == 0; }));
  EXPECT_TRUE(b->delivery.works.empty());
  const uint64_t before = counts_of(*store, "november").delivered;
  EXPECT_GE(before, 3u);

  ASSERT_TRUE(store->set_state("november", queue::CampaignState::kRunning, "").ok());
  b->owner->wake();
  ASSERT_TRUE(b->until([&] { return !b->delivery.works.empty(); }));
  b->deliver_all();
  ASSERT_TRUE(store->set_state("november", queue::CampaignState::kCancelled, "enough").ok());
  b->owner->wake();
  ASSERT_TRUE(
      b->until([&] { return b->delivery.states["november"] == queue::CampaignState::kCancelled; }));
  auto rest = std::move(b->delivery.works);
  b->delivery.works.clear();
  for (auto& work : rest) b->give_back(std::move(work));
  ASSERT_TRUE(b->until([&] { return b->owner->snapshot().works == 0; }));
  const queue::Counts c = counts_of(*store, "november");
  EXPECT_EQ(c.queued, 0u);
  EXPECT_EQ(c.delivered + c.cancelled, 450u);
  EXPECT_EQ(c.delivered, inbox.size());
}

TEST_F(OwnerTest, ADomainThatDoesNotExistBouncesAndOneWithoutDnsWaits) {
  import_campaign(*store, "november", {"gone.example.com", "later.example.com"}, 5,
                  "Hello {{name}}", 3'600'000);
  auto b = bench();
  RouteAnswer gone;
  gone.permanent = true;
  gone.code = 550;
  gone.enhanced = "5.1.2";
  gone.text = "no such domain";
  RouteAnswer later;
  later.code = 451;
  later.enhanced = "4.4.3";
  later.text = "MX look-up failed";
  b->delivery.routes = {{"gone.example.com", gone}, {"later.example.com", later}};
  ASSERT_TRUE(b->until([&] {
    const queue::Counts c = counts_of(*store, "november");
    return c.bounced == 5 && c.waiting_retry == 5;
  }));
  EXPECT_EQ(counts_of(*store, "november").deferrals, 5u);
  EXPECT_TRUE(b->delivery.works.empty());
  EXPECT_EQ(b->owner->snapshot().unrouted, 5u);
  EXPECT_EQ(b->owner->snapshot().unrouted_reply, "451 4.4.3 MX look-up failed");
}

TEST_F(OwnerTest, ContentThatDoesNotCompilePausesTheCampaignAndLosesNobody) {
  import_campaign(*store, "november", kDomains, 10, "Hello {{#open}}");
  auto b = bench();
  ASSERT_TRUE(b->until([&] {
    return b->delivery.states["november"] == queue::CampaignState::kPaused &&
           b->owner->snapshot().works == 0;
  }));
  EXPECT_TRUE(b->delivery.works.empty());
  EXPECT_EQ(counts_of(*store, "november").queued, 30u);
  auto record = store->find("november");
  ASSERT_TRUE(record.ok() && record->has_value());
  EXPECT_NE((*record)->reason.find("content is unusable"), std::string::npos) << (*record)->reason;
}

TEST_F(OwnerTest, ASingleMessageOvertakesAndItsStatusSaysSo) {
  import_campaign(*store, "november", kDomains, 100);
  auto b = bench("engine-a", [](OwnerOptions& o) { o.partitions = kPartitions; });
  message::Content content = make_content("reset-1", "Your password");
  content.literal = true;
  queue::SingleMessage message;
  message.number = 99;
  message.address = "someone@a.example.com";
  message.content = content.to_bytes();
  std::string id;
  ASSERT_TRUE(store->submit(message, id).ok());
  b->owner->wake();
  const auto single = [&]() -> Work* {
    for (auto& work : b->delivery.works) {
      if (work->destination.lane == queue::Lane::kTransactional) return work.get();
    }
    return nullptr;
  };
  ASSERT_TRUE(b->until([&] { return single() != nullptr; }));
  EXPECT_EQ(single()->campaign->record.id, queue::kSingleMessages);
  EXPECT_EQ(single()->campaign->renderer->from_address(), "news@example.com");
  b->deliver_all();
  ASSERT_TRUE(b->until([&] {
    auto status = store->single(id);
    return status.ok() && *status && (*status)->state == "delivered";
  }));
}

TEST_F(OwnerTest, ASingleMessageFindsRoomWhenMemoryIsFull) {
  import_campaign(*store, "november", kDomains, 300);
  auto b = bench("engine-a", [](OwnerOptions& o) { o.recipients_in_memory = 256; });
  ASSERT_TRUE(b->until([&] { return b->owner->snapshot().recipients_in_memory > 0; }));
  message::Content content = make_content("reset-1", "Your password");
  content.literal = true;
  queue::SingleMessage message;
  message.number = 99;
  message.address = "someone@a.example.com";
  message.content = content.to_bytes();
  std::string id;
  ASSERT_TRUE(store->submit(message, id).ok());
  const auto of_lane = [&](queue::Lane lane) {
    size_t n = 0;
    for (auto& work : b->delivery.works) n += work->destination.lane == lane ? work->waiting : 0;
    return n;
  };
  // Nothing is delivered meanwhile: what is in memory stays there.
  ASSERT_TRUE(b->until([&] { return of_lane(queue::Lane::kTransactional) == 1; }));
  EXPECT_GT(of_lane(queue::Lane::kBulk), 0u);
  EXPECT_LE(of_lane(queue::Lane::kBulk), 256u) << "the reserve is not for bulk mail";
  ASSERT_TRUE(b->until([&] {
    b->deliver_all();
    return counts_of(*store, "november").queued == 0;
  }));
}

TEST_F(OwnerTest, LargeSingleMessagesTakeTurnsInMemoryAndHinderNobody) {
  const auto submit = [&](uint64_t number, size_t size) {
    message::Content content = make_content("report-" + std::to_string(number), "Your report");
    content.literal = true;
    content.text->text.append(size, 'x');
    queue::SingleMessage message;
    message.number = number;
    message.address = "someone@d" + std::to_string(number) + ".example.com";
    message.content = content.to_bytes();
    std::string id;
    ASSERT_TRUE(store->submit(message, id).ok());
  };
  constexpr uint64_t kLarge = 6;
  for (uint64_t n = 1; n <= kLarge; ++n) submit(n, 200'000);
  auto b = bench("engine-a", [](OwnerOptions& o) { o.content_in_memory = 300'000; });
  ASSERT_TRUE(b->until([&] { return b->delivery.works.size() == 2; }));
  submit(99, 10);
  b->owner->wake();
  ASSERT_TRUE(b->until([&] { return b->delivery.works.size() == 3; }));
  EXPECT_EQ(b->delivery.works.back()->destination.domain, "d99.example.com");
  size_t most = 0;
  b->deliver_all();
  ASSERT_TRUE(b->until([&] {
    most = std::max(most, b->delivery.works.size());
    if (b->delivery.works.size() == 2) b->deliver_all();
    return inbox.size() == kLarge + 1;
  }));
  EXPECT_EQ(most, 2u);
  ASSERT_TRUE(b->until([&] { return b->owner->snapshot().works == 0; }));
}

// Content has room for one; the other partitions' messages wait for it, and come back when their partitions are lost.
TEST_F(OwnerTest, ALostPartitionDoesNotWaitForTheContentOfOthers) {
  for (uint32_t partition = 0; partition < kPartitions; ++partition) {
    std::string domain;
    for (int i = 0; domain.empty() || queue::partition_of(domain, kPartitions) != partition; ++i)
      domain = "d" + std::to_string(i) + ".example.com";
    message::Content content = make_content("report-" + std::to_string(partition), "Your report");
    content.literal = true;
    content.text->text.append(200'000, 'x');
    queue::SingleMessage message;
    message.number = partition + 1;
    message.address = "someone@" + domain;
    message.content = content.to_bytes();
    std::string id;
    ASSERT_TRUE(store->submit(message, id).ok());
  }
  auto b = bench("engine-a", [](OwnerOptions& o) {
    o.content_in_memory = 150'000;
    o.lease_ttl = std::chrono::milliseconds(600);
  });
  ASSERT_TRUE(b->until(
      [&] { return b->delivery.works.size() == 1 && b->owner->snapshot().works == kPartitions; }));
  auto slow = std::move(b->delivery.works[0]);  // at a slow receiver
  b->delivery.works.clear();
  redis.run({"CLIENT", "PAUSE", "2000", "ALL"});
  ASSERT_TRUE(b->until([&] { return b->owner->snapshot().owned == 0; }));
  ASSERT_TRUE(b->until([&] { return b->owner->snapshot().owned == kPartitions - 1; }));
  b->delivery.attempt_all(*slow);
  b->give_back(std::move(slow));
  ASSERT_TRUE(b->until([&] {
    b->deliver_all();
    return b->owner->snapshot().owned == kPartitions;
  }));
}

TEST_F(OwnerTest, ASingleMessageThatCannotBeRenderedBounces) {
  queue::SingleMessage message;
  message.number = 98;
  message.address = "someone@a.example.com";
  message.content = "not a content";
  std::string id;
  ASSERT_TRUE(store->submit(message, id).ok());
  auto b = bench();
  ASSERT_TRUE(b->until([&] {
    auto status = store->single(id);
    return status.ok() && *status && (*status)->state == "bounced";
  }));
}

}  // namespace
}  // namespace volley::delivery
