#include "engine/cli/progress.h"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace volley::cli
