#include "engine/delivery/mta_sts.h"

#include <gtest/gtest.h>

#include <cstring>
#include <utility>

namespace volley::delivery {
namespace {

using std::chrono::seconds;

std::optional<std::string> txt(std::vector<std::string> records) { return parse_sts_txt(records); }

TEST(StsTxt, OneRecordWithAnId) {
  EXPECT_EQ(txt({"v=STSv1; id=20160831085700Z;"}), "20160831085700Z");
  EXPECT_EQ(txt({"v=STSv1;id=1"}), "1");
  EXPECT_EQ(txt({"v=STSv1; \t id=a1 \t; new.key=x:y/z ;"}), "a1");
  EXPECT_EQ(txt({"v=STSv1; other=1; id=" + std::string(32, 'a')}), std::string(32, 'a'));
}

TEST(StsTxt, OtherRecordsDoNotCount) {
  EXPECT_EQ(txt({"v=spf1 -all", "v=STSv1; id=1;", "", "v=STSv2; id=2;", " v=STSv1; id=3;"}), "1");
}

TEST(StsTxt, NoneOrSeveralAreNone) {
  EXPECT_EQ(txt({}), std::nullopt);
  EXPECT_EQ(txt({"v=STSv1; id=1;", "v=STSv1; id=1;"}), std::nullopt);
  EXPECT_EQ(txt({"v=STSv1; id=1;", "v=STSv1; broken"}), std::nullopt);
}

TEST(StsTxt, BadSyntaxIsNone) {
  for (const char* bad :
       {"v=STSv1", "v=STSv1;", "v=STSv1; id=", "v=STSv1; id", "v=STSv1; id=a b", "v=STSv1; id=a-b",
        "v=STSv1; id=1; =x", "v=STSv1; id=1; key=", "v=STSv1; id=1; key=a=b", "v=STSv1; id=1;; x=1",
        "v=stsv1; id=1", "V=STSv1; id=1", "v=STSv1; ID=1", "v=STSv1 id=1", "v=STSv1; id=1; _k=1",
        "v=STSv1; id=1; k=\x01", "v=STSv1; id=\xc3\xa9",
        "v=STSv1; id=123456789012345678901234567890123"}) {
    EXPECT_EQ(txt({bad}), std::nullopt) << bad;
  }
}

TEST(StsTxt, FirstIdCounts) { EXPECT_EQ(txt({"v=STSv1; id=1; id=2;"}), "1"); }

StsPolicy parsed(std::string_view text) {
  auto policy = parse_sts_policy(text);
  EXPECT_TRUE(policy) << policy.error().message;
  return policy ? *policy : StsPolicy{};
}

TEST(StsPolicyText, AsTheRfcHasIt) {
  const StsPolicy expected{StsMode::kEnforce,
                           {"mail.example.com", "*.example.net", "backupmx.example.com"},
                           seconds(604800)};
  std::string text =
      "version: STSv1\nmode: enforce\nmx: mail.example.com\nmx: *.example.net\n"
      "mx: backupmx.example.com\nmax_age: 604800\n";
  EXPECT_EQ(parsed(text), expected);
  text.pop_back();
  EXPECT_EQ(parsed(text), expected) << "the last line need not end";
  std::string crlf;
  for (char c : text) crlf += c == '\n' ? std::string("\r\n") : std::string(1, c);
  EXPECT_EQ(parsed(crlf), expected);
}

TEST(StsPolicyText, OrderBlanksAndCase) {
  const StsPolicy p =
      parsed("max_age:1\nmx:  MX.Example.COM. \t\nmode:testing\n\nversion:\tSTSv1\n");
  EXPECT_EQ(p, (StsPolicy{StsMode::kTesting, {"mx.example.com"}, seconds(1)}));
}

TEST(StsPolicyText, ModeNoneNeedsNoMx) {
  EXPECT_EQ(parsed("version: STSv1\nmode: none\nmax_age: 0\n"),
            (StsPolicy{StsMode::kNone, {}, seconds(0)}));
}

TEST(StsPolicyText, UnknownKeysAreSkippedRepeatedOnesCountOnce) {
  const StsPolicy p = parsed(
      "version: STSv1\nversion: STSv2\nmode: testing\nmode: enforce\nx-note: caf\xc3\xa9: a b\n"
      "mx: a.example\nmax_age: 10\nmax_age: never\nempty:\n");
  EXPECT_EQ(p, (StsPolicy{StsMode::kTesting, {"a.example"}, seconds(10)}));
}

TEST(StsPolicyText, Limits) {
  const std::string head = "version: STSv1\nmode: enforce\nmx: a.example\n";
  EXPECT_EQ(parsed(head + "max_age: 31557600").max_age, kMaxStsAge);
  EXPECT_EQ(parsed(head + "max_age: 0000000001").max_age, seconds(1));
  std::string large = head + "max_age: 10\n";
  while (large.size() < kMaxStsPolicy) large += '\n';
  EXPECT_EQ(parsed(large).max_age, seconds(10));
  EXPECT_FALSE(parse_sts_policy(large + "\n"));
}

void expect_invalid(const std::string& text) {
  auto policy = parse_sts_policy(text);
  ASSERT_FALSE(policy) << text;
  EXPECT_EQ(policy.error().code, Errc::kProtocol);
  EXPECT_EQ(policy.error().message.find('\x01'), std::string::npos);
  EXPECT_LT(policy.error().message.size(), 200u);
}

const std::string kGood = "version: STSv1\nmode: enforce\nmx: a.example\nmax_age: 10\n";

TEST(StsPolicyText, ValuesThatAreInvalid) {
  ASSERT_TRUE(parse_sts_policy(kGood));
  const std::pair<const char*, const char*> changes[] = {
      {"version: STSv1\n", ""},
      {"mode: enforce\n", ""},
      {"mx: a.example\n", ""},
      {"max_age: 10\n", ""},
      {"STSv1", "STSv2"},
      {"enforce", "Enforce"},
      {"enforce", ""},
      {"10", "31557601"},
      {"10", "-1"},
      {"10", "1e3"},
      {"10", "10s"},
      {"10", "00000000001"},
      {"10", "99999999999999999999"},
      {"10", ""},
  };
  for (const auto& [from, to] : changes) {
    std::string bad = kGood;
    expect_invalid(bad.replace(bad.find(from), std::strlen(from), to));
  }
  expect_invalid("");
  expect_invalid("<html>\n<p>Not found</p>\n</html>\n");
}

TEST(StsPolicyText, LinesThatAreInvalid) {
  using namespace std::string_view_literals;
  for (std::string_view line :
       {"mx: *.*.example"sv, "mx: *example.com"sv, "mx: *"sv, "mx: *."sv, "mx:"sv,
        "mx: a.*.example"sv, "mx: 192.0.2.1"sv, "mx: a b.example"sv, "no colon"sv, ": no key"sv,
        "k\xc3\xa9y: x"sv, "key : x"sv, " key: x"sv, "key: a\x01 b"sv, "key: a\0b"sv,
        "a-key-of-more-than-32-characters-x: x"sv}) {
    std::string bad = kGood;
    bad += line;
    expect_invalid(bad);
  }
}

// Every prefix and every changed byte is read without harm (the sanitizers watch).
TEST(StsPolicyText, SurvivesDamage) {
  const std::string text =
      "version: STSv1\r\nmode: enforce\r\nmx: *.example.net\r\nmax_age: 604800\r\n";
  for (size_t n = 0; n < text.size(); ++n) {
    (void)parse_sts_policy(text.substr(0, n)).ok();
    for (char c : {'\0', '\n', ':', '\xff'}) {
      std::string damaged = text;
      damaged[n] = c;
      (void)parse_sts_policy(damaged).ok();
    }
  }
}

TEST(StsMatch, NamesAndWildcards) {
  const StsPolicy p{StsMode::kEnforce, {"mx.example.com", "*.example.net"}, seconds(1)};
  for (const char* good : {"mx.example.com", "MX.Example.COM.", "a.example.net", "A.EXAMPLE.NET"}) {
    EXPECT_TRUE(matches(p, good)) << good;
  }
  for (const char* bad :
       {"example.com", "a.mx.example.com", "example.net", "a.b.example.net", ".example.net",
        "aexample.net", "a.example.net.evil.example", "", ".", "*"}) {
    EXPECT_FALSE(matches(p, bad)) << bad;
  }
  EXPECT_FALSE(matches(StsPolicy{}, "mx.example.com"));
}

TEST(StsModes, Words) {
  for (StsMode mode : {StsMode::kNone, StsMode::kTesting, StsMode::kEnforce}) {
    EXPECT_EQ(sts_mode(to_string(mode)), mode);
  }
  EXPECT_EQ(sts_mode(""), std::nullopt);
}

}  // namespace
}  // namespace volley::delivery
