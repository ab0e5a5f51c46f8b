#include "queue/record.h"

#include <gtest/gtest.h>

#include "queue/campaign.h"

namespace volley::queue {
namespace {

using enum CampaignState;

Campaign closed(CampaignState state) {
  Campaign c;
  c.id = "c";
  c.state = state;
  c.import_closed = true;
  return c;
}

TEST(CampaignRecord, JsonRoundTrip) {
  Campaign c;
  c.id = "november";
  c.name = "November \"news\" é";
  c.lane = Lane::kTransactional;
  c.state = kPaused;
  c.reason = "lunch";
  c.revision = 7;
  c.import_epoch = 3;
  c.import_closed = true;
  c.columns = {"first_name", "city"};
  c.read = uint64_t{1} << 60;
  c.weight = 300;
  c.rate = 12.5;
  c.retry.first_delay_ms = 1;
  c.from_domain = "example.com";
  c.sign = false;
  c.rejects_path = "rejects\xff.csv";  // a path need not be UTF-8
  auto back = Campaign::from_json(c.to_json());
  ASSERT_TRUE(back.ok()) << back.error().message;
  c.rejects_path = back->rejects_path;
  EXPECT_EQ(back->to_json(), c.to_json());
  EXPECT_EQ(back->name, c.name);
  EXPECT_EQ(back->lane, Lane::kTransactional);
  EXPECT_EQ(back->state, kPaused);
  EXPECT_EQ(back->columns, c.columns);
  EXPECT_EQ(back->read, c.read);
  EXPECT_EQ(back->rate, 12.5);
  EXPECT_FALSE(back->sign);
}

TEST(CampaignRecord, OneWhoseRecipientsWereDroppedIsNotReopened) {
  Campaign c = closed(kFinished);
  ASSERT_TRUE(*begin_blot(c));
  EXPECT_FALSE(*begin_blot(c));
  EXPECT_FALSE(reopen(c).ok());
  ASSERT_TRUE(*end_blot(c, 7));
  EXPECT_FALSE(*end_blot(c, 8));
  EXPECT_EQ(c.blotted_ms, 7);
  EXPECT_FALSE(*begin_blot(c));
  EXPECT_FALSE(reopen(c).ok());
  auto back = Campaign::from_json(c.to_json());
  EXPECT_FALSE(back->knows_recipients());
  c = closed(kRunning);
  EXPECT_FALSE(begin_blot(c).ok());
  EXPECT_FALSE(begin_purge(c).ok());
}

TEST(CampaignRecord, BadJson) {
  for (const char* text : {"", "[]", "{", "{}", R"({"id":"x"})", R"({"id":"x","state":"asleep"})",
                           R"({"id":"x","state":"running","weight":"heavy"})",
                           R"({"id":7,"state":"running"})", R"({"state":"running"})"}) {
    auto c = Campaign::from_json(text);
    ASSERT_FALSE(c.ok()) << text;
    EXPECT_EQ(c.error().code, Errc::kData);
  }
  EXPECT_TRUE(Campaign::from_json(R"({"id":"x","state":"running","from_the_future":1})").ok());
}

TEST(CampaignRecord, Ids) {
  for (const char* id : {"a", "November-2026_v1.2", "0"})
    EXPECT_TRUE(check_campaign_id(id).ok()) << id;
  for (const char* id : {"", "_messages", ".x", "a b", "a:b", "a|b", "é", "a/b"})
    EXPECT_FALSE(check_campaign_id(id).ok()) << id;
  EXPECT_FALSE(check_campaign_id(std::string(65, 'a')).ok());
}

TEST(CampaignRecord, Edges) {
  const CampaignState all[] = {kImporting, kRunning, kPaused, kCancelled, kFinished};
  // from -> to, for a campaign whose list is complete.
  const bool legal[5][5] = {{true, true, true, true, false},
                            {false, true, true, true, true},
                            {true, true, true, true, false},
                            {false, false, false, true, false},
                            {false, false, false, false, true}};
  for (size_t from = 0; from < 5; ++from) {
    for (size_t to = 0; to < 5; ++to) {
      Campaign c = closed(all[from]);
      auto changed = change_state(c, all[to], "why", 5);
      EXPECT_EQ(changed.ok(), legal[from][to])
          << to_string(all[from]) << " -> " << to_string(all[to]);
      if (!changed) {
        EXPECT_EQ(changed.error().code, Errc::kData);
        EXPECT_NE(changed.error().message.find(to_string(all[from])), std::string::npos);
        continue;
      }
      EXPECT_EQ(*changed, from != to);
      EXPECT_EQ(c.state, all[to]);
    }
  }
}

TEST(CampaignRecord, ResumingAnOpenListResumesTheImport) {
  Campaign c = closed(kPaused);
  c.import_closed = false;
  ASSERT_TRUE(change_state(c, kRunning, "", 5).ok());
  EXPECT_EQ(c.state, kImporting);
  EXPECT_FALSE(may_send(c));
  c.stream = true;
  EXPECT_TRUE(may_send(c));
  EXPECT_EQ(partition_state(c), "running");
}

TEST(CampaignRecord, ClosingTheList) {
  Campaign c = closed(kImporting);
  c.import_closed = false;
  c.import_epoch = 2;
  EXPECT_FALSE(close_list(c, 1, 5).ok());
  ASSERT_TRUE(*close_list(c, 2, 5));
  EXPECT_EQ(c.state, kRunning);
  EXPECT_EQ(c.started_ms, 5);
  EXPECT_FALSE(*close_list(c, 2, 9));

  Campaign held = closed(kImporting);
  held.import_closed = false;
  held.hold = true;
  ASSERT_TRUE(*close_list(held, 0, 5));
  EXPECT_EQ(held.state, kPaused);

  Campaign paused = closed(kPaused);
  paused.import_closed = false;
  ASSERT_TRUE(*close_list(paused, 0, 5));
  EXPECT_EQ(paused.state, kPaused);
  EXPECT_TRUE(paused.import_closed);

  Campaign cancelled = closed(kCancelled);
  cancelled.import_closed = false;
  EXPECT_FALSE(close_list(cancelled, 0, 5).ok());
}

}  // namespace
}  // namespace volley::queue
