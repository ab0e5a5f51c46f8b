#include "engine/delivery/sts_cache.h"

#include <gtest/gtest.h>

namespace volley::delivery {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

const WallTime kNow = from_ms(1'800'000'000'000);

dns::TxtAnswer txt(const std::string& id) {
  dns::TxtAnswer out;
  out.strings = {"v=STSv1; id=" + id + ";"};
  return out;
}
dns::TxtAnswer no_txt() { return {}; }
dns::TxtAnswer failed_txt() {
  dns::TxtAnswer out = txt("1");
  out.failed = true;
  return out;
}
StsOutcome fetched(StsMode mode = StsMode::kEnforce, seconds max_age = hours(240)) {
  return {StsFailure::kNone, "", {mode, {"mx.example.com", "*.example.net"}, max_age}};
}
StsOutcome failed(StsFailure failure = StsFailure::kFetchError, std::string detail = "HTTP 404") {
  return {failure, std::move(detail), {}};
}

class StsCacheTest : public testing::Test {
 protected:
  StsDecision decide(const dns::TxtAnswer& answer, WallTime at = kNow) {
    return cache.decide("Example.com.", answer, at);
  }
  void store(const std::string& id, const StsOutcome& outcome, WallTime at = kNow) {
    cache.store("example.com", id, outcome, at);
  }
  StsCache cache;
};

TEST_F(StsCacheTest, WithoutARecordThereIsNothingToDo) {
  dns::TxtAnswer bad = txt("a-b"), two = txt("1");
  two.strings.push_back("v=STSv1; id=2;");
  for (const dns::TxtAnswer& answer : {no_txt(), failed_txt(), bad, two}) {
    StsDecision d = decide(answer);
    EXPECT_EQ(d.verdict, StsVerdict::kNone);
    EXPECT_FALSE(d.fetch);
    EXPECT_EQ(d.failure, StsFailure::kNone);
  }
}

TEST_F(StsCacheTest, FirstTheFetchThenThePolicy) {
  StsDecision d = decide(txt("1"));
  EXPECT_EQ(d.verdict, StsVerdict::kWait);
  EXPECT_TRUE(d.fetch);
  EXPECT_EQ(d.id, "1");
  EXPECT_EQ(d.policy, nullptr);
  store("1", fetched());
  d = decide(txt("1"));
  EXPECT_EQ(d.verdict, StsVerdict::kEnforce);
  EXPECT_FALSE(d.fetch);
  ASSERT_NE(d.policy, nullptr);
  EXPECT_TRUE(matches(*d.policy, "mx.example.com"));
}

TEST_F(StsCacheTest, ModesDecide) {
  store("1", fetched(StsMode::kTesting));
  StsDecision d = decide(txt("1"));
  EXPECT_EQ(d.verdict, StsVerdict::kTesting);
  EXPECT_NE(d.policy, nullptr);
  store("1", fetched(StsMode::kNone));
  d = decide(txt("1"));
  EXPECT_EQ(d.verdict, StsVerdict::kNone);
  EXPECT_EQ(d.policy, nullptr);
  EXPECT_FALSE(d.fetch) << "that there is none is known";
}

TEST_F(StsCacheTest, APolicyOutlivesDnsAndTheWebServer) {
  store("1", fetched(StsMode::kEnforce, hours(240)));
  const WallTime later = kNow + hours(239);
  EXPECT_EQ(decide(no_txt(), later).verdict, StsVerdict::kEnforce);
  EXPECT_EQ(decide(failed_txt(), later).verdict, StsVerdict::kEnforce);
  store("1", failed(), later);
  StsDecision d = decide(txt("1"), later);
  EXPECT_EQ(d.verdict, StsVerdict::kEnforce);
  EXPECT_EQ(d.failure, StsFailure::kFetchError);
  // Until max_age.
  EXPECT_EQ(decide(no_txt(), kNow + hours(240)).verdict, StsVerdict::kNone);
  EXPECT_EQ(decide(txt("1"), kNow + hours(240)).verdict, StsVerdict::kWait);
}

TEST_F(StsCacheTest, ANewIdIsWaitedForAndTheOldPolicyGoesOnWhenThatFails) {
  store("1", fetched(StsMode::kEnforce));
  StsDecision d = decide(txt("2"));
  EXPECT_EQ(d.verdict, StsVerdict::kWait);
  EXPECT_TRUE(d.fetch);
  EXPECT_EQ(d.id, "2");
  EXPECT_EQ(d.policy, nullptr);
  store("2", failed(StsFailure::kWebPkiInvalid, "certificate has expired"));
  d = decide(txt("2"));
  EXPECT_EQ(d.verdict, StsVerdict::kEnforce);
  EXPECT_NE(d.policy, nullptr);
  EXPECT_FALSE(d.fetch);
  EXPECT_EQ(d.failure, StsFailure::kWebPkiInvalid);
  EXPECT_EQ(d.detail, "certificate has expired");
  store("2", fetched(StsMode::kTesting));
  d = decide(txt("2"));
  EXPECT_EQ(d.verdict, StsVerdict::kTesting);
  EXPECT_EQ(d.failure, StsFailure::kNone);
}

TEST_F(StsCacheTest, AFailedFetchIsRepeatedAfterFiveMinutesOrForANewId) {
  store("1", failed(StsFailure::kPolicyInvalid, "no mode"));
  StsDecision d = decide(txt("1"), kNow + minutes(5) - seconds(1));
  EXPECT_EQ(d.verdict, StsVerdict::kNone);
  EXPECT_FALSE(d.fetch);
  EXPECT_EQ(d.failure, StsFailure::kPolicyInvalid);
  EXPECT_EQ(decide(txt("1"), kNow + minutes(5)).verdict, StsVerdict::kWait);
  EXPECT_EQ(decide(txt("2")).verdict, StsVerdict::kWait);
  EXPECT_EQ(decide(no_txt()).failure, StsFailure::kNone) << "without a record nothing failed";
}

TEST_F(StsCacheTest, RefreshedOnceADayInTheBackground) {
  store("1", fetched());
  EXPECT_FALSE(decide(txt("1"), kNow + hours(24) - seconds(1)).fetch);
  const WallTime tomorrow = kNow + hours(24);
  StsDecision d = decide(txt("1"), tomorrow);
  EXPECT_TRUE(d.fetch);
  EXPECT_EQ(d.id, "1");
  EXPECT_EQ(d.verdict, StsVerdict::kEnforce) << "nobody waits for it";
  EXPECT_NE(d.policy, nullptr);
  store("1", fetched(), tomorrow);
  EXPECT_FALSE(decide(txt("1"), tomorrow).fetch);
  EXPECT_EQ(decide(no_txt(), kNow + hours(250)).verdict, StsVerdict::kEnforce)
      << "lives longer now";
  // Half of max_age, for what lives shortly.
  store("1", fetched(StsMode::kEnforce, hours(2)));
  EXPECT_FALSE(decide(txt("1"), kNow + minutes(59)).fetch);
  EXPECT_TRUE(decide(txt("1"), kNow + hours(1)).fetch);
}

TEST_F(StsCacheTest, WithoutAnAgeItLivesForThoseWhoWaited) {
  store("1", fetched(StsMode::kEnforce, seconds(0)));
  EXPECT_EQ(decide(txt("1")).verdict, StsVerdict::kEnforce);
  EXPECT_EQ(decide(txt("1"), kNow + minutes(1)).verdict, StsVerdict::kWait);
}

TEST_F(StsCacheTest, BoundedWhatEndsFirstGoesFirst) {
  cache.store("long.example", "1", fetched(StsMode::kEnforce, hours(1000)), kNow);
  cache.store("dead.example", "1", failed(), kNow);
  for (size_t i = 0; i < kMaxStsDomains; ++i) {
    cache.store("d" + std::to_string(i) + ".example", "1",
                fetched(StsMode::kEnforce, hours(100) + seconds(i)), kNow);
  }
  EXPECT_EQ(cache.size(), kMaxStsDomains);
  auto known = [&](const std::string& domain) {
    return cache.decide(domain, no_txt(), kNow).verdict == StsVerdict::kEnforce;
  };
  EXPECT_TRUE(known("long.example"));
  EXPECT_FALSE(known("d0.example"));
  EXPECT_TRUE(known("d1.example"));
  EXPECT_TRUE(known("d" + std::to_string(kMaxStsDomains - 1) + ".example"));
  // What has expired goes all at once.
  cache.store("new.example", "1", fetched(), kNow + hours(900));
  EXPECT_EQ(cache.size(), 2u);
}

TEST_F(StsCacheTest, ExportIsWhatImportReads) {
  store("1", fetched(StsMode::kEnforce, hours(240)));
  cache.store("testing.example", "2", fetched(StsMode::kTesting), kNow - hours(1));
  cache.store("old.example", "3", fetched(StsMode::kEnforce, hours(1)), kNow - hours(1));
  cache.store("failed.example", "4", failed(), kNow);
  const std::string text = cache.export_json(kNow);
  StsCache other;
  Status read = other.import_json(text, kNow + hours(1));
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(other.size(), 2u) << text;
  StsDecision d = other.decide("example.com", txt("1"), kNow + hours(1));
  EXPECT_EQ(d.verdict, StsVerdict::kEnforce);
  EXPECT_FALSE(d.fetch);
  EXPECT_EQ(*d.policy, fetched(StsMode::kEnforce, hours(240)).policy);
  EXPECT_EQ(other.decide("testing.example", no_txt(), kNow).verdict, StsVerdict::kTesting);
  EXPECT_EQ(other.export_json(kNow), text);
}

TEST_F(StsCacheTest, ImportDoesNotUndoWhatIsNewer) {
  store("1", fetched(StsMode::kTesting), kNow - hours(1));
  const std::string older = cache.export_json(kNow);
  store("2", fetched(StsMode::kEnforce));
  const std::string newer = cache.export_json(kNow);
  ASSERT_TRUE(cache.import_json(older, kNow));
  EXPECT_EQ(decide(no_txt()).verdict, StsVerdict::kEnforce);
  StsCache other;
  ASSERT_TRUE(other.import_json(older, kNow) && other.import_json(newer, kNow));
  EXPECT_EQ(other.decide("example.com", no_txt(), kNow).verdict, StsVerdict::kEnforce);
}

TEST_F(StsCacheTest, AClockThatWasAheadGivesNoLongerLife) {
  cache.store("example.com", "1", fetched(StsMode::kEnforce, hours(2)), kNow + hours(1000));
  const std::string text = cache.export_json(kNow + hours(1000));
  StsCache other;
  ASSERT_TRUE(other.import_json(text, kNow));
  EXPECT_EQ(other.decide("example.com", no_txt(), kNow + hours(2)).verdict, StsVerdict::kNone);
}

TEST_F(StsCacheTest, BadImportsTakeNothing) {
  const std::string good =
      R"({"domain":"a.example","id":"1","mode":"enforce","mx":["*.a.example"],"max_age":864000,)"
      R"("fetched_ms":1799999999000})";
  auto file = [](const std::string& entries) {
    return "{\"format\":1,\"policies\":[" + entries + "]}";
  };
  ASSERT_TRUE(cache.import_json(file(""), kNow));
  auto with = [&](const std::string& from, const std::string& to) {
    std::string out = good;
    const size_t at = out.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return out.replace(at, from.size(), to);
  };
  std::vector<std::string> bad = {"",
                                  "[]",
                                  "{",
                                  "null",
                                  "{\"policies\":[]}",
                                  "{\"format\":1}",
                                  "{\"format\":2,\"policies\":[]}",
                                  "{\"format\":1,\"policies\":{}}",
                                  std::string("\xff\x00", 2)};
  for (const std::string& entry :
       {std::string("1"), std::string("{}"), with("a.example", "A.example"), with("a.example", ""),
        with("\"enforce\"", "\"strict\""), with("\"enforce\"", "1"), with("864000", "-1"),
        with("864000", "31557601"), with("864000", "1.5"), with("864000", "\"1\""),
        with("*.a.example", "*.*.example"), with("[\"*.a.example\"]", "\"*.a.example\""),
        with("[\"*.a.example\"]", "[1]"), with("1799999999000", "null"), with("\"1\"", "1")}) {
    std::string both = good;
    both += ',';
    bad.push_back(file(both.append(entry)));
  }
  for (const std::string& text : bad) {
    Status read = cache.import_json(text, kNow);
    ASSERT_FALSE(read) << text;
    EXPECT_EQ(read.error().code, Errc::kData);
    EXPECT_EQ(cache.size(), 0u) << text;
  }
  EXPECT_TRUE(cache.import_json(file(good), kNow));
  EXPECT_EQ(cache.size(), 1u);
}

TEST(StsFailures, NamesOfRfc8460) {
  EXPECT_EQ(result_type(StsFailure::kFetchError), "sts-policy-fetch-error");
  EXPECT_EQ(result_type(StsFailure::kPolicyInvalid), "sts-policy-invalid");
  EXPECT_EQ(result_type(StsFailure::kWebPkiInvalid), "sts-webpki-invalid");
  EXPECT_EQ(result_type(StsFailure::kNone), "");
  EXPECT_EQ(sts_txt_name("example.com"), "_mta-sts.example.com");
}

}  // namespace
}  // namespace volley::delivery
