#include "engine/delivery/outcome_policy.h"

#include <gtest/gtest.h>

namespace volley::delivery {
namespace {

using Kind = smtp::Outcome::Kind;
using smtp::Stage;

struct Policy : ::testing::Test {
  smtp::Classifier classifier;
  Random random{7};
  queue::RetryPolicy retry{60'000, 600'000, 3'600'000};

  static smtp::Outcome reply(int code, std::string text, Stage stage = Stage::kRcpt) {
    smtp::Outcome outcome;
    outcome.kind = code >= 500 ? Kind::kFailed : Kind::kRetry;
    outcome.stage = stage;
    outcome.reply.code = code;
    smtp::EnhancedCode enhanced;
    const size_t used = smtp::parse_enhanced(text, enhanced);
    if (used != 0) {
      outcome.reply.enhanced = enhanced;
      text.erase(0, used);
      if (text.starts_with(' ')) text.erase(0, 1);
    }
    outcome.reply.text = std::move(text);
    return outcome;
  }
  Decision decided(const smtp::Outcome& outcome, const Attempt& attempt = {}) {
    return decide(outcome, classifier.classify(outcome), attempt, retry, random);
  }
  PathAction action(const smtp::Outcome& outcome) {
    return path_action(outcome, classifier.classify(outcome));
  }
};

TEST_F(Policy, BouncesWhatConcernsTheRecipientOrTheMessage) {
  EXPECT_EQ(decided(reply(550, "5.1.1 user unknown")).verdict, Verdict::kBounced);
  EXPECT_EQ(decided(reply(552, "5.3.4 message too large", Stage::kEndOfData)).verdict,
            Verdict::kBounced);
}

TEST_F(Policy, KeepsTheMailWhenThePathIsMeant) {
  for (const Stage stage :
       {Stage::kConnect, Stage::kGreeting, Stage::kEhlo, Stage::kHelo, Stage::kStartTls,
        Stage::kTls, Stage::kAuth, Stage::kIdle, Stage::kRset}) {
    EXPECT_EQ(decided(reply(550, "5.1.1 user unknown", stage)).verdict, Verdict::kDeferred);
  }
  for (const char* text :
       {"5.7.1 Client host blocked using zen.spamhaus.org", "5.7.25 PTR record required",
        "5.7.1 too many connections from your host, rate limit exceeded"}) {
    EXPECT_EQ(decided(reply(550, text)).verdict, Verdict::kDeferred) << text;
    EXPECT_TRUE(action(reply(550, text)).refusal) << text;
    EXPECT_TRUE(action(reply(550, text)).permanent) << text;
  }
}

TEST_F(Policy, WhatAPersonHasToMendPausesUntilThen) {
  const PathAction login = action(reply(535, "5.7.8 authentication failed", Stage::kAuth));
  EXPECT_TRUE(login.pause_campaign);
  EXPECT_TRUE(login.until_resumed);
  EXPECT_EQ(login.pause, std::chrono::minutes(30));
  EXPECT_FALSE(action(reply(454, "4.7.0 temporary failure", Stage::kAuth)).until_resumed);
  EXPECT_FALSE(action(reply(550, "5.7.1 blocked using zen.spamhaus.org")).until_resumed);

  smtp::Outcome outcome;
  outcome.kind = Kind::kRetry;
  outcome.stage = Stage::kTls;
  outcome.local = smtp::EnhancedCode{4, 7, 5};
  const PathAction handshake = action(outcome);
  EXPECT_FALSE(handshake.pause_campaign);
  const PathAction certificate = certificate_refused(handshake);
  EXPECT_TRUE(certificate.pause_campaign);
  EXPECT_TRUE(certificate.until_resumed);
  EXPECT_EQ(certificate.pause, login.pause);
  EXPECT_TRUE(certificate.refusal);
}

TEST_F(Policy, TemporaryNeverBounces) {
  const Decision decision = decided(reply(450, "4.1.1 user unknown"));
  EXPECT_EQ(decision.verdict, Verdict::kDeferred);
  EXPECT_GE(decision.delay_ms, 51'000);
}

TEST_F(Policy, UntriedAndUnjudgedCostNoAttemptButNotForEver) {
  smtp::Outcome untried;
  EXPECT_TRUE(decided(untried).again);
  smtp::Outcome unjudged = reply(421, "4.3.2 closing", Stage::kMail);
  unjudged.retry_now = true;
  EXPECT_TRUE(decided(unjudged).again);
  EXPECT_FALSE(action(unjudged).refusal);
  Attempt tired;
  tired.free_retries = kFreeRetries;
  EXPECT_FALSE(decided(unjudged, tired).again);
  EXPECT_EQ(decided(unjudged, tired).verdict, Verdict::kDeferred);
}

TEST_F(Policy, InDoubtIsNeverFreeAndNeverABounce) {
  smtp::Outcome doubt;
  doubt.kind = Kind::kInDoubt;
  doubt.stage = Stage::kEndOfData;
  doubt.retry_now = true;
  const Decision decision = decided(doubt);
  EXPECT_FALSE(decision.again);
  EXPECT_EQ(decision.verdict, Verdict::kInDoubt);
  EXPECT_GE(decision.delay_ms, 360'000);
}

TEST_F(Policy, GivesUpWhenTheTimeIsOverAndTriesOnceMoreJustThen) {
  Attempt old;
  old.before = 9;
  old.age_ms = 3'600'000;
  EXPECT_EQ(decided(reply(450, "4.2.0 not now"), old).verdict, Verdict::kExpired);
  old.age_ms = 3'599'000;
  const Decision last = decided(reply(450, "4.2.0 not now"), old);
  EXPECT_EQ(last.verdict, Verdict::kDeferred);
  EXPECT_LE(last.delay_ms, 1000);
}

TEST_F(Policy, TheClockDependsOnTheLane) {
  queue::Recipient recipient;
  recipient.enqueued_ms = 1000;
  EXPECT_EQ(retry_age_ms(queue::Lane::kTransactional, recipient, 5000), 4000);
  EXPECT_EQ(retry_age_ms(queue::Lane::kBulk, recipient, 5000), 0);
  recipient.first_attempt_ms = 3000;
  EXPECT_EQ(retry_age_ms(queue::Lane::kBulk, recipient, 5000), 2000);
}

TEST_F(Policy, GreylistingDoesNotGrow) {
  Attempt fifth;
  fifth.before = 4;
  const Decision decision =
      decided(reply(451, "4.7.1 Greylisted, try again in 120 seconds"), fifth);
  EXPECT_GE(decision.delay_ms, 120'000);
  EXPECT_LE(decision.delay_ms, 400'000);
  EXPECT_FALSE(action(reply(451, "4.7.1 Greylisted, try again in 120 seconds")).refusal);
}

TEST_F(Policy, AMissingHostBouncesTheSecondTime) {
  smtp::Outcome nobody;
  nobody.kind = Kind::kFailed;
  nobody.stage = Stage::kConnect;
  nobody.local = smtp::EnhancedCode{5, 4, 4};
  EXPECT_EQ(decided(nobody).verdict, Verdict::kDeferred);
  Attempt second;
  second.before = 1;
  EXPECT_EQ(decided(nobody, second).verdict, Verdict::kBounced);
}

TEST_F(Policy, ADoubtedBounceNeedsASecondOpinion) {
  const smtp::Outcome unknown = reply(550, "5.1.1 user unknown");
  Attempt attempt;
  attempt.doubted = true;
  EXPECT_EQ(decided(unknown, attempt).verdict, Verdict::kDeferred);
  attempt.before = 1;
  attempt.last_code = 451;
  EXPECT_EQ(decided(unknown, attempt).verdict, Verdict::kDeferred);
  attempt.last_code = 550;
  EXPECT_EQ(decided(unknown, attempt).verdict, Verdict::kBounced);
}

TEST_F(Policy, WhatBouncesIsFinalAndSomeOfItMeansUnknown) {
  const PathAction unknown = action(reply(550, "5.1.1 user unknown"));
  EXPECT_TRUE(unknown.final && unknown.unknown_recipient);
  const PathAction refused = action(reply(554, "5.7.1 message refused", Stage::kEndOfData));
  EXPECT_TRUE(refused.final && !refused.unknown_recipient);
  EXPECT_TRUE(refused.of_message && !unknown.of_message);
  EXPECT_TRUE(action(reply(550, "5.1.8 sender rejected", Stage::kMail)).of_message);
  EXPECT_FALSE(action(reply(552, "5.2.2 mailbox full")).of_message);
  EXPECT_FALSE(action(reply(451, "4.7.1 message refused for now", Stage::kEndOfData)).of_message);
  EXPECT_FALSE(action(reply(451, "4.1.1 user unknown for now")).final);
  EXPECT_FALSE(action(reply(550, "5.7.1 your IP address is listed at zen.spamhaus.org")).final);
  EXPECT_FALSE(action(reply(554, "5.7.1 no", Stage::kGreeting)).final);
}

TEST_F(Policy, TooManyConnectionsHalvesThem) {
  const PathAction act =
      action(reply(421, "4.7.0 too many concurrent connections", Stage::kGreeting));
  EXPECT_TRUE(act.halve_connections);
  EXPECT_GT(act.hold, Duration{});
}

TEST_F(Policy, AnAnswerAboutARecipientProvesThePath) {
  EXPECT_TRUE(action(reply(550, "5.1.1 user unknown")).answer);
  smtp::Outcome delivered = reply(250, "2.0.0 ok", Stage::kEndOfData);
  delivered.kind = Kind::kDelivered;
  EXPECT_TRUE(path_action(delivered, {}).answer);
}

}  // namespace
}  // namespace volley::delivery
