#include <gtest/gtest.h>

#include "engine/sink/rule_book.h"
#include "engine/sink/sink.h"

namespace volley::sink {
namespace {

TEST(ParseRule, TakesTheFormsOfThePage) {
  auto rule = parse_rule("rcpt:0.1:451 4.7.1 try: later");
  ASSERT_TRUE(rule.ok()) << rule.error().message;
  EXPECT_EQ(rule->step, Step::kRcpt);
  EXPECT_EQ(rule->odds, 0.1);
  EXPECT_EQ(rule->match, "");
  EXPECT_EQ(rule->times, 0U);
  EXPECT_EQ(rule->reply, "451 4.7.1 try: later");

  rule = parse_rule("data-end:1:@slow.example=2:421 bye");
  ASSERT_TRUE(rule.ok()) << rule.error().message;
  EXPECT_EQ(rule->step, Step::kEndOfData);
  EXPECT_EQ(rule->odds, 1);
  EXPECT_EQ(rule->match, "@slow.example");
  EXPECT_EQ(rule->times, 2U);
  EXPECT_EQ(rule->reply, "421 bye");

  rule = parse_rule("rcpt:5%:=3:450");
  ASSERT_TRUE(rule.ok()) << rule.error().message;
  EXPECT_EQ(rule->odds, 0.05);
  EXPECT_EQ(rule->match, "");
  EXPECT_EQ(rule->times, 3U);

  rule = parse_rule("connect:1:");
  ASSERT_TRUE(rule.ok()) << rule.error().message;
  EXPECT_EQ(rule->reply, "");
  rule = parse_rule("mail:1:news@example.com:");
  ASSERT_TRUE(rule.ok()) << rule.error().message;
  EXPECT_EQ(rule->match, "news@example.com");
  EXPECT_EQ(rule->reply, "");
}

TEST(ParseRule, RefusesTheRest) {
  for (const char* text : {"", "rcpt", "rcpt:1", "quit:1:450 x", "rcpt:2:450 x", "rcpt:x:450 x",
                           "rcpt:1:250 ok", "rcpt:1:45 x", "rcpt:1:4500", "rcpt:1:a=:450",
                           "rcpt:1:a=0:450", "rcpt:1:a=1x:450", "rcpt:1:450 x\r\n250 y"}) {
    auto rule = parse_rule(text);
    ASSERT_FALSE(rule.ok()) << text;
    EXPECT_EQ(rule.error().code, Errc::kUsage);
  }
}

std::vector<std::string> one(std::string recipient) { return {std::move(recipient)}; }

TEST(RuleBook, TheFirstThatAppliesAnswers) {
  RuleBook book({*parse_rule("rcpt:1:bob:450 bob"), *parse_rule("rcpt:1:550 rest"),
                 *parse_rule("mail:1:spam:554 x")},
                1);
  EXPECT_EQ(book.match(Step::kRcpt, "a@example.com", one("bob@example.com"))->reply, "450 bob");
  EXPECT_EQ(book.match(Step::kRcpt, "a@example.com", one("ann@example.com"))->reply, "550 rest");
  EXPECT_EQ(book.match(Step::kRcpt, "bob@example.com", one("ann@example.com"))->reply, "450 bob");
  EXPECT_EQ(book.match(Step::kMail, "a@example.com", {}), nullptr);
  EXPECT_EQ(book.match(Step::kMail, "spam@example.com", {})->reply, "554 x");
  EXPECT_EQ(book.match(Step::kData, "a@example.com", one("bob@example.com")), nullptr);
}

TEST(RuleBook, CountsPerRecipient) {
  RuleBook book({*parse_rule("rcpt:1:=2:450 later")}, 1);
  for (const char* who : {"a@example.com", "b@example.com"}) {
    EXPECT_NE(book.match(Step::kRcpt, "", one(who)), nullptr);
    EXPECT_NE(book.match(Step::kRcpt, "", one(who)), nullptr);
    EXPECT_EQ(book.match(Step::kRcpt, "", one(who)), nullptr);
  }
}

TEST(RuleBook, OddsBelongToTheRecipient) {
  RuleBook book({*parse_rule("rcpt:0.25:450 later")}, 7),
      same({*parse_rule("rcpt:0.25:450 later")}, 7), other({*parse_rule("rcpt:0.25:450 later")}, 8);
  int hit = 0, differ = 0;
  for (int i = 0; i < 4000; ++i) {
    const auto who = one("user" + std::to_string(i) + "@example.com");
    const bool first = book.match(Step::kRcpt, "", who) != nullptr;
    hit += first;
    EXPECT_EQ(first, book.match(Step::kRcpt, "", who) != nullptr);
    EXPECT_EQ(first, same.match(Step::kRcpt, "", who) != nullptr);
    differ += first != (other.match(Step::kRcpt, "", who) != nullptr);
  }
  EXPECT_NEAR(hit, 1000, 150);
  EXPECT_GT(differ, 1000);
  hit = 0;
  RuleBook connect({*parse_rule("connect:0.25:421 x")}, 7);
  for (int i = 0; i < 4000; ++i) hit += connect.match(Step::kConnect, "", {}) != nullptr;
  EXPECT_NEAR(hit, 1000, 150);
}

}  // namespace
}  // namespace volley::sink
