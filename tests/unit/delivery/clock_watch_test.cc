#include "engine/delivery/clock_watch.h"

#include <gtest/gtest.h>

namespace volley::delivery {
namespace {

constexpr int64_t kNow = 1'800'000'000'000;
constexpr int64_t kMinute = 60'000;
constexpr int64_t kHour = 60 * kMinute;

bool has(const std::vector<ClockWatch::Word>& words, bool error, const std::string& part) {
  return words.size() == 1 && words[0].error == error &&
         words[0].text.find(part) != std::string::npos;
}

TEST(ClockWatch, SaysNothingOfClocksThatAgree) {
  ClockWatch watch;
  EXPECT_TRUE(watch.look(0, 0, kNow).empty());  // not known yet
  EXPECT_FALSE(watch.wrong());
  EXPECT_TRUE(watch.look(kNow, 0, kNow + 9 * kMinute).empty());
  EXPECT_TRUE(watch.look(kNow, 0, kNow - 9 * kMinute).empty());
  EXPECT_FALSE(watch.wrong());
}

// The queue's host alone went back by an hour: what is followed is still right.
TEST(ClockWatch, AnHourBack) {
  ClockWatch watch;
  EXPECT_TRUE(has(watch.look(kNow, -kHour, kNow), true, "leapt by -3600 s"));
  EXPECT_TRUE(watch.look(kNow + 1000, -kHour, kNow + 1000).empty());  // once
  EXPECT_FALSE(watch.wrong());
  EXPECT_TRUE(has(watch.look(kNow, 0, kNow), false, "right again"));
}

// One host has both clocks, and its clock went back: nobody here can tell which time is the right one.
TEST(ClockWatch, AnHourBackOfBoth) {
  ClockWatch watch;
  const auto words = watch.look(kNow, -kHour, kNow - kHour);
  ASSERT_EQ(words.size(), 2u);
  EXPECT_NE(words[0].text.find("that much later"), std::string::npos);
  EXPECT_NE(words[1].text.find("3600 s ahead"), std::string::npos);
  EXPECT_TRUE(watch.wrong());
  EXPECT_EQ(watch.look(kNow, 0, kNow).size(), 2u);
  EXPECT_FALSE(watch.wrong());
}

TEST(ClockWatch, ClocksThatDriftApartDoNotFlutter) {
  ClockWatch watch;
  EXPECT_TRUE(watch.look(kNow + 600'000, 0, kNow).empty());
  EXPECT_TRUE(has(watch.look(kNow + 600'001, 0, kNow), true, "600 s ahead"));
  for (const int64_t apart : {600'000, 600'001, 599'999, 300'001}) {
    EXPECT_TRUE(watch.look(kNow + apart, 0, kNow).empty()) << apart;
    EXPECT_TRUE(watch.wrong());
  }
  EXPECT_TRUE(has(watch.look(kNow + 300'000, 0, kNow), false, "agree again"));
  EXPECT_TRUE(has(watch.look(kNow - 600'001, 0, kNow), true, "600 s behind"));
}

}  // namespace
}  // namespace volley::delivery
