#include "engine/delivery/tls_plan.h"

#include <gtest/gtest.h>

namespace volley::delivery {
namespace {

using net::TlsDemand;
using smtp::TlsMode;

constexpr const char* kHost = "mx.example.net";

struct TlsPlanTest : ::testing::Test {
  Path path;
  DaneDecision dane;
  HostFacts facts;

  TlsPlan plan(bool force = false) { return plan_tls(path, kHost, dane, facts, force); }
  void with_tlsa(DaneVerdict verdict) {
    dane.verdict = verdict;
    dane.base = "mx.example.net";
    dane.records = {{3, 1, 1, std::string(32, 'x')}};
  }
};

TEST_F(TlsPlanTest, OpportunisticUnlessSomebodySaysMore) {
  const TlsPlan made = plan();
  EXPECT_EQ(made.mode, TlsMode::kOpportunistic);
  EXPECT_EQ(made.policy, PolicyType::kNone);
  EXPECT_EQ(made.start.server_name, kHost);
  EXPECT_EQ(made.start.demand.kind, TlsDemand::Kind::kNone);
}

TEST_F(TlsPlanTest, BrokenTlsIsLeftOutOnlyWhereNobodyDemandsIt) {
  facts.quirks = smtp::kNoTls;
  EXPECT_EQ(plan().mode, TlsMode::kNever);
  EXPECT_EQ(plan(true).mode, TlsMode::kRequired);
  path.limits.tls = TlsPolicy::kRequired;
  EXPECT_EQ(plan().mode, TlsMode::kRequired);
  path.limits.tls = TlsPolicy::kOpportunistic;
  path.sts = StsVerdict::kEnforce;
  EXPECT_EQ(plan().mode, TlsMode::kRequired);
  path.sts = StsVerdict::kTesting;
  EXPECT_EQ(plan().mode, TlsMode::kNever);
  with_tlsa(DaneVerdict::kAuthenticate);
  EXPECT_EQ(plan().mode, TlsMode::kRequired);
}

TEST_F(TlsPlanTest, MtaStsDemandsTheHostsOwnName) {
  path.sts = StsVerdict::kEnforce;
  const TlsPlan made = plan();
  EXPECT_EQ(made.policy, PolicyType::kSts);
  EXPECT_EQ(made.start.demand.kind, TlsDemand::Kind::kPkix);
  EXPECT_TRUE(made.start.demand.enforce);
  EXPECT_EQ(made.start.demand.names, std::vector<std::string>{kHost});
}

TEST_F(TlsPlanTest, APolicyThatIsTestedRefusesNobody) {
  path.sts = StsVerdict::kTesting;
  const TlsPlan made = plan();
  EXPECT_EQ(made.mode, TlsMode::kOpportunistic);
  EXPECT_EQ(made.policy, PolicyType::kSts);
  EXPECT_FALSE(made.start.demand.enforce);
}

TEST_F(TlsPlanTest, DaneBeatsMtaSts) {
  path.sts = StsVerdict::kEnforce;
  with_tlsa(DaneVerdict::kAuthenticate);
  const TlsPlan made = plan();
  EXPECT_EQ(made.policy, PolicyType::kTlsa);
  EXPECT_EQ(made.start.demand.kind, TlsDemand::Kind::kDane);
  ASSERT_EQ(made.start.demand.tlsa.size(), 1u);
  EXPECT_EQ(made.start.demand.tlsa[0].usage, 3);
}

TEST_F(TlsPlanTest, UnusableRecordsStillDemandEncryption) {
  with_tlsa(DaneVerdict::kEncrypt);
  const TlsPlan made = plan();
  EXPECT_EQ(made.mode, TlsMode::kRequired);
  EXPECT_EQ(made.start.demand.kind, TlsDemand::Kind::kNone);
  EXPECT_EQ(made.start.demand.min_version, net::TlsVersion::kTls12);
}

TEST_F(TlsPlanTest, UnusableRecordsDoNotSwitchAPolicyOff) {
  path.sts = StsVerdict::kEnforce;
  with_tlsa(DaneVerdict::kEncrypt);
  const TlsPlan made = plan();
  EXPECT_EQ(made.mode, TlsMode::kRequired);
  EXPECT_EQ(made.policy, PolicyType::kSts);
  EXPECT_EQ(made.start.demand.kind, TlsDemand::Kind::kPkix);
  EXPECT_TRUE(made.start.demand.enforce);
}

TEST_F(TlsPlanTest, VerifiedIsMetByDaneAndByNothingWeaker) {
  path.limits.tls = TlsPolicy::kVerified;
  EXPECT_EQ(plan().start.demand.kind, TlsDemand::Kind::kPkix);
  path.sts = StsVerdict::kTesting;
  EXPECT_TRUE(plan().start.demand.enforce);
  with_tlsa(DaneVerdict::kEncrypt);
  EXPECT_EQ(plan().start.demand.kind, TlsDemand::Kind::kPkix);
  with_tlsa(DaneVerdict::kAuthenticate);
  EXPECT_EQ(plan().start.demand.kind, TlsDemand::Kind::kDane);
}

TEST_F(TlsPlanTest, NeverIsTheOperatorsWord) {
  path.limits.tls = TlsPolicy::kNever;
  path.sts = StsVerdict::kEnforce;
  EXPECT_EQ(plan(true).mode, TlsMode::kNever);
}

TEST_F(TlsPlanTest, ImplicitTlsIsVerifiedLikeAnyOther) {
  path.implicit_tls = true;
  path.limits.tls = TlsPolicy::kVerified;
  const TlsPlan made = plan();
  EXPECT_EQ(made.mode, TlsMode::kImplicit);
  EXPECT_EQ(made.start.demand.kind, TlsDemand::Kind::kPkix);
  EXPECT_TRUE(made.start.demand.enforce);
}

}  // namespace
}  // namespace volley::delivery
