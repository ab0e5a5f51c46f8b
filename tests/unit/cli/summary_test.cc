#include "engine/cli/summary.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "engine/cli/exit_code.h"

namespace volley::cli {
namespace {

Summary example() {
  Summary s;
  s.campaign.id = "november";
  s.campaign.state = queue::CampaignState::kFinished;
  s.campaign.import_closed = true;
  s.campaign.rejects_path = "rejects.csv";
  s.counts.accepted = 10;
  s.counts.delivered = 8;
  s.counts.bounced = 2;
  s.read = 12;
  s.invalid = 1;
  s.duplicate = 1;
  s.elapsed = std::chrono::milliseconds(2500);
  return s;
}

TEST(Summary, JsonHasTheContractsFieldsInOrder) {
  EXPECT_EQ(example().json(),
            R"({"id":"november","state":"finished","reason":"","read":12,"accepted":10,"invalid":1,"duplicate":1,)"
            R"("suppressed":0,"delivered":8,"bounced":2,"expired":0,"cancelled":0,"queued":0,"seconds":2.5,)"
            R"("rejects":"rejects.csv"})");
}

TEST(Summary, FinishedMeansEverybodyIsFinal) {
  Summary s = example();
  EXPECT_TRUE(s.finished());
  s.counts.queued = 1;
  EXPECT_FALSE(s.finished());
  s = example();
  s.campaign.state = queue::CampaignState::kPaused;
  EXPECT_FALSE(s.finished());
  s = example();
  s.campaign.import_closed = false;
  EXPECT_FALSE(s.finished());
}

TEST(Summary, CancelledIsFinalOnceNothingIsInFlight) {
  Summary s = example();
  s.campaign.state = queue::CampaignState::kCancelled;
  s.campaign.import_closed = false;
  EXPECT_TRUE(s.finished()) << "the rest of the list is never imported";
  EXPECT_EQ(s.text().find("in flight"), std::string::npos);
  s.counts.queued = 1;
  EXPECT_FALSE(s.finished());
  EXPECT_NE(s.text().find("  queued                 1   in flight: their engine tells"),
            std::string::npos)
      << s.text();
}

TEST(Summary, TheRateIsThisRunsOwn) {
  Summary s = example();
  EXPECT_NE(s.text().find("  delivered              8   3.2/s\n"), std::string::npos) << s.text();
  s.delivered_before = 3;
  EXPECT_NE(s.text().find("  delivered              8   2.0/s\n"), std::string::npos) << s.text();
}

TEST(Summary, TextNamesWhatIsHeld) {
  Summary s = example();
  s.counts.queued = 5;
  s.counts.held = 3;
  s.counts.waiting_retry = 2;
  EXPECT_NE(s.text().find("2 wait for a retry, 3 held: `volley queue release --campaign november`"), std::string::npos) << s.text();
}

TEST(Summary, TextNamesTheReason) {
  Summary s = example();
  s.campaign.state = queue::CampaignState::kPaused;
  s.campaign.reason = "port 25 blocked";
  EXPECT_NE(s.text().find("paused (port 25 blocked)"), std::string::npos);
}

TEST(ExitCode, FollowsSysexits) {
  EXPECT_EQ(exit_code(Errc::kUsage), 64);
  EXPECT_EQ(exit_code(Errc::kData), 65);
  EXPECT_EQ(exit_code(Errc::kNoInput), 66);
  EXPECT_EQ(exit_code(Errc::kUnavailable), 69);
  EXPECT_EQ(exit_code(Errc::kCantCreate), 73);
  EXPECT_EQ(exit_code(Errc::kIo), 74);
  EXPECT_EQ(exit_code(Errc::kTempFail), 75);
  EXPECT_EQ(exit_code(Errc::kNoPermission), 77);
  EXPECT_EQ(exit_code(Errc::kConfig), 78);
}

}  // namespace
}  // namespace volley::cli
