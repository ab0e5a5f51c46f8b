#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/address.h"
#include "queue/outcomes.h"
#include "tests/unit/queue/walker.h"

namespace volley::queue {
namespace {

using namespace testing;

const std::string kPerson = "user3@example.com";

bool is_person(std::string_view address) { return fold_address(address) == kPerson; }
bool names_person(std::string_view text) { return text.find(kPerson) != std::string_view::npos; }
bool third(uint64_t number) { return number == 3; }

class ForgetTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(store);
    engine = std::make_unique<Engine>(redis);
    engine->own();
  }
  void import(const std::string& id, size_t chunks, size_t per_chunk) {
    engine->apply(running_campaign(*store, id, chunks, per_chunk));
  }
  std::vector<FinalOutcome> outcomes(const std::string& id) {
    std::vector<FinalOutcome> out;
    EXPECT_TRUE(store
                    ->each_outcome(id,
                                   [&](const FinalOutcome& o) {
                                     out.push_back(o);
                                     return true;
                                   })
                    .ok());
    return out;
  }
  uint64_t forget_outcomes(const std::string& id) {
    auto changed = store->forget_outcomes(id, "example.com", is_person);
    EXPECT_TRUE(changed.ok());
    return changed ? *changed : 0;
  }
  void expect_identity(const std::string& id) {
    const Counts c = counts_of(*store, id);
    EXPECT_EQ(c.accepted, c.delivered + c.bounced + c.expired + c.suppressed + c.cancelled + c.queued);
  }

  RedisServer redis;
  std::unique_ptr<Store> store = redis.store(1);
  std::unique_ptr<Engine> engine;
};

TEST_F(ForgetTest, OfAQueuedOneTheNumberStaysCancelled) {
  import("c", 2, 4);
  EXPECT_EQ(change_of(*store, Change::kHold, [](uint64_t n) { return n < 5; }), 4u);
  EXPECT_EQ(change_of(*store, Change::kForget, third), 1u);
  EXPECT_EQ(change_of(*store, Change::kForget, third), 0u);
  EXPECT_EQ(walk_of(*store).all().size(), 7u);
  const auto final = outcomes("c");
  ASSERT_EQ(final.size(), 1u);
  EXPECT_EQ(final[0].number, 3u);
  EXPECT_EQ(final[0].outcome, Outcome::kCancelled);
  EXPECT_EQ(final[0].address, "");
  EXPECT_EQ(counts_of(*store, "c").cancelled, 1u);
  EXPECT_EQ(counts_of(*store, "c").held, 3u);
  expect_identity("c");
}

TEST_F(ForgetTest, OfACancelledCampaignOnlyTheBytesGo) {
  import("c", 1, 4);
  ASSERT_TRUE(store->set_state("c", CampaignState::kCancelled, "").ok());
  engine->apply(**store->find("c"));
  EXPECT_EQ(change_of(*store, Change::kForget, third), 1u);
  EXPECT_EQ(walk_of(*store).all(), (Numbers{1, 2, 4}));
  EXPECT_TRUE(outcomes("c").empty());
  EXPECT_EQ(counts_of(*store, "c").cancelled, 4u);
  expect_identity("c");
}

TEST_F(ForgetTest, OneThatFailedIsNotKeptAndItsCountStays) {
  import("c", 1, 4);
  const Claimed claimed = engine->claim_one();
  Settlement s = engine->closing(claimed);
  s.outcomes = outcomes_of({1, 2, 3, 4}, Outcome::kBounced);
  s.kept.push_back({Outcome::kBounced, claimed.chunk});
  ASSERT_EQ(*engine->settle(s), SettleResult::kApplied);
  ASSERT_TRUE(store->finish_if_done("c").ok());
  WalkFilter failed;
  failed.failed = true;
  EXPECT_EQ(change_of(*store, Change::kForget, third, failed), 1u);
  EXPECT_EQ(walk_of(*store, failed).all(), (Numbers{1, 2, 4}));
  EXPECT_EQ(counts_of(*store, "c").bounced, 4u);
  EXPECT_EQ(outcomes("c").size(), 4u);
  expect_identity("c");
}

// A parked chunk still has the bytes of those that were settled before.
TEST_F(ForgetTest, SettledOnesOfAParkedChunkGo) {
  import("c", 1, 4);
  const Claimed claimed = engine->claim_one();
  Settlement s = engine->closing(claimed);
  s.close = false;
  s.outcomes = outcomes_of({3});
  s.done = pack_numbers({3});
  ASSERT_EQ(*engine->settle(s), SettleResult::kApplied);
  redis.number({"HSET", "volley:{p00}:dead", std::to_string(claimed.lease),
                redis.text({"HGET", "volley:{p00}:inf", std::to_string(claimed.lease)})});
  redis.number({"HDEL", "volley:{p00}:inf", std::to_string(claimed.lease)});
  bool changed = false;
  WalkVisitor visitor;
  visitor.corrupt = [](std::string_view, std::string_view) { ADD_FAILURE(); };
  visitor.found = [&](const Found& found) {
    EXPECT_EQ(found.recipients.size(), 3u);
    auto result = store->change(Change::kForget, found, {});
    EXPECT_TRUE(result.ok() && *result == ChangeResult::kChanged);
    changed = true;
    return Step::kOn;
  };
  ASSERT_TRUE(store->walk({}, visitor).ok());
  EXPECT_TRUE(changed);
  auto rest = Chunk::decode(redis.text({"LINDEX", "volley:{p00}:f:" + std::to_string(claimed.lease), "0"}));
  ASSERT_TRUE(rest.ok());
  EXPECT_EQ(rest->recipients().size(), 3u);
  EXPECT_EQ(walk_of(*store).at.at(Where::kParked), (Numbers{1, 2, 4}));
  EXPECT_EQ(counts_of(*store, "c").cancelled, 0u);
}

TEST_F(ForgetTest, OutcomesLoseTheAddressAndNothingElse) {
  import("c", 3, 2);
  while (true) {
    const ClaimReply reply = engine->claim(1);
    if (reply.chunks.empty()) break;
    engine->deliver(reply.chunks[0]);
  }
  const auto before = outcomes("c");
  EXPECT_EQ(forget_outcomes("c"), 1u);
  const auto after = outcomes("c");
  ASSERT_EQ(after.size(), before.size());
  for (size_t i = 0; i < after.size(); ++i) {
    EXPECT_EQ(after[i].number, before[i].number);
    EXPECT_EQ(after[i].outcome, before[i].outcome);
    EXPECT_EQ(after[i].code, before[i].code);
    EXPECT_EQ(after[i].address, before[i].number == 3 ? "" : before[i].address);
  }
  EXPECT_EQ(forget_outcomes("c"), 0u);
  EXPECT_EQ(counts_of(*store, "c").delivered, 6u);
}

TEST_F(ForgetTest, ABlockChangesOnlyWhileItIsAsItWasSeen) {
  import("c", 1, 4);
  engine->deliver(engine->claim_one());
  const std::string old = redis.text({"LINDEX", "volley:{p00}:o:c", "0"});
  const std::string fresh = encode_outcomes(outcomes_of({1, 2}));
  const std::vector<std::string> call = {"FCALL", "volley1_blot", "1", "volley:{p00}:", "c", "0", old, fresh};
  EXPECT_EQ(redis.number(call), 1);
  EXPECT_EQ(redis.number(call), 1);  // its answer was lost
  EXPECT_EQ(redis.number({"FCALL", "volley1_blot", "1", "volley:{p00}:", "c", "0", old, "other"}), 0);
  EXPECT_EQ(redis.text({"LINDEX", "volley:{p00}:o:c", "0"}), fresh);
}

TEST_F(ForgetTest, RepliesAndReasonsThatNameIt) {
  redis.number({"HSET", "volley:{p00}:m:7", "state", "bounced", "text", "no <" + kPerson + ">"});
  redis.number({"HSET", "volley:{p00}:m:8", "state", "bounced", "text", "no <other@example.com>"});
  import("c", 1, 1);
  ASSERT_TRUE(store->set_state("c", CampaignState::kPaused, "550 " + kPerson).ok());
  EXPECT_EQ(*store->forget_words(names_person), 2u);
  EXPECT_EQ(*store->forget_words(names_person), 0u);
  EXPECT_EQ(redis.text({"HGET", "volley:{p00}:m:7", "text"}), "");
  EXPECT_EQ(redis.text({"HGET", "volley:{p00}:m:7", "state"}), "bounced");
  EXPECT_EQ(redis.text({"HGET", "volley:{p00}:m:8", "text"}), "no <other@example.com>");
  EXPECT_EQ((**store->find("c")).state, CampaignState::kPaused);
}

TEST_F(ForgetTest, StreamsLoseTheBytesOfWhatIsDeleted) {
  for (const char* key : {"volley:intake", "volley:intake:parked"}) {
    redis.text({"XADD", key, "1-1", "message", R"({"to":"one@example.com"})"});
    redis.text({"XADD", key, "1-2", "message", R"({"to":")" + kPerson + R"("})"});
    redis.text({"XADD", key, "1-3", "message", R"({"to":"two@example.com"})"});
    redis.text({"XADD", key, "1-4", "batch", R"([{"to":"a@example.com"},{"to":")" + kPerson + R"("}])"});
  }
  redis.text({"XGROUP", "CREATE", "volley:intake", "volley", "0"});
  redis.text({"XREADGROUP", "GROUP", "volley", "me", "COUNT", "2", "STREAMS", "volley:intake", ">"});
  auto gone = store->forget_intake(names_person, is_person);
  ASSERT_TRUE(gone.ok()) << gone.error().message;
  EXPECT_EQ(gone->deleted, 3u);
  EXPECT_EQ(gone->left, 1u);  // others' messages are in it
  EXPECT_FALSE(gone->too_long);
  EXPECT_EQ(redis.number({"XLEN", "volley:intake"}), 3);
  EXPECT_EQ(redis.number({"XLEN", "volley:intake:parked"}), 2);
  EXPECT_EQ(redis.text({"DUMP", "volley:intake:parked"}).find(kPerson), std::string::npos);
  EXPECT_EQ(redis.number({"XACK", "volley:intake", "volley", "1-1"}), 1);  // still pending
  EXPECT_EQ(redis.number({"XACK", "volley:intake", "volley", "1-2"}), 0);
  EXPECT_EQ(redis.text({"XADD", "volley:intake:parked", "*", "a", "b"}).empty(), false);
  EXPECT_EQ(redis.text({"XADD", "volley:intake:parked", "1-4", "a", "b"}).find("ERR"), 0u);  // ids go on
  gone = store->forget_intake(names_person, is_person);
  EXPECT_EQ(gone->deleted, 0u);
}

TEST_F(ForgetTest, OthersMessagesThatNameItWait) {
  const std::vector<std::string> others = {
      R"({"to":"one@example.com","text":"ask )" + kPerson + R"("})",
      R"({"to":"\")" + kPerson + R"(\" <one@example.com>"})",
      R"({"to":["one@example.com",")" + kPerson + R"("]})",
      R"(no JSON: )" + kPerson,
  };
  for (const std::string& message : others)
    redis.text({"XADD", "volley:intake", "*", "message", message});
  redis.text({"XADD", "volley:intake", "*", "message", R"({"to":"one@example.com"})", "key", kPerson});
  redis.text({"XADD", "volley:intake", "*", "batch", R"([{"to":"one@example.com","subject":")" + kPerson + R"("}])"});
  const uint64_t left = others.size() + 2;
  redis.text({"XADD", "volley:intake", "*", "message", R"({"to":"Ann <User3@example.com>","text":")" + kPerson + R"("})"});
  redis.text({"XADD", "volley:intake", "*", "batch", R"([{"to":" )" + kPerson + R"("}])"});
  auto gone = store->forget_intake(names_person, is_person);
  ASSERT_TRUE(gone.ok()) << gone.error().message;
  EXPECT_EQ(gone->deleted, 2u);
  EXPECT_EQ(gone->left, left);
  EXPECT_EQ(redis.number({"XLEN", "volley:intake"}), static_cast<int64_t>(left));
}

TEST_F(ForgetTest, AFullRedisDeletesAndDoesNotCopy) {
  for (const char* to : {"one@example.com", kPerson.c_str()})
    redis.text({"XADD", "volley:intake", "*", "message", fmt::format(R"({{"to":"{}"}})", to)});
  redis.run({"CONFIG", "SET", "maxmemory", "1"});
  auto gone = store->forget_intake(names_person, is_person);
  ASSERT_TRUE(gone.ok()) << gone.error().message;
  EXPECT_EQ(gone->deleted, 1u);
  EXPECT_TRUE(gone->full);
  redis.run({"CONFIG", "SET", "maxmemory", "0"});
  gone = store->forget_intake(names_person, is_person);
  ASSERT_TRUE(gone.ok());
  EXPECT_FALSE(gone->full);
  EXPECT_EQ(redis.text({"DUMP", "volley:intake"}).find(kPerson), std::string::npos);
}

TEST_F(ForgetTest, BlottedCampaignsKeepTheirCounts) {
  import("c", 2, 2);
  EXPECT_EQ(store->blot("c").error().code, Errc::kData);
  const Claimed claimed = engine->claim_one();
  ASSERT_TRUE(store->set_state("c", CampaignState::kCancelled, "").ok());
  EXPECT_EQ(store->blot("c").error().code, Errc::kTempFail);
  EXPECT_TRUE((**store->find("c")).blotting);  // nobody takes it up again meanwhile
  EXPECT_FALSE((**store->find("c")).knows_recipients());
  engine->deliver(claimed);
  const Counts before = counts_of(*store, "c");
  ASSERT_TRUE(store->blot("c").ok());
  ASSERT_TRUE(store->blot("c").ok());
  const Counts after = counts_of(*store, "c");
  EXPECT_EQ(after.delivered, before.delivered);
  EXPECT_EQ(after.cancelled, before.cancelled);
  EXPECT_GT((**store->find("c")).blotted_ms, 0);
  EXPECT_FALSE((**store->find("c")).blotting);
  EXPECT_TRUE(outcomes("c").empty());
  EXPECT_TRUE(walk_of(*store).all().empty());
  ASSERT_TRUE(store->purge("c").ok());
  EXPECT_FALSE(store->find("c")->has_value());
}

TEST_F(ForgetTest, EnginesHearThatJournalsAreToBeSealed) {
  const auto seals = [this] {
    return *engine->await<uint64_t>([&](auto done) {
      engine->door.publish_status("{}", [done](uint64_t, uint64_t count) { done(count); });
    });
  };
  const uint64_t before = seals();
  ASSERT_TRUE(store->seal_journals().ok());
  EXPECT_EQ(seals(), before + 1);
}

TEST(RewriteLog, WaitsForTheNewFile) {
  RedisServer redis({"--appendonly", "yes", "--appendfsync", "always", "--maxmemory-policy", "noeviction"});
  auto store = redis.store(1);
  ASSERT_TRUE(store);
  auto done = store->rewrite_log([] { return false; });
  ASSERT_TRUE(done.ok()) << done.error().message;
  EXPECT_TRUE(*done);
  RedisServer memory;
  auto other = memory.store(1);
  done = other->rewrite_log([] { return false; });
  ASSERT_TRUE(done.ok());
  EXPECT_FALSE(*done);
}

}  // namespace
}  // namespace volley::queue
