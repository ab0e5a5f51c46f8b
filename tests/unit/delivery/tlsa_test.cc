#include "engine/delivery/tlsa.h"

#include <gtest/gtest.h>

namespace volley::delivery {
namespace {

const std::string k32(32, 'x'), k64(64, 'x');

dns::AddressAnswer addresses(bool authenticated, std::string canonical = "mx.example.com") {
  dns::AddressAnswer out;
  out.authenticated = authenticated;
  out.canonical = std::move(canonical);
  return out;
}

dns::TlsaAnswer answer(std::vector<dns::TlsaRecord> records, bool authenticated = true) {
  dns::TlsaAnswer out;
  out.records = std::move(records);
  out.authenticated = authenticated;
  return out;
}

// What is usable is base/net's to say (tls_demand_test.cc); here, that it is asked.
TEST(TlsaUsable, OnlyWhatTheHandshakeCanUse) {
  const auto usable = [](dns::TlsaRecord record) {
    return decide_dane("mx.example.com", answer({std::move(record)})).verdict ==
           DaneVerdict::kAuthenticate;
  };
  for (uint8_t usage : {2, 3}) {
    for (uint8_t selector : {0, 1}) {
      EXPECT_TRUE(usable({usage, selector, 1, k32}));
      EXPECT_TRUE(usable({usage, selector, 2, k64}));
    }
  }
  for (uint8_t usage : {0, 1, 4, 255}) EXPECT_FALSE(usable({usage, 1, 1, k32})) << int{usage};
  EXPECT_FALSE(usable({3, 2, 1, k32}));
  EXPECT_FALSE(usable({3, 1, 3, k32}));
  EXPECT_FALSE(usable({3, 1, 1, k64}));
  EXPECT_FALSE(usable({3, 1, 0, "not a key"}));
}

TEST(TlsaBases, OnlyWhereDnssecVouchesForEverything) {
  using Names = std::vector<std::string>;
  EXPECT_EQ(tlsa_bases(true, "MX.example.com.", addresses(true)), Names{"mx.example.com"});
  EXPECT_EQ(tlsa_bases(false, "mx.example.com", addresses(true)), Names{});
  EXPECT_EQ(tlsa_bases(true, "mx.example.com", addresses(false)), Names{});
  EXPECT_EQ(tlsa_bases(true, "alias.example.com", addresses(true)),
            (Names{"mx.example.com", "alias.example.com"}));
  EXPECT_EQ(tlsa_bases(true, "mx.example.com", addresses(true, "")), Names{"mx.example.com"});
}

TEST(DecideDane, NoRecordsOrNobodyVouchesForThem) {
  EXPECT_EQ(decide_dane("mx.example.com", answer({})).verdict, DaneVerdict::kNone);
  const DaneDecision d = decide_dane("mx.example.com", answer({{3, 1, 1, k32}}, false));
  EXPECT_EQ(d.verdict, DaneVerdict::kNone);
  EXPECT_TRUE(d.records.empty());
  EXPECT_EQ(result_type(d.verdict), "");
}

TEST(DecideDane, UsableRecordsAreToMatch) {
  const dns::TlsaRecord ee{3, 1, 1, k32}, ta{2, 0, 2, k64}, pkix{1, 0, 1, k32};
  const DaneDecision d = decide_dane("mx.example.com", answer({pkix, ee, ta}));
  EXPECT_EQ(d.verdict, DaneVerdict::kAuthenticate);
  EXPECT_EQ(d.records, (std::vector<net::TlsaRecord>{{3, 1, 1, k32}, {2, 0, 2, k64}}));
  EXPECT_EQ(d.base, "mx.example.com");
  EXPECT_EQ(result_type(d.verdict), "");
}

TEST(DecideDane, NoneUsableStillMeansTls) {
  const DaneDecision d =
      decide_dane("mx.example.com", answer({{1, 0, 1, k32}, {3, 1, 1, "short"}}));
  EXPECT_EQ(d.verdict, DaneVerdict::kEncrypt);
  EXPECT_TRUE(d.records.empty());
  EXPECT_NE(d.detail.find("mx.example.com"), std::string::npos);
  EXPECT_EQ(result_type(d.verdict), "tlsa-invalid");
}

TEST(DecideDane, AFailureIsNoAbsence) {
  dns::TlsaAnswer failed;
  failed.failed = true;
  failed.detail = "SERVFAIL from 192.0.2.53:53";
  const DaneDecision d = decide_dane("mx.example.com", failed);
  EXPECT_EQ(d.verdict, DaneVerdict::kSkipHost);
  EXPECT_EQ(d.detail, "TLSA records of mx.example.com: SERVFAIL from 192.0.2.53:53");
  EXPECT_EQ(result_type(d.verdict), "dnssec-invalid");
  // Whatever else such an answer holds.
  failed.authenticated = true;
  failed.records = {{3, 1, 1, k32}};
  EXPECT_EQ(decide_dane("mx.example.com", failed).verdict, DaneVerdict::kSkipHost);
}

}  // namespace
}  // namespace volley::delivery
