#include "dns/mx.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

namespace volley::dns {
namespace {

MxAnswer rules(std::vector<MxHost> records, uint64_t seed = 1) {
  RawMx raw;
  raw.records = std::move(records);
  raw.ttl = std::chrono::seconds(300);
  Random random(seed);
  return apply_mx_rules("example.com", std::move(raw), random);
}

std::vector<std::string> names(const MxAnswer& answer) {
  std::vector<std::string> out;
  for (const MxHost& host : answer.hosts) out.push_back(host.name);
  return out;
}

TEST(MxRules, LowerPreferenceFirst) {
  MxAnswer a = rules({{30, "c.example.net"}, {10, "A.Example.NET."}, {20, "b.example.net"}});
  EXPECT_EQ(a.kind, MxKind::kHosts);
  EXPECT_FALSE(a.implicit);
  EXPECT_EQ(a.ttl, std::chrono::seconds(300));
  EXPECT_EQ(names(a),
            (std::vector<std::string>{"a.example.net", "b.example.net", "c.example.net"}));
}

TEST(MxRules, EqualPreferencesAreShuffledFairly) {
  std::map<std::string, int> first;
  for (uint64_t seed = 0; seed < 600; ++seed) {
    MxAnswer a =
        rules({{10, "a.example"}, {10, "b.example"}, {10, "c.example"}, {20, "d.example"}}, seed);
    ++first[a.hosts.front().name];
    EXPECT_EQ(a.hosts.back().name, "d.example");
  }
  for (const char* name : {"a.example", "b.example", "c.example"}) {
    EXPECT_GT(first[name], 150) << name;
    EXPECT_LT(first[name], 250) << name;
  }
}

TEST(MxRules, NoRecordIsTheDomainItself) {
  MxAnswer a = rules({});
  EXPECT_EQ(a.kind, MxKind::kHosts);
  EXPECT_TRUE(a.implicit);
  EXPECT_EQ(names(a), std::vector<std::string>{"example.com"});
  EXPECT_EQ(a.hosts[0].preference, 0);
}

TEST(MxRules, NullMx) {
  EXPECT_EQ(rules({{0, ""}}).kind, MxKind::kNullMx);
  EXPECT_EQ(rules({{0, "."}}).kind, MxKind::kNullMx);
}

TEST(MxRules, RootAmongOthersIsIgnored) {
  MxAnswer a = rules({{0, ""}, {10, "mx.example.net"}});
  EXPECT_EQ(a.kind, MxKind::kHosts);
  EXPECT_EQ(names(a), std::vector<std::string>{"mx.example.net"});
}

TEST(MxRules, LiteralsAndUnusableNamesAreIgnored) {
  std::string label64(64, 'a');
  MxAnswer a = rules({{1, "192.0.2.1"},
                      {2, "2001:db8::1"},
                      {3, label64 + ".example"},
                      {4, "a..example"},
                      {5, "a\\.b.example"},
                      {6, "a b.example"},
                      {7, "under_score.example"}});
  EXPECT_EQ(names(a), std::vector<std::string>{"under_score.example"});
}

TEST(MxRules, NothingUsableIsTemporaryAndNotTheDomainItself) {
  MxAnswer a = rules({{1, "192.0.2.1"}, {2, "."}});
  EXPECT_EQ(a.kind, MxKind::kTempFail);
  EXPECT_TRUE(a.hosts.empty());
  EXPECT_FALSE(a.detail.empty());
}

TEST(MxRules, RepeatedHostCountsOnceWithItsBestPreference) {
  MxAnswer a = rules({{20, "a.example"}, {10, "A.example."}, {15, "b.example"}});
  EXPECT_EQ(names(a), (std::vector<std::string>{"a.example", "b.example"}));
  EXPECT_EQ(a.hosts[0].preference, 10);
}

TEST(MxRules, AtMostTwentyTheBestOnes) {
  std::vector<MxHost> records;
  for (uint16_t i = 0; i < 2000; ++i) {
    records.push_back({static_cast<uint16_t>(2000 - i), "h" + std::to_string(i) + ".example"});
  }
  MxAnswer a = rules(std::move(records));
  ASSERT_EQ(a.hosts.size(), kMaxMxHosts);
  EXPECT_EQ(a.hosts.front().name, "h1999.example");
  EXPECT_EQ(a.hosts.back().preference, 20);
}

TEST(MxRules, NxDomainAndFailures) {
  Random random(1);
  RawMx raw;
  raw.nxdomain = true;
  EXPECT_EQ(apply_mx_rules("example.com", raw, random).kind, MxKind::kNxDomain);
  raw = {};
  raw.temporary = true;
  raw.detail = "SERVFAIL from 192.0.2.53:53";
  MxAnswer a = apply_mx_rules("example.com", raw, random);
  EXPECT_EQ(a.kind, MxKind::kTempFail);
  EXPECT_EQ(a.detail, "SERVFAIL from 192.0.2.53:53");
}

TEST(MxRules, AuthenticatedIsPassedOn) {
  Random random(1);
  for (bool authenticated : {false, true}) {
    RawMx raw;
    raw.authenticated = authenticated;
    EXPECT_EQ(apply_mx_rules("example.com", raw, random).authenticated, authenticated);
    raw.records = {{10, "mx.example.com"}};
    EXPECT_EQ(apply_mx_rules("example.com", raw, random).authenticated, authenticated);
  }
}

TEST(Names, Usable) {
  EXPECT_TRUE(is_usable_name("mx.example.com"));
  EXPECT_TRUE(is_usable_name("1.2.3.4.example"));
  EXPECT_TRUE(is_usable_name("xn--bcher-kva.example"));
  EXPECT_TRUE(is_usable_name(std::string(63, 'a') + ".example"));
  for (const char* bad : {"", ".", "a.", ".a", "1.2.3.4", "a.1", "a b", "a\\.b", "\xc3\xbc.example",
                          "UPPER.example"}) {
    EXPECT_FALSE(is_usable_name(bad)) << bad;
  }
  std::string longest;
  while (longest.size() < 254) longest += "a.";
  longest += "example";
  EXPECT_FALSE(is_usable_name(longest));
}

}  // namespace
}  // namespace volley::dns
