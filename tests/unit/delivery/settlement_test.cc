#include "engine/delivery/settlement.h"

#include <gtest/gtest.h>

namespace volley::delivery {
namespace {

queue::Claimed claim(unsigned recipients, std::string_view inline_content = {}) {
  queue::ChunkBuilder builder;
  if (!inline_content.empty()) builder.set_inline_content(inline_content);
  for (unsigned i = 1; i <= recipients; ++i) {
    const std::string address = "user" + std::to_string(i) + "@example.com";
    const std::string name = "Name " + std::to_string(i);
    const std::string_view values[] = {address, name};
    queue::Recipient r;
    r.number = i;
    r.address = address;
    r.values = values;
    r.enqueued_ms = 1000 + i;
    r.return_path = "bounce@example.org";
    r.dsn = "NOTIFY=NEVER";
    builder.add(r);
  }
  queue::Claimed claimed;
  claimed.lease = 5;
  claimed.destination.campaign = "november";
  claimed.destination.domain = "example.com";
  claimed.chunk = builder.encode();
  return claimed;
}

std::unique_ptr<Work> work_of(const queue::Claimed& claimed) {
  auto work = make_work(3, 9, claimed);
  EXPECT_TRUE(work.ok());
  return std::move(*work);
}

void conclude(Work& work, size_t index, Verdict verdict, int64_t delay_ms = 0) {
  Record r;
  r.verdict = verdict;
  r.number = work.chunk.recipients()[index].number;
  r.recipient = std::string(work.chunk.recipients()[index].address);
  r.campaign = work.destination.campaign;
  r.attempt = work.chunk.recipients()[index].attempts + 1;
  r.code = is_final(verdict) ? 250 : 451;
  r.source = "192.0.2.1";
  r.delay_ms = delay_ms;
  work.states[index] = is_final(verdict) ? RecipientState::kFinal : RecipientState::kDeferred;
  --work.waiting;
  work.fresh.push_back(r);
}

TEST(Settlement, KeepsThoseThatFailedToBeTriedAgain) {
  auto work = work_of(claim(4));
  conclude(*work, 0, Verdict::kDelivered);
  conclude(*work, 1, Verdict::kBounced);
  conclude(*work, 2, Verdict::kExpired);
  conclude(*work, 3, Verdict::kBounced);
  const Portion portion = compose_portion(*work, 50'000, 5'000);
  ASSERT_EQ(portion.kept.size(), 2u);
  EXPECT_EQ(portion.kept[0].outcome, queue::Outcome::kBounced);
  auto bounced = queue::Chunk::decode(portion.kept[0].chunk);
  ASSERT_EQ(bounced->recipients().size(), 2u);
  EXPECT_EQ(bounced->recipients()[1].number, 4u);
  EXPECT_EQ(bounced->recipients()[1].values[1], "Name 4");
  EXPECT_EQ(bounced->recipients()[1].last_code, 250);
  EXPECT_EQ(portion.kept[1].outcome, queue::Outcome::kExpired);
  // A single message's content is gone with it: nothing to try again.
  auto single = work_of(claim(1, "content"));
  single->destination.campaign = queue::kSingleMessages;
  conclude(*single, 0, Verdict::kBounced);
  EXPECT_TRUE(compose_portion(*single, 50'000, 5'000).kept.empty());
}

TEST(Settlement, GroupsRetriesByTheMomentTheyAreDueAndKeepsWhatTheyCarry) {
  auto work = work_of(claim(6));
  conclude(*work, 0, Verdict::kDelivered);
  conclude(*work, 1, Verdict::kDeferred, 4'000);
  conclude(*work, 2, Verdict::kInDoubt, 5'000);
  conclude(*work, 3, Verdict::kDeferred, 5'001);
  const Portion portion = compose_portion(*work, 50'000, 5'000);
  EXPECT_TRUE(work->fresh.empty());
  EXPECT_EQ(portion.outcomes.size(), 1u);
  EXPECT_EQ(portion.deferrals, 3u);
  EXPECT_EQ(portion.numbers.size(), 4u);
  ASSERT_EQ(portion.retries.size(), 2u);
  EXPECT_EQ(portion.retries[0].delay_ms, 5'000);
  EXPECT_EQ(portion.retries[0].recipients, 2u);
  EXPECT_EQ(portion.retries[1].delay_ms, 10'000);
  auto chunk = queue::Chunk::decode(portion.retries[0].chunk);
  ASSERT_TRUE(chunk.ok());
  const queue::Recipient& r = chunk->recipients()[0];
  EXPECT_EQ(r.number, 2u);
  EXPECT_EQ(r.attempts, 1u);
  EXPECT_EQ(r.enqueued_ms, 1002);
  EXPECT_EQ(r.first_attempt_ms, 50'000);
  EXPECT_EQ(r.not_before_ms, 54'000);
  EXPECT_EQ(r.last_code, 451);
  EXPECT_EQ(r.source, "192.0.2.1");
  EXPECT_EQ(r.return_path, "bounce@example.org");
  EXPECT_EQ(r.dsn, "NOTIFY=NEVER");
  ASSERT_EQ(r.values.size(), 2u);
  EXPECT_EQ(r.values[1], "Name 2");
}

TEST(Settlement, AShortDelayIsKept) {
  auto work = work_of(claim(3));
  conclude(*work, 0, Verdict::kDeferred, 1'000);
  conclude(*work, 1, Verdict::kDeferred, 60'000);
  conclude(*work, 2, Verdict::kDeferred, 59'900);
  const Portion portion = compose_portion(*work, 50'000, 250);
  ASSERT_EQ(portion.retries.size(), 2u);
  EXPECT_EQ(portion.retries[0].delay_ms, 1'000);
  EXPECT_EQ(portion.retries[1].recipients, 2u);
  EXPECT_LE(portion.retries[1].delay_ms, 68'000);
}

TEST(Settlement, TheRemainderIsWhatWasNotTriedUnchanged) {
  auto work = work_of(claim(4, "inline"));
  conclude(*work, 1, Verdict::kBounced);
  queue::Settlement settlement;
  add_remainder(*work, settlement);
  EXPECT_EQ(settlement.remainder_recipients, 3u);
  auto chunk = queue::Chunk::decode(settlement.remainder);
  ASSERT_TRUE(chunk.ok());
  EXPECT_EQ(chunk->inline_content(), "inline");
  ASSERT_EQ(chunk->recipients().size(), 3u);
  EXPECT_EQ(chunk->recipients()[0].number, 1u);
  EXPECT_EQ(chunk->recipients()[1].number, 3u);
  EXPECT_EQ(chunk->recipients()[0].attempts, 0u);
  EXPECT_EQ(chunk->recipients()[0].first_attempt_ms, 0);
}

TEST(Settlement, WhatIsDoneIsNotDoneAgain) {
  queue::Claimed claimed = claim(4);
  claimed.done = queue::pack_numbers({2, 4});
  auto work = work_of(claimed);
  EXPECT_EQ(work->waiting, 2u);
  Record old;
  old.campaign = "november";
  old.verdict = Verdict::kDelivered;
  std::vector<Record> journal;
  for (const uint64_t number : {2, 3, 77}) {
    old.number = number;
    journal.push_back(old);
  }
  EXPECT_EQ(apply_replay(*work, journal, wall_now()), 1u);
  EXPECT_EQ(work->waiting, 1u);
  const Portion portion = compose_portion(*work, 1, 1);
  ASSERT_EQ(portion.outcomes.size(), 1u);
  EXPECT_EQ(portion.outcomes[0].number, 3u);
}

TEST(Settlement, AReplayedDeferralWaitsOnlyForWhatIsLeftOfItsDelay) {
  auto work = work_of(claim(2));
  Record old;
  old.campaign = "november";
  old.verdict = Verdict::kDeferred;
  old.number = 1;
  old.time = from_ms(100'000);
  old.delay_ms = 60'000;
  EXPECT_EQ(apply_replay(*work, {old}, from_ms(140'000)), 1u);
  EXPECT_EQ(work->fresh.at(0).delay_ms, 20'000);
  old.number = 2;
  EXPECT_EQ(apply_replay(*work, {old}, from_ms(50'000)), 1u) << "a clock that went back";
  EXPECT_EQ(work->fresh.at(1).delay_ms, 60'000);
}

TEST(Settlement, AnotherCampaignsOutcomesAreNotApplied) {
  auto work = work_of(claim(1));
  Record old;
  old.campaign = "october";
  old.number = 1;
  EXPECT_EQ(apply_replay(*work, {old}, wall_now()), 0u);
}

TEST(Settlement, ACorruptChunkIsAnError) {
  queue::Claimed claimed = claim(2);
  claimed.chunk[claimed.chunk.size() / 2] ^= 1;
  EXPECT_FALSE(make_work(1, 1, claimed).ok());
}

}  // namespace
}  // namespace volley::delivery
