#include "engine/delivery/brakes.h"

#include <gtest/gtest.h>

namespace volley::delivery {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

std::string site(int i) { return "mx" + std::to_string(i) + ".example.net"; }

struct BrakesTest : ::testing::Test {
  Brakes brakes;
  TimePoint now{std::chrono::hours(1)};

  std::optional<Duration> refuse(const std::string& at, int times) {
    std::optional<Duration> pause;
    for (int i = 0; i < times; ++i) {
      const Braking b = brakes.refused(at, "november", false, now);
      if (b.pause_site) pause = b.pause_site;
    }
    return pause;
  }
};

TEST_F(BrakesTest, FiftyInARowPauseASiteLongerEachTime) {
  EXPECT_FALSE(refuse("a", 49));
  EXPECT_EQ(refuse("a", 1), minutes(15));
  EXPECT_EQ(refuse("a", 50), minutes(30));
  for (int i = 0; i < 8; ++i) refuse("a", 50);
  EXPECT_EQ(refuse("a", 50), std::chrono::hours(4));
}

TEST_F(BrakesTest, ASuccessStartsTheCountAgain) {
  refuse("a", 49);
  brakes.succeeded("a", now);
  EXPECT_FALSE(refuse("a", 49));
  EXPECT_EQ(refuse("a", 1), minutes(15));
}

TEST_F(BrakesTest, FiveSitesThatRefuseUsPauseTheCampaign) {
  std::string reason;
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(reason.empty());
    for (int j = 0; j < 3; ++j) {
      reason = brakes.refused(site(i), "november", true, now).pause_campaign_reason;
    }
  }
  EXPECT_NE(reason.find("5 receivers refuse us"), std::string::npos) << reason;
}

TEST_F(BrakesTest, DeadHostsInTheLongTailDoNot) {
  for (int i = 0; i < 500; ++i) {
    for (int j = 0; j < 2; ++j) {
      EXPECT_TRUE(brakes.refused(site(i), "november", false, now).pause_campaign_reason.empty());
    }
  }
}

TEST_F(BrakesTest, SitesThatWorkAgainOrRefusedLongAgoDoNotCount) {
  for (int i = 0; i < 4; ++i) {
    for (int j = 0; j < 3; ++j) (void)brakes.refused(site(i), "november", true, now);
  }
  brakes.succeeded(site(0), now);
  now += minutes(11);
  std::string reason;
  for (int j = 0; j < 3; ++j) {
    reason = brakes.refused(site(4), "november", true, now).pause_campaign_reason;
  }
  EXPECT_TRUE(reason.empty());
}

TEST_F(BrakesTest, AResumedCampaignStartsWithACleanSlate) {
  for (int i = 0; i < 4; ++i) {
    for (int j = 0; j < 3; ++j) (void)brakes.refused(site(i), "november", true, now);
  }
  brakes.forget_campaign("november");
  std::string reason;
  for (int j = 0; j < 3; ++j) {
    reason = brakes.refused(site(4), "november", true, now).pause_campaign_reason;
  }
  EXPECT_TRUE(reason.empty());
}

TEST_F(BrakesTest, TimeoutsEverywhereOnPort25SaySo) {
  std::string reason;
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(reason.empty());
    reason = brakes.connect_timed_out(site(i), "november", 25, now).pause_campaign_reason;
  }
  EXPECT_NE(reason.find("is port 25 blocked here? use a relay"), std::string::npos);
}

TEST_F(BrakesTest, OneConnectionProvesThatThePortIsOpen) {
  brakes.connected(25, now);
  for (int i = 0; i < 10; ++i) {
    EXPECT_TRUE(brakes.connect_timed_out(site(i), "november", 25, now + seconds(i))
                    .pause_campaign_reason.empty());
  }
  for (int i = 0; i < 10; ++i) {
    EXPECT_TRUE(
        brakes.connect_timed_out(site(i), "december", 2525, now).pause_campaign_reason.empty());
  }
}

}  // namespace
}  // namespace volley::delivery
