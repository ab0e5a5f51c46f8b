#include "engine/cli/progress.h"

#include <gtest/gtest.h>

#include <vector>

namespace volley::cli {
namespace {

ProgressState half_way() {
  ProgressState state;
  state.counts.accepted = 2000;
  state.counts.delivered = 900;
  state.counts.bounced = 100;
  state.counts.queued = 1000;
  state.counts.waiting_retry = 200;
  state.rate = 400;
  return state;
}

TEST(ProgressLine, SaysWhatIsAsked) {
  EXPECT_EQ(progress_line(half_way(), 0), "sent 900, deferred 200, bounced 100, left 1,000, 400/s, ETA 2.0s");
}

TEST(ProgressLine, DrawsABarThatFitsTheTerminal) {
  const std::string line = progress_line(half_way(), 60);
  EXPECT_EQ(line.substr(0, 28), "[##########..........]  50% ");
  EXPECT_LT(line.size(), 60u);
}

TEST(ProgressLine, HasNoEtaWithoutARate) {
  ProgressState state = half_way();
  state.rate = 0;
  EXPECT_EQ(progress_line(state, 0).find("ETA"), std::string::npos);
}

TEST(ProgressLine, WaitingRetriesAreNotPartOfTheEta) {
  ProgressState state = half_way();
  state.counts.waiting_retry = state.counts.queued;
  EXPECT_EQ(progress_line(state, 0).find("ETA"), std::string::npos);
}

TEST(ProgressLine, ShowsTheImport) {
  ProgressState state;
  state.importing = true;
  state.imported = 0.25;
  state.counts.accepted = state.counts.queued = 5000;
  const std::string line = progress_line(state, 100);
  EXPECT_NE(line.find(" 25% importing 5,000"), std::string::npos) << line;
}

TEST(ProgressLine, APlainLineSaysHowMuchOfTheListIsRead) {
  ProgressState state;
  state.importing = true;
  state.imported = 0.25;
  state.counts.accepted = state.counts.queued = 5000;
  EXPECT_EQ(progress_line(state, 0), "importing 5,000 (25%), sent 0, deferred 0, bounced 0, left 5,000");
}

class PlainLinesTest : public ::testing::Test {
 protected:
  // Something new to say at every look.
  ProgressState news() {
    ++state_.counts.delivered;
    return state_;
  }
  bool prints(const ProgressState& state, int second) {
    return lines_.next(state, start_ + std::chrono::seconds(second)).has_value();
  }
  const TimePoint start_{std::chrono::hours(1)};
  ProgressState state_;
  PlainLines lines_;
};

TEST_F(PlainLinesTest, OftenAtFirstThenLess) {
  std::vector<int> printed;
  for (int second = 0; second <= 90; ++second) {
    if (prints(news(), second)) printed.push_back(second);
  }
  EXPECT_EQ(printed, (std::vector<int>{0, 5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55, 65, 75, 85}));
}

TEST_F(PlainLinesTest, SendingBeginsWithALine) {
  state_.importing = true;
  EXPECT_TRUE(prints(news(), 0));
  EXPECT_FALSE(prints(news(), 1));
  state_.importing = false;
  EXPECT_TRUE(prints(news(), 2));
  EXPECT_FALSE(prints(news(), 3));
  EXPECT_TRUE(prints(news(), 7));
}

TEST_F(PlainLinesTest, NothingNewIsNotSaidTwice) {
  EXPECT_TRUE(prints(state_, 0));
  EXPECT_FALSE(prints(state_, 5));
  EXPECT_FALSE(prints(state_, 30));
  EXPECT_TRUE(prints(news(), 31)) << "news after silence does not wait";
  EXPECT_FALSE(lines_.last(state_));
  const ProgressState end = news();
  EXPECT_EQ(lines_.last(end), progress_line(end, 0));
}

}  // namespace
}  // namespace volley::cli
