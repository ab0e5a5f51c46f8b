#include "engine/cli/send_preview.h"

#include <gtest/gtest.h>

namespace volley::cli {
namespace {

intake::ListFacts example() {
  intake::ListFacts facts;
  facts.rows = 5003;
  facts.invalid = 2;
  facts.duplicate = 1;
  facts.suppressed = 3;
  facts.domains = 20;
  return facts;
}

TEST(SendPreview, ADryRunCountsAsTheImportWill) {
  EXPECT_EQ(
      dry_run_json(example()),
      R"({"read":5003,"accepted":5000,"invalid":2,"duplicate":1,"suppressed":3,"domains":20})");
  EXPECT_EQ(dry_run_text(example()),
            "5,003 rows read, 5,000 accepted (3 of them suppressed), 2 invalid, 1 duplicate, 20 "
            "domains; every message was "
            "rendered; nothing was queued\n");
}

TEST(SendPreview, ThePromptSaysWhoGetsNothing) {
  EXPECT_EQ(recipients_text(example(), "unsigned", "rejects.csv"),
            "5,000 recipients in 20 domains, unsigned\n"
            "3 of them are suppressed and get nothing\n"
            "Left out: 2 invalid rows, 1 duplicate, listed in rejects.csv\n");
  EXPECT_EQ(recipients_text(example(), "unsigned", "").find("listed"), std::string::npos);
}

TEST(SendPreview, ACleanListTakesOneLine) {
  intake::ListFacts facts;
  facts.rows = facts.domains = 1;
  EXPECT_EQ(recipients_text(facts, "unsigned", "rejects.csv"),
            "1 recipient in 1 domain, unsigned\n");
}

TEST(SendPreview, ACampaignThatGoesOnSaysWhatIsLeft) {
  queue::Campaign campaign;
  campaign.id = "november";
  campaign.state = queue::CampaignState::kPaused;
  campaign.reason = "interrupted";
  campaign.import_closed = true;
  queue::Counts counts;
  counts.accepted = 5000;
  counts.queued = 4890;
  EXPECT_EQ(rest_text(campaign, counts, "unsigned"),
            "Campaign november was started before and is paused (interrupted)\n"
            "4,890 of 5,000 recipients left, unsigned\n");
  campaign.state = queue::CampaignState::kImporting;
  campaign.import_closed = false;
  EXPECT_EQ(rest_text(campaign, counts, "unsigned"),
            "Campaign november was started before; its import goes on where it stopped\n"
            "4,890 of 5,000 recipients left, unsigned\n");
}

TEST(SendPreview, AMessageIsShownInWholeLines) {
  EXPECT_EQ(message_text("To: a\r\n\r\nhello\r\n", 100), "To: a\n\nhello\n");
  EXPECT_EQ(message_text("To: a\r\n\r\nhello\r\nbye", 10),
            "To: a\n\n... and 10 bytes more; `volley render` shows all of it\n");
}

TEST(SendPreview, AMessageCannotDriveTheTerminal) {
  EXPECT_EQ(message_text("a\x1b[2Jb\xff\r\n", 100), "a?[2Jb?\n");
}

}  // namespace
}  // namespace volley::cli
