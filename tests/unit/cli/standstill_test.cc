#include "engine/cli/standstill.h"

#include <gtest/gtest.h>

#include "engine/cli/progress.h"

namespace volley::cli {
namespace {

constexpr const char* kTwoRest = R"json({"sites":[
  {"site":"a","waiting":9,"limited_by":"paused for 9 min (x)"},
  {"site":"b","waiting":0,"limited_by":"nothing"},
  {"site":"c","waiting":1,"limited_by":"paused for 8 min (y)"}]})json";
constexpr const char* kOneGoesOn = R"json({"sites":[
  {"site":"a","waiting":9,"limited_by":"paused for 9 min (x)"},
  {"site":"b","waiting":3,"limited_by":"rate (5/s, default)"}]})json";
constexpr const char* kOneIsOnTheWire = R"json({"sites":[
  {"site":"a","waiting":9,"limited_by":"paused for 9 min (x)"},
  {"site":"b","waiting":0,"in_flight":1,"limited_by":"nothing"}]})json";
constexpr const char* kDailyLimit = R"json({"sites":[
  {"site":"relay","waiting":0,"limited_by":"daily limit (5 in 24 h, [relay]), next in 23 h"}]})json";

constexpr const char* kAllDeferred = R"json({"next_due_ms":170500,"sites":[
  {"site":"a","deferred":2,"last_reply":"450 4.2.0 greylisted","limited_by":"nothing"},
  {"site":"b","deferred":9,"last_reply":"4.4.1 connection timed out","limited_by":"nothing"},
  {"site":"c","deferred":70,"last_reply":"","limited_by":"nothing"}]})json";

constexpr const char* kAllInDoubt = R"json({"next_due_ms":170500,
  "unrouted":{"deferred":0,"last_reply":""},"sites":[
  {"site":"a","deferred":2,"in_doubt":1,"last_reply":"450 4.2.0 greylisted","limited_by":"nothing"},
  {"site":"b","deferred":0,"in_doubt":9,"last_reply":"4.4.2 connection lost","limited_by":"nothing"}]})json";
constexpr const char* kNoDns = R"json({"next_due_ms":170500,
  "unrouted":{"deferred":7,"last_reply":"451 4.4.3 MX look-up failed"},"sites":[
  {"site":"a","deferred":2,"in_doubt":1,"last_reply":"450 4.2.0 greylisted","limited_by":"nothing"}]})json";

queue::Counts counts(uint64_t queued, uint64_t waiting_retry) {
  queue::Counts out;
  out.queued = queued;
  out.waiting_retry = waiting_retry;
  return out;
}

TEST(Standstill, NamesWhatRests) {
  EXPECT_EQ(standstill(kDailyLimit, counts(9, 0)),
            "relay: daily limit (5 in 24 h, [relay]), next in 23 h");
  EXPECT_EQ(standstill(kTwoRest, counts(10, 10)), "a: paused for 9 min (x); and 1 more");
}

TEST(Standstill, SaysNothingWhileSomethingGoesOn) {
  for (const char* status : {kOneGoesOn, kOneIsOnTheWire, "{}", "not json"}) {
    EXPECT_EQ(standstill(status, counts(9, 9)), "") << status;
  }
  EXPECT_EQ(standstill(R"({"sites":[]})", counts(9, 0)), "");
}

TEST(Standstill, SaysWhyAllThatIsLeftWaitsForARetry) {
  EXPECT_EQ(standstill(kAllDeferred, counts(120, 120)),
            "all 120 left wait for a retry: 4.4.1 connection timed out (next in 3m)");
  EXPECT_EQ(standstill(kAllInDoubt, counts(9, 9)),
            "all 9 left wait for a retry: 4.4.2 connection lost (next in 3m)");
  EXPECT_EQ(standstill(kNoDns, counts(7, 7)),
            "all 7 left wait for a retry: 451 4.4.3 MX look-up failed (next in 3m)");
  EXPECT_EQ(standstill(kAllDeferred, counts(120, 119)), "");
  EXPECT_EQ(standstill(kAllDeferred, counts(0, 0)), "");
  EXPECT_EQ(standstill(R"({"sites":[],"next_due_ms":41000})", counts(1, 1)),
            "all 1 left wait for a retry (next in 50s)");
  EXPECT_EQ(standstill(R"({"sites":[],"next_due_ms":-1})", counts(1, 1)),
            "all 1 left wait for a retry");
}

TEST(Standstill, NamesWhatIsHeld) {
  queue::Counts some = counts(12, 0);
  some.held = 12;
  EXPECT_EQ(standstill(kAllDeferred, some), "12 held: `volley queue release`");
  some.queued = 15;
  EXPECT_EQ(standstill(kAllDeferred, some), "");
  some.waiting_retry = 3;
  EXPECT_EQ(standstill(kAllDeferred, some),
            "12 held: `volley queue release`, the other 3 left wait for a retry: 4.4.1 connection timed out (next in 3m)");
}

TEST(Standstill, TheProgressLineSaysItOnceNothingMoves) {
  ProgressState state;
  state.counts.accepted = 60;
  state.counts.delivered = 50;
  state.counts.queued = 10;
  state.waits_for = "relay: daily limit (50 in 24 h, [relay]), next in 23 h";
  EXPECT_EQ(progress_line(state, 0), state.waits_for + "; sent 50, left 10");
  EXPECT_EQ(progress_line(state, 30).size(), 29u);
  state.rate = 5;
  EXPECT_EQ(progress_line(state, 0).find("daily"), std::string::npos);
}

}  // namespace
}  // namespace volley::cli
