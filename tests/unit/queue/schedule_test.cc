#include "queue/schedule.h"

#include <gtest/gtest.h>

#include "base/civil_time.h"
#include "queue/record.h"
#include "tests/unit/queue/harness.h"

namespace volley::queue {
namespace {

using namespace testing;
using enum CampaignState;

int64_t at(std::string_view text) { return *parse_moment(text); }

Campaign office_hours(CampaignState state) {
  Campaign c;
  c.id = "c";
  c.state = state;
  c.import_closed = true;
  c.window = "mon-fri 09:00-18:00 Europe/Paris";
  return c;
}

TEST(Schedule, AListThatIsCompleteOutsideItsWindowWaits) {
  Campaign c = office_hours(kImporting);
  c.import_closed = false;
  c.import_epoch = 1;
  ASSERT_TRUE(*close_list(c, 1, at("2026-12-05 12:00 UTC")));
  EXPECT_EQ(c.state, kScheduled);
  EXPECT_EQ(c.reason, "opens Mon 2026-12-07 09:00 Europe/Paris");
  EXPECT_EQ(c.started_ms, 0);
  EXPECT_EQ(partition_state(c), "scheduled");
  EXPECT_FALSE(may_send(c));
}

TEST(Schedule, ItRunsByItselfWhileTheWindowIsOpen) {
  Campaign c = office_hours(kScheduled);
  EXPECT_FALSE(keep_schedule(c, at("2026-12-07 08:59:59 Europe/Paris")));
  EXPECT_TRUE(keep_schedule(c, at("2026-12-07 09:00 Europe/Paris")));
  EXPECT_EQ(c.state, kRunning);
  EXPECT_EQ(c.reason, "");
  EXPECT_GT(c.started_ms, 0);
  EXPECT_FALSE(keep_schedule(c, at("2026-12-07 17:59:59 Europe/Paris")));
  EXPECT_TRUE(keep_schedule(c, at("2026-12-07 18:00 Europe/Paris")));
  EXPECT_EQ(c.state, kScheduled);
  EXPECT_EQ(c.reason, "opens Tue 2026-12-08 09:00 Europe/Paris");
  // A window that opened while no engine ran is just open.
  EXPECT_TRUE(keep_schedule(c, at("2026-12-09 17:00 Europe/Paris")));
  EXPECT_EQ(c.state, kRunning);
}

TEST(Schedule, OverTheChangesOfClocks) {
  Campaign c = office_hours(kScheduled);
  c.window = "daily 02:30-03:30 Europe/Paris";
  EXPECT_FALSE(keep_schedule(c, at("2026-03-29T00:59:59Z")));
  EXPECT_TRUE(keep_schedule(c, at("2026-03-29T01:00:00Z")));  // 02:00 became 03:00
  EXPECT_TRUE(keep_schedule(c, at("2026-03-29T01:30:00Z")));
  EXPECT_EQ(c.state, kScheduled);
  EXPECT_TRUE(keep_schedule(c, at("2026-10-25T00:30:00Z")));  // 02:30, the first time
  EXPECT_TRUE(keep_schedule(c, at("2026-10-25T01:00:00Z")));  // 02:00 again
  EXPECT_EQ(c.state, kScheduled);
  EXPECT_TRUE(keep_schedule(c, at("2026-10-25T01:30:00Z")));
  EXPECT_EQ(c.state, kRunning);
}

TEST(Schedule, AStartThatWasMissedByMoreThanAnHourPauses) {
  Campaign c = office_hours(kScheduled);
  c.window.clear();
  c.start_ms = at("2026-12-04 18:00 UTC");
  EXPECT_FALSE(keep_schedule(c, c.start_ms - 1));
  Campaign late = c;
  EXPECT_TRUE(keep_schedule(late, c.start_ms + kMissedByMs));
  EXPECT_EQ(late.state, kRunning);
  EXPECT_TRUE(keep_schedule(c, c.start_ms + kMissedByMs + 1));
  EXPECT_EQ(c.state, kPaused);
  EXPECT_NE(c.reason.find("no engine ran at its start, Fri 2026-12-04 18:00 UTC"),
            std::string::npos)
      << c.reason;
  // Resumed, it starts, however late.
  ASSERT_TRUE(*change_state(c, kRunning, {}, at("2026-12-07 18:00 UTC")));
  EXPECT_EQ(c.state, kRunning);
  EXPECT_FALSE(keep_schedule(c, at("2026-12-07 18:00 UTC")));
}

TEST(Schedule, AStartOutsideTheWindowIsDueWhenItOpens) {
  Campaign c = office_hours(kScheduled);
  c.start_ms = at("2026-12-05 12:00 Europe/Paris");  // a Saturday
  EXPECT_FALSE(keep_schedule(c, at("2026-12-05 12:00 Europe/Paris")));
  Campaign monday = c;
  EXPECT_TRUE(keep_schedule(monday, at("2026-12-07 09:30 Europe/Paris")));
  EXPECT_EQ(monday.state, kRunning);
  EXPECT_TRUE(keep_schedule(c, at("2026-12-07 10:01 Europe/Paris")));
  EXPECT_EQ(c.state, kPaused);
}

TEST(Schedule, AfterItsEndTheRestIsCancelled) {
  Campaign c = office_hours(kRunning);
  c.end_ms = at("2026-12-07 12:00 Europe/Paris");
  EXPECT_FALSE(keep_schedule(c, c.end_ms - 1));
  Campaign paused = c;
  paused.state = kPaused;
  EXPECT_TRUE(keep_schedule(c, c.end_ms));
  EXPECT_EQ(c.state, kCancelled);
  EXPECT_EQ(c.reason, "its end has come: Mon 2026-12-07 12:00 Europe/Paris");
  EXPECT_FALSE(keep_schedule(paused, paused.end_ms));
  auto resumed = change_state(paused, kRunning, {}, paused.end_ms);
  ASSERT_FALSE(resumed.ok());
  EXPECT_NE(resumed.error().message.find("was to end"), std::string::npos);
}

TEST(Schedule, OneThatCannotBeKeptIsRefused) {
  Campaign c = office_hours(kRunning);
  const int64_t now = at("2026-12-07 12:00 Europe/Paris");
  EXPECT_TRUE(check_schedule(c, now).ok());
  c.end_ms = now;
  EXPECT_FALSE(check_schedule(c, now).ok());
  c.start_ms = at("2026-12-12 00:00 Europe/Paris");
  c.end_ms = at("2026-12-13 00:00 Europe/Paris");  // a weekend
  EXPECT_EQ(check_schedule(c, now).error().message,
            "its window does not open between start and end");
  c.start_ms = c.end_ms;
  EXPECT_FALSE(check_schedule(c, now).ok());
  c.window = "someday";
  EXPECT_FALSE(check_schedule(c, now).ok());
  EXPECT_TRUE(is_shut(c, now));
}

TEST(Canary, WaitsForApprovalAndIsNotResumedWithoutIt) {
  Campaign c = office_hours(kRunning);
  c.window.clear();
  EXPECT_FALSE(approve(c, 1).ok());
  c.canary = 2000;
  ASSERT_TRUE(*await_approval(c, 1));
  EXPECT_EQ(c.state, kPaused);
  EXPECT_FALSE(*await_approval(c, 1));
  auto resumed = change_state(c, kRunning, {}, 2);
  ASSERT_FALSE(resumed.ok());
  EXPECT_NE(resumed.error().message.find("approve"), std::string::npos);
  ASSERT_TRUE(*approve(c, 3));
  EXPECT_EQ(c.state, kRunning);
  EXPECT_FALSE(*approve(c, 4));
  EXPECT_FALSE(*await_approval(c, 4));
}

class ScheduledCampaign : public ::testing::Test {
 protected:
  void SetUp() override {
    store = redis.store(1);
    ASSERT_TRUE(store);
    Campaign wanted;
    wanted.id = "c";
    ASSERT_TRUE(store->create(wanted, "").ok());
    auto epoch = store->begin_import("c");
    ASSERT_TRUE(store->close_import("c", *epoch, 0, 0, 0).ok());
    engine = std::make_unique<Engine>(redis);
  }
  Campaign record() { return **store->find("c"); }
  Grant grant(Engine& one, uint64_t wanted, uint64_t limit, uint64_t left) {
    return *one.await<Grant>([&](auto done) { one.door.grant("c", wanted, limit, left, done); });
  }

  bool keep_schedule() {
    return engine->await<void>([&](auto done) { engine->door.keep_schedule("c", done); }).ok();
  }

  RedisServer redis;
  std::unique_ptr<Store> store;
  std::unique_ptr<Engine> engine;
};

TEST_F(ScheduledCampaign, EditedSchedulesAreFollowedAtOnce) {
  ASSERT_EQ(record().state, kRunning);
  const int64_t tomorrow = *store->now_ms() + 86'400'000;
  ASSERT_TRUE(store->edit("c", [&](Campaign& c) { c.start_ms = tomorrow; }).ok());
  EXPECT_EQ(record().state, kScheduled);
  EXPECT_EQ(record().reason, "opens " + format_moment(tomorrow));
  EXPECT_FALSE(store->edit("c", [&](Campaign& c) { c.end_ms = tomorrow - 1; }).ok());
  EXPECT_EQ(record().end_ms, 0);
  ASSERT_TRUE(store->edit("c", [](Campaign& c) { c.start_ms = 0; }).ok());
  EXPECT_EQ(record().state, kRunning);
  EXPECT_EQ(record().reason, "");
}

TEST_F(ScheduledCampaign, AnEngineMovesWhatIsDue) {
  const int64_t soon = *store->now_ms() + 50;
  ASSERT_TRUE(store->edit("c", [&](Campaign& c) { c.start_ms = soon; }).ok());
  ASSERT_EQ(record().state, kScheduled);
  EXPECT_TRUE(keep_schedule());
  EXPECT_EQ(record().state, kScheduled);
  // By its own idea of the server's time, which may be a little behind.
  while (engine->door.queue_now_ms() < soon) EXPECT_TRUE(keep_schedule());
  EXPECT_TRUE(keep_schedule());
  EXPECT_EQ(record().state, kRunning);
}

TEST_F(ScheduledCampaign, ACanaryIsGivenOutOnce) {
  EXPECT_EQ(grant(*engine, 60, 100, 0).recipients, 60u);
  EXPECT_EQ(grant(*engine, 60, 100, 20).recipients, 40u);
  // The reply that was lost: the same token is the same grant.
  const std::vector<std::string> call = {
      "FCALL", "volley1_grant", "1", "volley:{c:d}:", "e", "token", "30", "100", "0"};
  EXPECT_EQ(redis.run(call).view().at(0).number(), 30);
  EXPECT_EQ(redis.run(call).view().at(0).number(), 30);
  EXPECT_EQ(redis.text({"HGET", "volley:{c:d}:canary", "given"}), "30");
}

TEST_F(ScheduledCampaign, ACanaryIsOutWhenNoEngineHasAnyOfItLeft) {
  Engine other(redis, "engine-2");
  EXPECT_EQ(grant(*engine, 60, 100, 0).recipients, 60u);
  EXPECT_EQ(grant(other, 60, 100, 0).recipients, 40u);
  EXPECT_FALSE(grant(*engine, 60, 100, 0).all_out);  // the other one has 40
  EXPECT_FALSE(grant(other, 0, 100, 1).all_out);
  EXPECT_TRUE(grant(other, 60, 100, 0).all_out);
}

TEST_F(ScheduledCampaign, WhatIsDoneOutsideItsWindowIsFinishedAndNotCancelled) {
  ASSERT_TRUE(
      store->edit("c", [&](Campaign& c) { c.start_ms = *store->now_ms() + 86'400'000; }).ok());
  ASSERT_EQ(record().state, kScheduled);
  ASSERT_TRUE(store->finish_if_done("c").ok());
  EXPECT_EQ(record().state, kFinished);
}

TEST(Finish, WhatWasCountedBeforeAChangeIsNothing) {
  Campaign c = office_hours(kRunning);
  c.window.clear();
  c.revision = 5;
  EXPECT_FALSE(*finish(c, 4, 1));
  EXPECT_TRUE(*finish(c, 5, 1));
  EXPECT_EQ(c.state, kFinished);
}

TEST(Finish, ARetryPausesWhateverRuns) {
  for (const CampaignState state : {kRunning, kScheduled, kFinished}) {
    Campaign c = office_hours(state);
    ASSERT_TRUE(*reopen(c));
    EXPECT_EQ(c.state, kPaused);
    EXPECT_EQ(c.reason, kTryingAgain);
  }
  Campaign paused = office_hours(kPaused);
  paused.reason = "lunch";
  ASSERT_TRUE(*reopen(paused));
  EXPECT_EQ(paused.reason, "lunch");
  Campaign over = office_hours(kCancelled);
  EXPECT_FALSE(reopen(over).ok());
}

TEST_F(ScheduledCampaign, EnginesKnowHowManyTheyAre) {
  Engine other(redis, "engine-2");
  const auto live = [](Engine& one) {
    return *one.await<uint64_t>([&](auto done) {
      one.door.publish_status("{}", [done](uint64_t engines, uint64_t) { done(engines); });
    });
  };
  EXPECT_EQ(live(*engine), 1u);
  EXPECT_EQ(live(other), 2u);
  EXPECT_EQ(live(*engine), 2u);
}

}  // namespace
}  // namespace volley::queue
