#include "engine/cli/verify.h"

#include <gtest/gtest.h>

#include <sstream>

#include <nlohmann/json.hpp>

namespace volley::cli {
namespace {

queue::FinalOutcome outcome(uint64_t number, queue::Outcome what) {
  queue::FinalOutcome out;
  out.number = number;
  out.outcome = what;
  out.address = "User" + std::to_string(number) + "@example.net";
  return out;
}

// Of five: three delivered, one bounced, one suppressed.
struct Verify : testing::Test {
  Verify() : verification("key") {
    for (uint64_t n = 1; n <= 3; ++n) outcomes.push_back(outcome(n, queue::Outcome::kDelivered));
    outcomes.push_back(outcome(4, queue::Outcome::kBounced));
    outcomes.push_back(outcome(5, queue::Outcome::kSuppressed));
    for (const auto& each : outcomes) verification.add(each);
    verification.seal();
    numbers.campaign.id = "november";
    numbers.campaign.import_closed = true;
    numbers.counts.accepted = numbers.read = 5;
    numbers.counts.delivered = 3;
    numbers.counts.bounced = numbers.counts.suppressed = 1;
  }

  Verdicts judge(const std::string& log) {
    std::istringstream in(log);
    verification.read_log(in);
    verification.check_identity(numbers, numbers);
    for (const auto& each : outcomes) verification.explain(each);
    return verification.result();
  }

  Verification verification;
  std::vector<queue::FinalOutcome> outcomes;
  Summary numbers;
};

std::string line(const std::string& recipients) { return R"({"from":"news@example.com","rcpt":[)" + recipients + "]}\n"; }
std::string all_three() {
  return line(R"("User1@example.net","user2@Example.net")") + line(R"("User3@example.net")");
}

TEST_F(Verify, WhatAgreesIsGood) {
  const Verdicts v = judge(all_three());
  EXPECT_TRUE(v.good());
  EXPECT_TRUE(v.identity);
  EXPECT_EQ(v.delivered, 3u);
  EXPECT_EQ(v.in_log, 3u);
  EXPECT_EQ(v.lost + v.duplicated + v.wrong + v.others + v.unreadable, 0u);
}

TEST_F(Verify, DeliveredAndInNoLogIsLost) {
  const Verdicts v = judge(line(R"("User1@example.net")"));
  EXPECT_FALSE(v.good());
  EXPECT_EQ(v.lost, 2u);
  EXPECT_EQ(v.examples, (std::vector<std::string>{"User2@example.net: delivered, but in no log",
                                                  "User3@example.net: delivered, but in no log"}));
}

TEST_F(Verify, CopiesAreCountedAndNoFailure) {
  const Verdicts v = judge(all_three() + all_three() + line(R"("User3@example.net")"));
  EXPECT_TRUE(v.good());
  EXPECT_EQ(v.duplicated, 3u);
  EXPECT_EQ(v.copies, 4u);
}

TEST_F(Verify, InTheLogButNotDeliveredIsWrong) {
  const Verdicts v = judge(all_three() + line(R"("user4@example.net","user5@example.net")"));
  EXPECT_FALSE(v.good());
  EXPECT_EQ(v.wrong, 2u);
  EXPECT_EQ(v.in_log, 5u);
  ASSERT_EQ(v.examples.size(), 2u);
  EXPECT_EQ(v.examples[0], "User4@example.net: bounced, but in the log");
}

TEST_F(Verify, OthersAndTornLinesAreCounted) {
  const Verdicts v = judge(line(R"("somebody@example.org")") + all_three() + "\n[1]\n" + R"({"from":"news@example.com","rc)");
  EXPECT_TRUE(v.good());
  EXPECT_EQ(v.others, 1u);
  EXPECT_EQ(v.unreadable, 2u);
}

TEST_F(Verify, NumbersThatDoNotAddUp) {
  numbers.counts.accepted = 6;
  numbers.counts.bounced = 2;
  numbers.read = 9;
  const Verdicts v = judge(all_three());
  EXPECT_FALSE(v.identity);
  EXPECT_FALSE(v.good());
  ASSERT_EQ(v.broken.size(), 2u);
  EXPECT_EQ(v.broken[0], "read 9, but accepted, invalid and duplicate are 6");
  EXPECT_EQ(v.broken[1], "2 counted as bounced, but 1 outcomes say so");
}

TEST_F(Verify, ARecipientHasOneOutcome) {
  verification.add(outcome(2, queue::Outcome::kDelivered));
  verification.seal();
  numbers.counts.delivered = 4;
  numbers.counts.accepted = numbers.read = 6;
  const Verdicts v = judge(all_three());
  EXPECT_EQ(v.broken, std::vector<std::string>{"1 outcomes beyond one for each recipient"});
}

TEST_F(Verify, ARunningCampaignMayMoveOnMeanwhile) {
  std::istringstream in(all_three());
  verification.read_log(in);
  Summary before = numbers, after = numbers;
  before.counts.delivered = 2;
  before.counts.queued = 1;
  after.counts.accepted = after.read = 8;
  after.counts.queued = 2;
  after.counts.delivered = 4;
  verification.check_identity(before, after);
  EXPECT_TRUE(verification.result().identity);
}

TEST_F(Verify, TheForgottenAreNeitherLostNorTwice) {
  for (uint64_t n = 6; n <= 8; ++n) {
    outcomes.push_back(outcome(n, n == 8 ? queue::Outcome::kBounced : queue::Outcome::kDelivered));
    outcomes.back().address.clear();
    verification.add(outcomes.back());
  }
  verification.seal();
  numbers.counts.accepted = numbers.read = 8;
  numbers.counts.delivered = 5;
  numbers.counts.bounced = 2;
  const Verdicts v = judge(all_three() + line(R"("user6@example.net")"));
  EXPECT_TRUE(v.good());
  EXPECT_EQ(v.forgotten, 3u);
  EXPECT_EQ(v.lost + v.wrong, 0u);
  EXPECT_EQ(v.delivered, 5u);
  EXPECT_EQ(v.others, 1u);
  EXPECT_NE(v.text().find("forgotten              3   "), std::string::npos) << v.text();
  EXPECT_EQ(nlohmann::json::parse(v.json(numbers.campaign))["forgotten"], 3);
}

TEST_F(Verify, OfADroppedCampaignOnlyTheCountsAreJudged) {
  Verification none("key");
  none.seal();
  numbers.campaign.blotted_ms = 1;
  none.check_identity(numbers, numbers);
  EXPECT_TRUE(none.result().good());
  EXPECT_TRUE(none.result().only_counts);
  EXPECT_NE(none.result().text().find("only the counts are known"), std::string::npos);
  numbers.counts.delivered = 2;
  none.check_identity(numbers, numbers);
  EXPECT_FALSE(none.result().good());
}

TEST_F(Verify, Json) {
  const auto v = nlohmann::json::parse(judge(all_three()).json(numbers.campaign));
  EXPECT_EQ(v["id"], "november");
  EXPECT_EQ(v["identity"], true);
  EXPECT_EQ(v["in_log"], 3);
  EXPECT_EQ(v["lost"], 0);
}

TEST_F(Verify, Text) {
  const std::string text = judge(line(R"("User1@example.net")")).text();
  EXPECT_NE(text.find("every accepted recipient is accounted for"), std::string::npos);
  EXPECT_NE(text.find("lost                   2   delivered, but in no log"), std::string::npos) << text;
}

}  // namespace
}  // namespace volley::cli
