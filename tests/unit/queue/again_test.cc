// Those that failed, tried again: what is kept of them, and what counts then.
#include <gtest/gtest.h>

#include "queue/record.h"
#include "tests/unit/queue/walker.h"

namespace volley::queue {
namespace {

using namespace testing;

class AgainTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(store);
    engine = std::make_unique<Engine>(redis);
    engine->own();
    engine->apply(running_campaign(*store, "c", 1, 6));
  }
  // 1 and 2 are delivered, 3 and 4 bounce, 5 and 6 expire.
  void fail_some() {
    const Claimed claimed = engine->claim_one();
    Settlement s = engine->closing(claimed);
    s.outcomes = outcomes_of({1, 2});
    for (const auto& [outcome, list] : {std::pair{Outcome::kBounced, std::vector<uint64_t>{3, 4}},
                                        std::pair{Outcome::kExpired, std::vector<uint64_t>{5, 6}}}) {
      for (const FinalOutcome& o : outcomes_of(list, outcome)) s.outcomes.push_back(o);
      s.kept.push_back({outcome, tried(list)});
    }
    ASSERT_EQ(*engine->settle(s), SettleResult::kApplied);
    ASSERT_EQ(*engine->settle(s), SettleResult::kAlreadyApplied);
  }
  static std::string tried(const std::vector<uint64_t>& list) {
    ChunkBuilder builder;
    for (const uint64_t number : list) {
      const std::string address = "user" + std::to_string(number) + "@example.com";
      Recipient r;
      r.number = number;
      r.address = address;
      r.attempts = 3;
      r.first_attempt_ms = 1;
      r.last_code = 550;
      builder.add(r);
    }
    return builder.encode();
  }
  uint64_t again(const std::function<bool(uint64_t)>& wanted) {
    auto record = store->reopen("c");
    if (!record) return 0;
    revision = record->revision;
    uint64_t changed = 0;
    WalkFilter filter;
    filter.failed = true;
    WalkVisitor visitor;
    visitor.found = [&](const Found& found) {
      std::vector<size_t> picked;
      for (size_t i = 0; i < found.recipients.size(); ++i)
        if (wanted(found.recipients[i].number)) picked.push_back(i);
      if (picked.empty()) return Step::kOn;
      EXPECT_EQ(*store->change(Change::kAgain, found, picked, revision), ChangeResult::kChanged);
      EXPECT_EQ(*store->change(Change::kAgain, found, picked, revision), ChangeResult::kMoved);
      changed += picked.size();
      return picked.size() == found.recipients.size() ? Step::kGone : Step::kOn;
    };
    EXPECT_TRUE(store->walk(filter, visitor).ok());
    return changed;
  }
  std::map<uint64_t, Outcome> outcomes() {
    std::map<uint64_t, Outcome> out;
    const Status read = store->each_outcome("c", [&](const FinalOutcome& o) {
      EXPECT_TRUE(out.emplace(o.number, o.outcome).second) << o.number;
      return true;
    });
    EXPECT_TRUE(read.ok());
    return out;
  }
  void finish() {
    ASSERT_TRUE(store->finish_if_done("c").ok());
    ASSERT_EQ((**store->find("c")).state, CampaignState::kFinished);
    engine->apply(**store->find("c"));
  }

  RedisServer redis;
  std::unique_ptr<Store> store = redis.store(1);
  std::unique_ptr<Engine> engine;
  uint64_t revision = 0;
};

TEST_F(AgainTest, AFinishedCampaignBeginsAgainForThoseThatFailed) {
  fail_some();
  finish();
  WalkFilter filter;
  filter.failed = true;
  EXPECT_EQ(walk_of(*store).all().size(), 0u);  // nobody is queued
  EXPECT_EQ(walk_of(*store, filter).at.at(Where::kBounced), (Numbers{3, 4}));
  EXPECT_EQ(walk_of(*store, filter).at.at(Where::kExpired), (Numbers{5, 6}));
  EXPECT_EQ(again([](uint64_t n) { return n == 4 || n == 6; }), 2u);
  EXPECT_EQ((**store->find("c")).generation, 2u);
  Counts c = counts_of(*store, "c");
  EXPECT_EQ(c.bounced, 1u);
  EXPECT_EQ(c.expired, 1u);
  EXPECT_EQ(c.queued, 2u);
  EXPECT_EQ(outcomes().size(), 4u);
  // An engine that hears late of the end must not drop them.
  Campaign old = **store->find("c");
  old.state = CampaignState::kFinished;
  old.revision = revision - 1;
  engine->apply(old);
  ASSERT_TRUE(store->set_state("c", CampaignState::kRunning, "").ok());
  engine->apply(**store->find("c"));
  size_t delivered = 0;
  for (ClaimReply reply = engine->claim(1); !reply.chunks.empty(); reply = engine->claim(1)) {
    auto chunk = Chunk::decode(reply.chunks[0].chunk);
    for (const Recipient& r : chunk->recipients()) {
      EXPECT_EQ(r.attempts, 0u);
      EXPECT_EQ(r.last_code, 0);
      EXPECT_EQ(r.first_attempt_ms, 0);
      ++delivered;
    }
    engine->deliver(reply.chunks[0]);
  }
  EXPECT_EQ(delivered, 2u);
  finish();
  c = counts_of(*store, "c");
  EXPECT_EQ(c.delivered, 4u);
  EXPECT_EQ(c.queued, 0u);
  EXPECT_EQ(outcomes(), (std::map<uint64_t, Outcome>{{1, Outcome::kDelivered},
                                                     {2, Outcome::kDelivered},
                                                     {3, Outcome::kBounced},
                                                     {4, Outcome::kDelivered},
                                                     {5, Outcome::kExpired},
                                                     {6, Outcome::kDelivered}}));
}

TEST_F(AgainTest, TheSameRecipientMayFailAgain) {
  fail_some();
  for (int round = 2; round < 4; ++round) {
    EXPECT_EQ(again([](uint64_t n) { return n == 3; }), 1u);
    const Claimed claimed = engine->claim_one();
    Settlement s = engine->closing(claimed);
    s.outcomes = outcomes_of({3}, Outcome::kBounced);
    s.kept.push_back({Outcome::kBounced, tried({3})});
    ASSERT_EQ(*engine->settle(s), SettleResult::kApplied);
    EXPECT_EQ(counts_of(*store, "c").bounced, 2u);
    EXPECT_EQ(outcomes().size(), 6u);
    EXPECT_EQ((**store->find("c")).generation, static_cast<uint32_t>(round));
  }
}

TEST_F(AgainTest, OutcomesAreThoseOfOneMomentWhileSomeAreTriedAgain) {
  fail_some();
  finish();
  EXPECT_EQ(*store->tried_again("c"), 0u);
  const OutcomeMoment before = *store->outcome_moment("c");
  // Another process tries 3 again, and it is delivered, while the outcomes are read here.
  const std::unique_ptr<Store> reader = redis.store(1);
  std::map<uint64_t, Outcome> seen;
  const auto visit = [&](const FinalOutcome& o) {
    if (seen.empty()) {
      EXPECT_EQ(again([](uint64_t n) { return n == 3; }), 1u);
      EXPECT_TRUE(store->set_state("c", CampaignState::kRunning, "").ok());
      engine->apply(**store->find("c"));
      engine->deliver(engine->claim_one());
    }
    EXPECT_TRUE(seen.emplace(o.number, o.outcome).second) << o.number;
    return true;
  };
  ASSERT_TRUE(reader->each_outcome("c", visit).ok());
  EXPECT_EQ(seen.size(), 6u);
  EXPECT_EQ(seen[3], Outcome::kBounced);
  EXPECT_EQ(*store->tried_again("c"), 1u);
  EXPECT_EQ(outcomes()[3], Outcome::kDelivered);
  // By a moment before that, both: whoever walked the queue between them missed it.
  std::multimap<uint64_t, Outcome> all;
  const auto note = [&](const FinalOutcome& o) {
    all.emplace(o.number, o.outcome);
    return true;
  };
  ASSERT_TRUE(reader->each_outcome("c", note, {}, &before).ok());
  EXPECT_EQ(all.size(), 7u);
  EXPECT_EQ(all.count(3), 2u);
}

TEST_F(AgainTest, NotOfACancelledCampaignAndNothingIsLeftAfterAPurge) {
  fail_some();
  ASSERT_TRUE(store->set_state("c", CampaignState::kCancelled, "").ok());
  engine->apply(**store->find("c"));
  EXPECT_FALSE(store->reopen("c").ok());
  ASSERT_TRUE(store->purge("c").ok());
  const Reply keys = redis.run({"KEYS", "*"});
  for (size_t i = 0; i < keys.view().size(); ++i)
    EXPECT_EQ(keys.view().at(i).text().find(":c"), std::string_view::npos) << keys.view().at(i).text();
}

TEST_F(AgainTest, NothingBringsBackWhatIsBeingPurged) {
  fail_some();
  EXPECT_EQ(store->begin_purge("c").error().code, Errc::kData);  // it runs
  finish();
  ASSERT_TRUE(store->begin_purge("c").ok());
  ASSERT_TRUE(store->begin_purge("c").ok());
  const Campaign marked = **store->find("c");
  EXPECT_TRUE(marked.purging);
  EXPECT_EQ(marked.reason, kBeingPurged);
  const auto refused = [](const auto& result) {
    return !result.ok() && result.error().message.find("is being purged") != std::string::npos;
  };
  EXPECT_TRUE(refused(store->reopen("c")));
  EXPECT_TRUE(refused(store->set_state("c", CampaignState::kRunning, "")));
  EXPECT_TRUE(refused(store->replace_content("c", "new", "f2", "example.org", false)));
  EXPECT_TRUE(refused(store->approve("c")));
  EXPECT_TRUE(refused(store->begin_import("c")));
  EXPECT_TRUE(refused(store->blot("c")));
  EXPECT_TRUE(refused(store->put_suppressions("c", "")));
  EXPECT_EQ((**store->find("c")).revision, marked.revision);
  // The one that marked it died; another ends it.
  ASSERT_TRUE(redis.store(1)->purge("c").ok());
  EXPECT_FALSE(store->find("c")->has_value());
}

// Two purge it; one has ended, and the name is another campaign's by now.
TEST_F(AgainTest, TheRecordOfAnotherCampaignOfThatNameStays) {
  fail_some();
  finish();
  const int64_t created = (**store->find("c")).created_ms;
  const auto erase = [&](int64_t of) {
    return redis.number({"FCALL", "volley1_erase", "1", "volley:{c:c}:", std::to_string(of)});
  };
  EXPECT_EQ(erase(created - 1), -1);
  EXPECT_TRUE(store->find("c")->has_value());
  EXPECT_EQ(erase(created), 1);
  EXPECT_EQ(erase(created), 0);
}

TEST_F(AgainTest, WhatWasReopenedIsNotPurged) {
  fail_some();
  finish();
  ASSERT_EQ(again([](uint64_t n) { return n == 3; }), 1u);
  EXPECT_EQ(store->begin_purge("c").error().code, Errc::kData);
  EXPECT_EQ(store->blot("c").error().code, Errc::kData);
  EXPECT_EQ(walk_of(*store).all(), (Numbers{3}));
  EXPECT_FALSE((**store->find("c")).purging);
}

// It was reopened, and ended again before this partition heard; whoever reopened it still tries.
TEST_F(AgainTest, ALateRetryFindsThePartitionClosed) {
  fail_some();
  finish();
  const uint64_t reopened = store->reopen("c")->revision;
  ASSERT_TRUE(store->set_state("c", CampaignState::kRunning, "").ok());
  ASSERT_TRUE(store->finish_if_done("c").ok());
  const Campaign marked = *store->begin_purge("c");
  // So much is kept that it does not go with the first step.
  for (int i = 0; i < 200; ++i) {
    std::vector<std::string> more = {"SADD", "volley:{p00}:kp:c"};
    for (int j = 0; j < 100; ++j)
      more.push_back("b|" + std::to_string(i) + "." + std::to_string(j) + ".example");
    redis.run(more);
  }
  WalkFilter filter;
  filter.failed = true;
  WalkVisitor visitor;
  int late = 0;
  visitor.found = [&](const Found& found) {
    if (late++ == 0) {
      redis.run({"FCALL", "volley1_purge", "1", "volley:{p00}:", "c", "b:default", "0", "0", "1",
                 std::to_string(marked.revision), "finished"});
    }
    const std::vector<size_t> first = {0};
    EXPECT_NE(*store->change(Change::kAgain, found, first, reopened), ChangeResult::kChanged);
    return Step::kOn;
  };
  ASSERT_TRUE(store->walk(filter, visitor).ok());
  EXPECT_GT(late, 0);
  EXPECT_EQ(counts_of(*store, "c").queued, 0u);
  EXPECT_EQ(redis.text({"HGET", "volley:{p00}:c:c", "state"}), "finished");
}

TEST_F(AgainTest, ContentIsReplacedWhileItIsPausedOnly) {
  EXPECT_FALSE(store->replace_content("c", "new", "f2", "example.org", false).ok());
  ASSERT_TRUE(store->set_state("c", CampaignState::kPaused, "").ok());
  ASSERT_TRUE(store->replace_content("c", "new", "f2", "example.org", false).ok());
  ASSERT_TRUE(store->replace_content("c", "new", "f2", "example.org", false).ok());
  const Campaign record = **store->find("c");
  EXPECT_EQ(record.content_revision, 2u);
  EXPECT_EQ(record.content_fingerprint, "f2");
  EXPECT_EQ(record.from_domain, "example.org");
  EXPECT_EQ(*store->content("c"), "new");
}

}  // namespace
}  // namespace volley::queue
