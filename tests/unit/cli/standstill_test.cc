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

TEST(Standstill, NamesWhatRests) {
  EXPECT_EQ(standstill(kDailyLimit), "relay: daily limit (5 in 24 h, [relay]), next in 23 h");
  EXPECT_EQ(standstill(kTwoRest), "a: paused for 9 min (x); and 1 more");
}

TEST(Standstill, SaysNothingWhileSomethingGoesOn) {
  for (const char* status : {kOneGoesOn, kOneIsOnTheWire, R"({"sites":[]})", "{}", "not json"}) {
    EXPECT_EQ(standstill(status), "") << status;
  }
}

TEST(Standstill, TheProgressLineSaysItOnceNothingMoves) {
    ProgressState state;
    state.counts.accepted = 60;
    state.counts.delivered = 50;
    state.counts.queued = 10;
    state.waits_for = "relay: daily limit (50 in 24 h, [relay]), next in 23 h";
    EXPECT_EQ(progress_line(state, 0), state.waits_for + ": sent 50, left 10");
    EXPECT_EQ(progress_line(state, 30).size(), 29u);
    state.rate = 5;
    EXPECT_EQ(progress_line(state, 0).find("daily"), std::string::npos);
  }

  }  // namespace
  }  // namespace volley::cli
