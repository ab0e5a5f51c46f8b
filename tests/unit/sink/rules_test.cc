#include <gtest/gtest.h>

#include "engine/sink/delays.h"
#include "engine/sink/escapes.h"
#include "engine/sink/rule_book.h"

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
  for (const char* text : {"", "rcpt", "rcpt:1", "helo:1:450 x", "rcpt:2:450 x", "rcpt:x:450 x",
                           "rcpt:1:250 ok", "rcpt:1:45 x", "rcpt:1:4500", "rcpt:1:a=:450",
                           "rcpt:1:a=0:450", "rcpt:1:a=1x:450", "rcpt:1:450 x\r\n250 y"}) {
    auto rule = parse_rule(text);
    ASSERT_FALSE(rule.ok()) << text;
    EXPECT_EQ(rule.error().code, Errc::kUsage);
  }
}

TEST(ParseRule, KnowsEveryStepAndAction) {
  const std::pair<const char*, Step> steps[] = {
      {"connect", Step::kConnect}, {"ehlo", Step::kEhlo}, {"starttls", Step::kStartTls},
      {"auth", Step::kAuth},       {"mail", Step::kMail}, {"rcpt", Step::kRcpt},
      {"data", Step::kData},       {"bdat", Step::kBdat}, {"dot", Step::kEndOfData},
      {"rset", Step::kReset},      {"quit", Step::kQuit}, {"idle", Step::kIdle}};
  for (const auto& [name, step] : steps) {
    auto rule = parse_rule(std::string(name) + ":1:reset");
    ASSERT_TRUE(rule.ok()) << name;
    EXPECT_EQ(rule->step, step);
    EXPECT_EQ(rule->action, Action::kAbort);
  }
  const std::pair<const char*, Action> actions[] = {{"", Action::kClose},
                                                    {"close", Action::kClose},
                                                    {"stall", Action::kStall},
                                                    {"shut-read", Action::kShutRead},
                                                    {"twice", Action::kTwice},
                                                    {"late-close", Action::kLateClose},
                                                    {"junk:10", Action::kJunk},
                                                    {"raw:x:y\\r\\n", Action::kRaw},
                                                    {"drip:3/20", Action::kDrip},
                                                    {"twice 250 hello", Action::kTwice},
                                                    {"drip:3/20 451 no", Action::kDrip},
                                                    {"451", Action::kReply}};
  for (const auto& [text, action] : actions) {
    for (const char* match : {"", "b@example.net:"}) {
      auto rule = parse_rule(std::string("mail:1:") + match + text);
      ASSERT_TRUE(rule.ok()) << text << ": " << rule.error().message;
      EXPECT_EQ(rule->action, action) << text;
      EXPECT_EQ(rule->match.empty(), *match == '\0') << text;
    }
  }
  auto rule = parse_rule("mail:1:drip:3/20 451 no");
  EXPECT_EQ(rule->bytes, 3U);
  EXPECT_EQ(rule->every, std::chrono::milliseconds(20));
  EXPECT_EQ(rule->reply, "451 no");
  EXPECT_EQ(parse_rule("mail:1:raw:x:y\\r\\n")->reply, "x:y\r\n");
  EXPECT_EQ(parse_rule("mail:1:junk:10")->bytes, 10U);
}

TEST(ParseRule, AReplyBeforeTheEndBelongsToTheBody) {
  for (const char* text : {"dot:1:early 552 no", "body:1:early 552 no", "body:1:552 no"}) {
    auto rule = parse_rule(text);
    ASSERT_TRUE(rule.ok()) << text;
    EXPECT_EQ(rule->step, Step::kBody);
    EXPECT_EQ(rule->action, Action::kEarly);
    EXPECT_EQ(rule->reply, "552 no");
  }
}

TEST(ParseRule, RefusesWhatMakesNoSense) {
  for (const char* text :
       {"mail:1:early", "body:1:twice", "body:1:drip:1/1", "body:1:late-close", "idle:1:twice",
        "idle:1:late-close", "mail:1:drip:0/1", "mail:1:drip:1/0", "mail:1:drip:1", "mail:1:junk:x",
        "mail:1:junk:99999999999", "mail:1:raw:\\x", "mail:1:raw:{x*y}", "mail:1:close now",
        "mail:1:twice 354 go", "mail:1:raw:{9999999999*abc}"}) {
    auto rule = parse_rule(text);
    ASSERT_FALSE(rule.ok()) << text;
    EXPECT_EQ(rule.error().code, Errc::kUsage);
  }
}

TEST(Unescape, KnowsItsEscapes) {
  EXPECT_EQ(*unescape("a\\r\\n\\t\\s\\x41\\x0a\\\\\\{"), "a\r\n\t A\n\\{");
  EXPECT_EQ(*unescape("{3*ab\\n}c{0*x}"), "ab\nab\nab\nc");
  EXPECT_EQ(*unescape("{\"a\":1} *"), "{\"a\":1} *");
  for (const char* text : {"\\", "\\x4", "\\xzz", "{-1*x}", "{67108865*x}"}) {
    EXPECT_FALSE(unescape(text).ok()) << text;
  }
}

TEST(ParseDelay, TakesPlainTimesRangesAndSteps) {
  using std::chrono::milliseconds;
  Delays delays;
  ASSERT_TRUE(parse_delay("80", delays).ok());
  EXPECT_EQ(delays.distance.least, milliseconds(80));
  EXPECT_TRUE(delays.work_none());
  ASSERT_TRUE(parse_delay("rcpt=5..7", delays).ok());
  ASSERT_TRUE(parse_delay("data-end=9", delays).ok());
  EXPECT_FALSE(delays.work_none());
  EXPECT_EQ(delays.at(Step::kEndOfData).most, milliseconds(9));
  Random random(1);
  bool differs = false;
  const Duration first = delays.at(Step::kRcpt).draw(random);
  for (int i = 0; i < 100; ++i) {
    const Duration drawn = delays.at(Step::kRcpt).draw(random);
    EXPECT_GE(drawn, milliseconds(5));
    EXPECT_LE(drawn, milliseconds(7));
    differs = differs || drawn != first;
  }
  EXPECT_TRUE(differs);
  EXPECT_EQ(delays.at(Step::kEndOfData).draw(random), milliseconds(9));
  for (const char* text : {"", "x", "1..", "2..1", "rcpt=", "rcpt=x", "helo=1", "-1", "1ms"}) {
    EXPECT_EQ(parse_delay(text, delays).error().code, Errc::kUsage) << text;
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

TEST(RuleBook, KnowsWhichStepsItIsWantedAt) {
  const RuleBook book({*parse_rule("rcpt:1:450 x"), *parse_rule("idle:1:close")}, 1);
  EXPECT_TRUE(book.wants(Step::kRcpt));
  EXPECT_TRUE(book.wants(Step::kIdle));
  EXPECT_FALSE(book.wants(Step::kMail));
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
