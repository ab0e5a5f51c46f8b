#include "engine/delivery/site_breaker.h"

#include <gtest/gtest.h>

namespace volley::delivery {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using Trip = SiteBreaker::Trip;

struct SiteBreakerTest : ::testing::Test {
  SiteBreaker breaker;
  TimePoint now{hours(1)};

  Trip unknown(int times) {
    Trip trip = Trip::kNone;
    for (int i = 0; i < times && trip == Trip::kNone; ++i) trip = breaker.refused(true, now);
    return trip;
  }
  Trip refuse(int times) {
    Trip trip = Trip::kNone;
    for (int i = 0; i < times && trip == Trip::kNone; ++i) trip = breaker.refused(false, now);
    return trip;
  }
  void take(int times) {
    for (int i = 0; i < times; ++i) breaker.taken();
  }
};

TEST_F(SiteBreakerTest, MoreThanNineInTenOfFiftyUnknown) {
  EXPECT_EQ(unknown(49), Trip::kNone);
  EXPECT_FALSE(breaker.is_open(now));
  EXPECT_EQ(unknown(1), Trip::kUnknownRecipients);
  EXPECT_TRUE(breaker.is_open(now));
  EXPECT_EQ(breaker.unknown(), 50u);
  EXPECT_EQ(breaker.pause(), minutes(15));
}

TEST_F(SiteBreakerTest, NineInTenIsABadListAndNoOutage) {
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(unknown(9), Trip::kNone);
    take(1);
  }
}

TEST_F(SiteBreakerTest, OnlyTheLastFiftyCount) {
  take(1000);
  EXPECT_EQ(unknown(45), Trip::kNone);
  EXPECT_EQ(unknown(1), Trip::kUnknownRecipients);
  EXPECT_EQ(breaker.unknown(), 46u);
}

TEST_F(SiteBreakerTest, EverythingRefusedByOneThatTookMailBefore) {
  take(20);
  EXPECT_EQ(refuse(10), Trip::kNone);
  EXPECT_EQ(unknown(5), Trip::kNone);  // checked before it is looked who sends
  EXPECT_EQ(refuse(9), Trip::kNone);
  EXPECT_EQ(refuse(1), Trip::kEverything);
  EXPECT_EQ(breaker.in_a_row(), 20u);
  EXPECT_TRUE(breaker.is_open(now));
}

TEST_F(SiteBreakerTest, OneThatNeverTookAnythingOrTakesSomeIsBelieved) {
  take(19);
  EXPECT_EQ(refuse(500), Trip::kNone);
  take(1);
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(refuse(19), Trip::kNone);
    take(1);
  }
}

TEST_F(SiteBreakerTest, EachOpeningCountsAnewAndPausesLonger) {
  EXPECT_EQ(unknown(50), Trip::kUnknownRecipients);
  EXPECT_EQ(unknown(49), Trip::kNone);
  EXPECT_EQ(unknown(1), Trip::kUnknownRecipients);
  EXPECT_EQ(breaker.pause(), minutes(30));
  for (int i = 0; i < 20; ++i) EXPECT_EQ(unknown(50), Trip::kUnknownRecipients);
  EXPECT_EQ(breaker.pause(), hours(4));
}

TEST_F(SiteBreakerTest, ASuccessClosesIt) {
  EXPECT_EQ(unknown(50), Trip::kUnknownRecipients);
  take(1);
  EXPECT_FALSE(breaker.is_open(now));
  EXPECT_EQ(unknown(50), Trip::kUnknownRecipients);
  EXPECT_EQ(breaker.pause(), minutes(15));
}

TEST_F(SiteBreakerTest, OpenForADayAtMostAndWhereAnotherLoopSaysSo) {
  breaker.open(now);
  EXPECT_TRUE(breaker.is_open(now + hours(23)));
  EXPECT_FALSE(breaker.is_open(now + hours(24)));
}

}  // namespace
}  // namespace volley::delivery
