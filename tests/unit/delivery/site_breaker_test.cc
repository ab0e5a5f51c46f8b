#include "engine/delivery/site_breaker.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace volley::delivery {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using Trip = SiteBreaker::Trip;

struct SiteBreakerTest : ::testing::Test {
  SiteBreaker breaker;
  TimePoint now{hours(1)};
  std::string_view domain = "example.com", campaign = "november";

  Trip again(int times, SiteBreaker::Refusal refusal) {
    Trip trip = Trip::kNone;
    for (int i = 0; i < times && trip == Trip::kNone; ++i) {
      refusal.domain = domain;
      refusal.campaign = campaign;
      trip = breaker.refused(refusal, now);
    }
    return trip;
  }
  Trip unknown(int times) { return again(times, {.unknown_recipient = true}); }
  Trip refuse(int times) { return again(times, {}); }
  Trip refuse_message(int times) { return again(times, {.of_message = true}); }
  Trip confirm(int times) { return again(times, {.unknown_recipient = true, .confirms = true}); }
  bool take(int times) {
    bool change = false;
    for (int i = 0; i < times; ++i) change = breaker.taken(domain, campaign) || change;
    return change;
  }
  bool doubts() const { return breaker.doubts(campaign, now); }
  void sit_out() { now += breaker.pause(); }
};

TEST_F(SiteBreakerTest, MoreThanNineInTenOfFiftyUnknown) {
  EXPECT_EQ(unknown(49), Trip::kNone);
  EXPECT_FALSE(doubts());
  EXPECT_EQ(unknown(1), Trip::kUnknownRecipients);
  EXPECT_TRUE(doubts());
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
  EXPECT_TRUE(breaker.of_one_campaign());
  EXPECT_TRUE(doubts());
}

TEST_F(SiteBreakerTest, ARowOfSeveralCampaignsIsNobodysInParticular) {
  take(20);
  EXPECT_EQ(refuse(10), Trip::kNone);
  campaign = "december";
  EXPECT_EQ(refuse(10), Trip::kEverything);
  EXPECT_FALSE(breaker.of_one_campaign());
}

TEST_F(SiteBreakerTest, OneThatNeverTookAnythingOrTakesSomeIsBelieved) {
  take(19);
  EXPECT_EQ(refuse(500), Trip::kNone);
  take(1);
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(refuse(19), Trip::kNone);
    EXPECT_EQ(refuse_message(19), Trip::kNone);
    take(1);
  }
}

TEST_F(SiteBreakerTest, WhatIsOnTheWireDuringThePauseIsNoOpeningMore) {
  EXPECT_EQ(unknown(50), Trip::kUnknownRecipients);
  EXPECT_EQ(unknown(500), Trip::kNone);
  EXPECT_EQ(confirm(500), Trip::kNone);
  EXPECT_TRUE(doubts());
  now += minutes(15) - std::chrono::seconds(1);
  EXPECT_EQ(unknown(500), Trip::kNone);
  EXPECT_EQ(breaker.pause(), minutes(15));
}

TEST_F(SiteBreakerTest, EachOpeningCountsAnewAndPausesLonger) {
  EXPECT_EQ(unknown(50), Trip::kUnknownRecipients);
  sit_out();
  EXPECT_EQ(unknown(49), Trip::kNone);
  EXPECT_EQ(unknown(1), Trip::kUnknownRecipients);
  EXPECT_EQ(breaker.pause(), minutes(30));
  for (int i = 0; i < 20; ++i) {
    sit_out();
    EXPECT_EQ(unknown(50), Trip::kUnknownRecipients);
  }
  EXPECT_EQ(breaker.pause(), hours(4));
}

TEST_F(SiteBreakerTest, ASuccessClosesItAndIsNewsThen) {
  EXPECT_FALSE(take(1));
  EXPECT_EQ(unknown(50), Trip::kUnknownRecipients);
  EXPECT_TRUE(take(1));
  EXPECT_FALSE(take(1));
  EXPECT_FALSE(doubts());
  sit_out();
  EXPECT_EQ(unknown(50), Trip::kUnknownRecipients);
  EXPECT_EQ(breaker.pause(), minutes(15));
}

TEST_F(SiteBreakerTest, WhatIsADayOldIsForgotten) {
  EXPECT_EQ(unknown(50), Trip::kUnknownRecipients);
  now += hours(24);
  EXPECT_FALSE(doubts());
  EXPECT_EQ(unknown(50), Trip::kUnknownRecipients);
  EXPECT_EQ(breaker.pause(), minutes(15));
  sit_out();
  EXPECT_EQ(confirm(10), Trip::kNone) << "opened a quarter of an hour ago, not yesterday";
}

TEST_F(SiteBreakerTest, TenConfirmedInARowAreBelieved) {
  EXPECT_EQ(confirm(100), Trip::kNone);  // of what was not doubted
  EXPECT_EQ(unknown(50), Trip::kUnknownRecipients);
  sit_out();
  EXPECT_EQ(confirm(100), Trip::kNone) << "most outages are over after an hour";
  now += minutes(45);
  EXPECT_EQ(confirm(9), Trip::kNone);
  EXPECT_TRUE(doubts());
  EXPECT_EQ(confirm(1), Trip::kBelieved);
  EXPECT_FALSE(doubts());
  EXPECT_TRUE(breaker.remembers(now));
  now += hours(23);
  EXPECT_EQ(unknown(500), Trip::kNone);
  now += hours(1);
  EXPECT_FALSE(breaker.remembers(now));
  EXPECT_EQ(unknown(50), Trip::kUnknownRecipients);
}

TEST_F(SiteBreakerTest, AConfirmationIsNotCountedAndASuccessEndsTheirRow) {
  EXPECT_EQ(unknown(50), Trip::kUnknownRecipients);
  now += hours(1);
  EXPECT_EQ(confirm(9), Trip::kNone);
  take(1);
  EXPECT_EQ(unknown(46), Trip::kNone);  // with the one taken, 47 answers
  EXPECT_EQ(confirm(9), Trip::kNone);
  EXPECT_EQ(unknown(2), Trip::kNone);
  EXPECT_EQ(unknown(1), Trip::kUnknownRecipients);
}

TEST_F(SiteBreakerTest, AnotherAnswerEndsTheRowOfConfirmations) {
  EXPECT_EQ(unknown(50), Trip::kUnknownRecipients);
  now += hours(1);
  EXPECT_EQ(confirm(9), Trip::kNone);
  EXPECT_EQ(again(1, {.unknown_recipient = true, .contradicts = true}), Trip::kNone);
  EXPECT_EQ(confirm(9), Trip::kNone);
  EXPECT_EQ(confirm(1), Trip::kBelieved);
}

TEST_F(SiteBreakerTest, BeliefEndsWithAMessageTaken) {
  EXPECT_EQ(unknown(50), Trip::kUnknownRecipients);
  now += hours(1);
  EXPECT_EQ(confirm(10), Trip::kBelieved);
  EXPECT_EQ(unknown(100), Trip::kNone);
  EXPECT_TRUE(take(1));
  EXPECT_EQ(unknown(48), Trip::kNone);
  EXPECT_EQ(unknown(1), Trip::kUnknownRecipients);
}

TEST_F(SiteBreakerTest, OneClosedCustomerOfAProviderIsNoOutage) {
  take(20);
  domain = "example.net";
  EXPECT_EQ(unknown(500), Trip::kNone);
  EXPECT_EQ(refuse(500), Trip::kNone);
  EXPECT_EQ(refuse_message(500), Trip::kNone);
  domain = "example.org";
  EXPECT_EQ(unknown(500), Trip::kNone);
  domain = "example.com";
  EXPECT_EQ(unknown(4), Trip::kNone);
  EXPECT_FALSE(doubts());
}

TEST_F(SiteBreakerTest, ManyDomainsAreARelaysOutage) {
  for (const char* one : {"example.com", "example.net", "example.org"}) {
    domain = one;
    EXPECT_EQ(unknown(16), Trip::kNone);
  }
  EXPECT_EQ(unknown(2), Trip::kUnknownRecipients);
}

TEST_F(SiteBreakerTest, WhatConcernsTheMessageIsItsCampaigns) {
  take(20);
  EXPECT_EQ(refuse_message(19), Trip::kNone);
  campaign = "december";
  EXPECT_EQ(refuse_message(19), Trip::kNone);
  take(1);  // ends its own row only
  EXPECT_EQ(refuse_message(19), Trip::kNone);
  campaign = "november";
  EXPECT_EQ(refuse_message(1), Trip::kCampaign);
  EXPECT_TRUE(breaker.of_one_campaign());
  EXPECT_EQ(refuse_message(100), Trip::kNone);  // on the wire
  EXPECT_TRUE(doubts());
  EXPECT_FALSE(breaker.doubts("december", now));
  breaker.resumed("december", false);  // somebody else's affair
  EXPECT_TRUE(doubts());
  breaker.resumed(campaign, false);
  EXPECT_FALSE(doubts());
  EXPECT_EQ(refuse_message(19), Trip::kNone);
  EXPECT_EQ(refuse_message(1), Trip::kCampaign);
}

TEST_F(SiteBreakerTest, AMessageThatThreeDomainsRefusePausesItsCampaignFromTheFirst) {
  EXPECT_EQ(refuse_message(500), Trip::kNone);  // one company's ways
  domain = "second.example";
  EXPECT_EQ(refuse_message(500), Trip::kNone);
  domain = "third.example";
  EXPECT_EQ(refuse_message(1), Trip::kCampaign);
}

TEST_F(SiteBreakerTest, OfMoreCampaignsThanMatterTheOldestRowIsForgotten) {
  take(20);
  EXPECT_EQ(refuse_message(19), Trip::kNone);
  std::vector<std::string> names;
  for (size_t i = 0; i < SiteBreaker::kMostCampaigns; ++i) names.push_back(std::to_string(i));
  for (const std::string& name : names) {
    campaign = name;
    EXPECT_EQ(refuse_message(1), Trip::kNone);
  }
  campaign = "november";
  EXPECT_EQ(refuse_message(19), Trip::kNone);
  EXPECT_EQ(refuse_message(1), Trip::kCampaign);
}

TEST_F(SiteBreakerTest, AResumeLooksAtOnceAgain) {
  take(20);
  EXPECT_EQ(refuse(20), Trip::kEverything);
  EXPECT_EQ(refuse(20), Trip::kNone);
  breaker.resumed(campaign, true);
  EXPECT_TRUE(doubts());
  EXPECT_EQ(refuse(20), Trip::kEverything);
  EXPECT_EQ(breaker.pause(), minutes(30));
}

TEST_F(SiteBreakerTest, DoesWhatAnotherLoopSays) {
  breaker.open(minutes(15), now);
  EXPECT_TRUE(doubts());
  EXPECT_EQ(unknown(50), Trip::kNone);
  EXPECT_TRUE(breaker.doubts(campaign, now + hours(23)));
  EXPECT_FALSE(breaker.doubts(campaign, now + hours(24)));
  breaker.close();
  EXPECT_FALSE(doubts());
  breaker.open(minutes(15), now);
  breaker.believe(now);
  EXPECT_FALSE(doubts());
  now += minutes(15);
  EXPECT_EQ(unknown(50), Trip::kNone);
}

}  // namespace
}  // namespace volley::delivery
