// What a relay says of our account is about the path, and nobody bounces for it.
#include <gtest/gtest.h>

#include <chrono>

#include "engine/smtp/classify.h"
#include "tests/unit/smtp/classify_fixture.h"

namespace volley::smtp {
namespace {

using namespace std::chrono_literals;

struct Sample {
  const char* reply;
  const char* rule;
};

constexpr Sample kPaced[] = {
    {"454 4.7.0 Throttling failure: Maximum sending rate exceeded", "R4"},
    {"454 Throttling failure: Maximum sending rate exceeded.", "R4"},
    {"421 4.7.0 Sending rate too high, try again later", "R4"},
    {"450 4.7.1 Error: too many messages, slow down", "R4"},
    {"451 4.7.1 rate limited: you send too fast", "R4"},
    {"550 5.7.1 Message rate limit exceeded for this account", "R4"},
    {"550 5.7.1 sending rate limit exceeded", "R4"},
};

constexpr Sample kUsedUp[] = {
    {"454 Throttling failure: Daily message quota exceeded", "R1"},
    {"454 4.7.0 Throttling failure: Daily message quota exceeded.", "R1"},
    {"550 5.4.5 Daily sending quota exceeded. For more information visit http://example.com/",
     "R1"},
    {"550 5.4.5 Daily user sending limit exceeded", "R1"},
    {"550 5.4.5 Daily SMTP relay limit exceeded for user", "R1"},
    {"550 5.1.90 Your message can't be sent because you've reached your daily limit for message "
     "recipients",
     "R1"},
    {"550 you have sent more than 500 messages, your limit a day", "R1"},
    {"550 5.7.1 limit of 500 messages in 24 hours reached", "R1"},
};

constexpr Sample kHourly[] = {
    {"550 Domain example.com has exceeded the max emails per hour (200/200 (100%)) allowed. "
     "Message discarded.",
     "R2"},
    {"550 5.7.1 hourly limit exceeded", "R2"},
    {"550 your sending limit is exceeded", "R2"},
    {"554 5.2.0 STOREDRV.Submission.Exception:SubmissionQuotaExceededException", "R2"},
    {"451 4.7.1 outgoing mail quota exceeded for info@example.com", "R2"},
};

TEST(ClassifyRelay, NobodyBouncesForOurAccount) {
  for (const Stage stage : {Stage::kMail, Stage::kRcpt, Stage::kData, Stage::kEndOfData}) {
    for (const auto& samples : {std::span<const Sample>(kPaced), std::span<const Sample>(kUsedUp),
                                std::span<const Sample>(kHourly)}) {
      for (const Sample& sample : samples) {
        const Verdict v = classifier().classify(reply_of(sample.reply), stage, "relay");
        EXPECT_STREQ(v.rule, sample.rule) << sample.reply;
        EXPECT_EQ(v.action, Action::kDefer) << sample.reply;
        EXPECT_EQ(v.scope, Scope::kPath) << sample.reply;
        EXPECT_EQ(v.cls, ReplyClass::kRate) << sample.reply;
        EXPECT_EQ(v.effect.suppress_after, 0) << sample.reply;
      }
    }
  }
}

TEST(ClassifyRelay, ThrottlingSlowsDownAndComesBackSoon) {
  for (const Sample& sample : kPaced) {
    const Verdict v = classifier().classify(reply_of(sample.reply), Stage::kEndOfData, "relay");
    EXPECT_EQ(v.effect.halve, Effect::kHalveRate) << sample.reply;
    EXPECT_EQ(v.effect.hold_minutes, 10) << sample.reply;
    EXPECT_EQ(v.retry_after, 2min) << sample.reply;
    EXPECT_EQ(v.pause_path, Duration{}) << sample.reply;
  }
}

TEST(ClassifyRelay, AUsedUpQuotaRestsThePath) {
  for (const Sample& sample : kUsedUp) {
    EXPECT_EQ(classifier().classify(reply_of(sample.reply), Stage::kRcpt, "relay").pause_path, 1h)
        << sample.reply;
  }
  for (const Sample& sample : kHourly) {
    EXPECT_EQ(classifier().classify(reply_of(sample.reply), Stage::kRcpt, "relay").pause_path,
              15min)
        << sample.reply;
  }
}

// Before a recipient is named, a quota is our account's; afterwards it may be the recipient's.
TEST(ClassifyRelay, AQuotaAtMailIsTheAccounts) {
  for (const char* reply :
       {"552 5.2.2 quota exceeded", "552 4.2.2 Over quota", "452 4.2.2 user quota exceeded"}) {
    const Verdict v = classifier().classify(reply_of(reply), Stage::kMail, "relay");
    EXPECT_STREQ(v.rule, "R3") << reply;
    EXPECT_EQ(v.action, Action::kDefer);
    EXPECT_EQ(v.pause_path, 1h);
  }
  const Verdict v =
      classifier().classify(reply_of("552 5.2.2 quota exceeded"), Stage::kRcpt, "relay");
  EXPECT_STREQ(v.rule, "N14");
  EXPECT_TRUE(v.bounce());
}

// A relay is also a receiver, and what it says of a recipient or a message stays as anywhere.
TEST(ClassifyRelay, OtherRepliesMeanWhatTheyMeanAnywhere) {
  const Sample samples[] = {
      {"550 5.1.1 <a@example.net>: user unknown", "N12"},
      {"552 5.2.2 mailbox full, daily limit of this mailbox reached", "N14"},
      {"552 5.3.4 Message size exceeds fixed limit", "N16"},
      {"550 5.3.4 message too large for outgoing mail: size limit exceeded", "N16"},
      {"452 4.5.3 Error: too many recipients", "N5"},
      {"421 Too many concurrent SMTP connections; please try again later", "N2"},
      {"421 too many messages in this connection", "N4"},
      {"554 5.7.1 <a@example.net>: Relay access denied", "N15"},
      {"450 4.2.1 The user you are trying to contact is receiving mail at a rate that", "N26b"},
      {"550 5.7.1 Message looks like spam", "N21"},
      {"535 5.7.8 nothing of this table", "N26c"},
  };
  for (const Sample& sample : samples) {
    EXPECT_STREQ(classifier().classify(reply_of(sample.reply), Stage::kRcpt, "relay").rule,
                 sample.rule)
        << sample.reply;
  }
}

// Elsewhere it is not an account's allowance, but what the receiver thinks of us: it counts against the path.
TEST(ClassifyRelay, ItsRulesAreForNobodyElse) {
  const Reply reply = reply_of("550 5.4.5 Daily user sending limit exceeded");
  EXPECT_STREQ(classifier().classify(reply, Stage::kRcpt, "google").rule, "N7a");
  EXPECT_STREQ(classifier().classify(reply, Stage::kRcpt).rule, "N7a");
  EXPECT_FALSE(classifier().classify(reply, Stage::kRcpt).has(Effect::kNoPenalty));
  EXPECT_TRUE(classifier().classify(reply, Stage::kRcpt, "relay").has(Effect::kNoPenalty));
}

}  // namespace
}  // namespace volley::smtp
