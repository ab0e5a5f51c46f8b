#include "engine/delivery/site.h"

#include <gtest/gtest.h>

namespace volley::delivery {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

struct SiteTest : ::testing::Test {
  metrics::Registry registry;
  metrics::Shard& shard = registry.new_shard();
  Site site{"mx.example.net", "", registry.site(shard, "mx.example.net")};
  TimePoint now{std::chrono::hours(1)};
  Path path;

  SiteTest() {
    path.limits.connections = 10;
    path.limits.connections_from = "default";
    site.adopt(path, 0, now);
  }
};

TEST_F(SiteTest, TooManyConnectionsHalvesOnceForAll) {
  site.connection(8);
  PathAction action;
  action.halve_connections = true;
  action.hold = minutes(30);
  for (int i = 0; i < 8; ++i) site.act(action, now);  // every connection heard it
  EXPECT_EQ(site.connection_limit(now), 4u);
  site.waiting(1);
  EXPECT_EQ(site.limited_by(now, ""), "connections (4, the receiver's reply)");
  EXPECT_EQ(site.connection_limit(now + minutes(31)), 10u);
  site.connection(-8);
  site.waiting(-1);
}

TEST_F(SiteTest, OnlyAPauseForAPersonEndsWhenOneResumes) {
  PathAction login;
  login.pause = minutes(30);
  login.until_resumed = true;
  site.note("535 5.7.8 authentication failed");
  site.act(login, now);
  EXPECT_EQ(site.limited_by(now, ""), "paused for 30 min (535 5.7.8 authentication failed)");
  EXPECT_TRUE(site.resume(now));
  EXPECT_FALSE(site.paused(now));
  EXPECT_EQ(site.cells()[metrics::SiteMetric::kPaused].get(), 0u);
  EXPECT_FALSE(site.resume(now)) << "there is nothing more to end";

  site.act(login, now);
  site.pause(minutes(45), "50 refusals in a row", now);
  EXPECT_EQ(site.limited_by(now, ""), "paused for 45 min (50 refusals in a row)");
  EXPECT_TRUE(site.resume(now));
  EXPECT_TRUE(site.paused(now)) << "the receiver refuses us, whoever resumes";
  EXPECT_EQ(site.cells()[metrics::SiteMetric::kPaused].get(), 1u);
}

TEST_F(SiteTest, AShorterPauseOfTheReceiverOutlivesResume) {
  site.pause(minutes(20), "50 refusals in a row", now);
  site.pause(minutes(30), "535 5.7.8 authentication failed", now, true);
  EXPECT_EQ(site.limited_by(now, ""), "paused for 30 min (535 5.7.8 authentication failed)");
  EXPECT_EQ(site.paused_until(), now + minutes(30));
  EXPECT_TRUE(site.resume(now));
  EXPECT_EQ(site.limited_by(now, ""), "paused for 20 min (50 refusals in a row)");
  EXPECT_EQ(site.paused_until(), now + minutes(20));
  EXPECT_FALSE(site.resume(now));
  EXPECT_FALSE(site.paused(now + minutes(20)));
}

TEST_F(SiteTest, ALearnedLimitIsSharedOutAmongTheLoops) {
  Site second{"mx.example.net", "", registry.site(shard, "mx.example.net")};
  path.limits.connections = 20;
  path.shares = 2;
  site.adopt(path, 0, now);
  second.adopt(path, 1, now);
  EXPECT_EQ(site.connection_limit(now) + second.connection_limit(now), 20u);
  PathAction action;
  action.connections = 1;
  action.rate = 6;
  action.hold = minutes(30);
  site.act(action, now);
  second.act(action, now);
  EXPECT_EQ(site.connection_limit(now), 1u);
  EXPECT_EQ(second.connection_limit(now), 0u);
  EXPECT_EQ(site.rate_limit() + second.rate_limit(), 6);
  EXPECT_EQ(second.connection_limit(now + minutes(31)), 10u);
}

TEST_F(SiteTest, HalvingOnTwoLoopsEndsWithOneConnection) {
  path.limits.connections = 20;
  path.shares = 2;
  site.adopt(path, 0, now);
  site.connection(4);
  PathAction action;
  action.halve_connections = true;
  action.hold = minutes(30);
  site.act(action, now);
  EXPECT_EQ(site.connection_limit(now), 2u);  // of 4 on both
  site.connection(-3);
  site.act(action, now + minutes(1));
  EXPECT_EQ(site.connection_limit(now + minutes(1)), 1u);
  site.connection(-1);
}

TEST_F(SiteTest, AHintInTheFirstSecondDoesNotMakeUsCrawl) {
  Record delivered;
  delivered.verdict = Verdict::kDelivered;
  site.counted(delivered, now);
  PathAction action;
  action.halve_rate = true;
  action.hold = minutes(10);
  site.act(action, now);
  EXPECT_EQ(site.rate_limit(), 5);  // of the guess
  site.act(action, now + seconds(6));
  EXPECT_LE(site.rate_limit(), 2.5);  // the second hint finds a measured pace, or halves the guess
}

TEST_F(SiteTest, AFirstSecondFullOfMessagesIsAMeasure) {
  Record delivered;
  delivered.verdict = Verdict::kDelivered;
  for (int i = 0; i < 800; ++i) site.counted(delivered, now);
  PathAction action;
  action.halve_rate = true;
  action.hold = minutes(10);
  site.act(action, now);
  EXPECT_EQ(site.rate_limit(), 400);
}

TEST_F(SiteTest, ALearnedRateGrowsWhileNobodyComplains) {
  PathAction action;
  action.rate = 16;
  action.hold = minutes(10);
  action.regain = seconds(5);
  site.act(action, now);
  EXPECT_TRUE(site.token(now + seconds(4)));
  EXPECT_EQ(site.rate_limit(), 16);
  EXPECT_TRUE(site.token(now + seconds(5)));
  EXPECT_EQ(site.rate_limit(), 20);
  site.act(action, now + seconds(8));  // a further hint: it starts anew
  EXPECT_TRUE(site.token(now + seconds(12)));
  EXPECT_EQ(site.rate_limit(), 16);
  EXPECT_TRUE(site.token(now + minutes(9)));
  EXPECT_EQ(site.rate_limit(), 20) << "an idle rate does not grow";
  EXPECT_TRUE(site.token(now + minutes(11)));
  EXPECT_EQ(site.rate_limit(), 0) << "forgotten";
}

TEST_F(SiteTest, AHintAtAMeasuredPaceHalvesThat) {
  Record delivered;
  delivered.verdict = Verdict::kDelivered;
  for (int second = 0; second < 8; ++second) {
    for (int i = 0; i < 20; ++i) site.counted(delivered, now + seconds(second));
  }
  PathAction action;
  action.halve_rate = true;
  action.hold = minutes(10);
  site.act(action, now + seconds(8));
  EXPECT_EQ(site.rate_limit(), 10);
}

TEST_F(SiteTest, ARateIsLearnedAndForgotten) {
  PathAction action;
  action.rate = 2;
  action.hold = minutes(30);
  site.act(action, now);
  EXPECT_TRUE(site.token(now));
  site.use_token(now);
  site.use_token(now);
  EXPECT_FALSE(site.token(now));
  site.waiting(1);
  EXPECT_EQ(site.limited_by(now, ""), "rate (2/s, the receiver's reply)");
  site.waiting(-1);
  for (int i = 0; i < 1000; ++i) {
    EXPECT_TRUE(site.token(now + minutes(31)));
    site.use_token(now + minutes(31));
  }
}

TEST_F(SiteTest, APauseSaysWhyAndHowLong) {
  site.pause(minutes(15), "50 refusals in a row", now);
  site.pause(minutes(1), "a shorter one", now);
  EXPECT_TRUE(site.paused(now + minutes(14)));
  EXPECT_FALSE(site.paused(now + minutes(15)));
  EXPECT_EQ(site.limited_by(now, ""), "paused for 15 min (50 refusals in a row)");
  EXPECT_EQ(site.snapshot(now, "").paused_for_ms, 900'000);
}

TEST_F(SiteTest, TooManyOfOneReplyEscalate) {
  PathAction action;
  action.rule = "M5";
  action.escalate_after = 3;
  action.escalate_pause = minutes(60);
  action.escalate_campaign = true;
  EXPECT_FALSE(site.act(action, now));
  EXPECT_FALSE(site.act(action, now));
  EXPECT_FALSE(site.paused(now));
  EXPECT_TRUE(site.act(action, now));
  EXPECT_TRUE(site.paused(now + minutes(59)));
  EXPECT_FALSE(site.act(action, now + minutes(90)));
}

TEST_F(SiteTest, AShareIsAShare) {
  path.shares = 3;
  site.adopt(path, 0, now);
  EXPECT_EQ(site.connection_limit(now), 4u);
  site.adopt(path, 1, now);
  EXPECT_EQ(site.connection_limit(now), 3u);
}

TEST(RateMeter, AveragesTenSeconds) {
  RateMeter meter;
  TimePoint now{std::chrono::hours(1)};
  for (int s = 0; s < 30; ++s) {
    for (int i = 0; i < 50; ++i) meter.add(now);
    now += seconds(1);
  }
  EXPECT_DOUBLE_EQ(meter.rate(now), 50);
  EXPECT_DOUBLE_EQ(meter.rate(now + seconds(5)), 25);
  EXPECT_DOUBLE_EQ(meter.rate(now + minutes(5)), 0);
}

}  // namespace
}  // namespace volley::delivery
