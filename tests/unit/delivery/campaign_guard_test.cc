// A campaign's own brakes: alone, and on a path.
#include "engine/delivery/campaign_guard.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "tests/unit/delivery/sites_fixture.h"

namespace volley::delivery {
namespace {

queue::Campaign stopping(double share, uint64_t after) {
  queue::Campaign record;
  record.id = "c";
  record.stop_bounced = share;
  record.stop_after = after;
  return record;
}

TEST(CampaignGuard, WithoutABrakeNothingIsCounted) {
  CampaignGuard guard;
  for (int i = 0; i < 5000; ++i) ASSERT_FALSE(guard.counted(true));
  EXPECT_FALSE(guard.canary());
}

TEST(CampaignGuard, StopsOverTheShareAndNotBeforeEnoughIsKnown) {
  CampaignGuard guard;
  guard.set(stopping(0.05, 100));
  for (int i = 0; i < 99; ++i) ASSERT_FALSE(guard.counted(true)) << i;
  EXPECT_TRUE(guard.counted(true));
  guard.start_over();
  for (int i = 0; i < 95; ++i) ASSERT_FALSE(guard.counted(false));
  for (int i = 0; i < 5; ++i) ASSERT_FALSE(guard.counted(true)) << "5 of 100 is not more than 5 %";
  EXPECT_TRUE(guard.counted(true));
  EXPECT_FALSE(guard.counted(false)) << "one that arrives is no reason";
}

TEST(CampaignGuard, ACanaryIsNoLargerThanItWasGranted) {
  CampaignGuard guard;
  queue::Campaign record = stopping(0, 0);
  record.canary = 1000;
  guard.set(record);
  EXPECT_TRUE(guard.canary());
  EXPECT_FALSE(guard.take());
  guard.granted(1000);
  std::atomic<int> taken{0};
  std::vector<std::thread> loops;
  for (int i = 0; i < 4; ++i) {
    loops.emplace_back([&] {
      while (guard.take()) ++taken;
    });
  }
  for (auto& loop : loops) loop.join();
  EXPECT_EQ(taken, 1000);
  guard.give_back();
  EXPECT_TRUE(guard.take());
  EXPECT_FALSE(guard.take());
  record.canary_approved = true;
  guard.set(record);
  EXPECT_FALSE(guard.canary());
}

TEST(ControlTable, EnginesShareACampaignsRateEqually) {
  ControlTable table;
  queue::Campaign record;
  record.id = "c";
  record.revision = 1;
  record.rate = 90;
  const TimePoint start{std::chrono::hours(1)};
  table.update(record, start);
  const auto control = table.find("c");
  table.set_engines(3, start);
  EXPECT_NEAR(control->pace.rate(), 30, 1e-4);
  record.revision = 2;
  record.rate = 60;
  table.update(record, start);
  EXPECT_NEAR(control->pace.rate(), 20, 1e-4);
  table.set_engines(0, start);  // not known
  EXPECT_NEAR(control->pace.rate(), 20, 1e-4);
  table.set_engines(1, start);
  EXPECT_NEAR(control->pace.rate(), 60, 1e-4);
}

class GuardedTest : public SiteTableTest {
 protected:
  void accept(const std::string& campaign, size_t recipients,
              queue::Lane lane = queue::Lane::kBulk) {
    context = make_context(campaign);
    if (canary) {
      queue::Campaign record = context->record;
      record.canary = 1;
      context->control->guard.set(record);
    }
    table->accept(make_work(path, recipients, lane));
  }
  size_t delivered(const std::string& campaign) const {
    size_t n = 0;
    for (const Record& r : desk.records)
      n += r.campaign == campaign && r.verdict == Verdict::kDelivered;
    return n;
  }
  std::string limited_by() const {
    const auto sites = table->snapshot();
    return sites.size() == 1 ? sites[0].limited_by : "not one site";
  }
  void start() {
    start_peer();
    settings.idle_connection = std::chrono::seconds(60);
    start_table();
    path = path_to(peer->port(), 1);
  }
  bool canary = false;
  std::shared_ptr<Path> path;
};

TEST_F(GuardedTest, ACanaryHoldsItsCampaignAndNoOther) {
  start();
  canary = true;
  accept("watched", 50);
  const auto control = context->control;
  control->guard.granted(7);
  canary = false;
  accept("free", 30);
  ASSERT_TRUE(
      run_until(loop, [&] { return delivered("free") == 30 && delivered("watched") == 7; }));
  ASSERT_TRUE(run_until(loop, [&] { return limited_by() == "canary of the campaign"; }));
  EXPECT_EQ(delivered("watched"), 7u);
  control->guard.granted(3);
  ASSERT_TRUE(run_until(loop, [&] { return delivered("watched") == 10; }));
  queue::Campaign approved;
  approved.canary = 1;
  approved.canary_approved = true;
  control->guard.set(approved);
  ASSERT_TRUE(run_until(loop, [&] { return delivered("watched") == 50; }));
  EXPECT_TRUE(nobody_twice());
}

TEST_F(GuardedTest, TheRateOfAllHoldsNewslettersAndNotWhatPeopleWaitFor) {
  start();
  commons->pace.set_rate(0.001, loop.now());
  accept("news", 50);
  ASSERT_TRUE(run_until(loop, [&] { return delivered("news") == 1; }));
  ASSERT_TRUE(
      run_until(loop, [&] { return limited_by() == "rate (0.06/min, all campaigns together)"; }));
  accept("reset", 20, queue::Lane::kTransactional);
  ASSERT_TRUE(run_until(loop, [&] { return delivered("reset") == 20; }));
  EXPECT_EQ(delivered("news"), 1u);
  commons->pace.set_rate(0, loop.now());
  ASSERT_TRUE(run_until(loop, [&] { return delivered("news") == 50; }));
  EXPECT_TRUE(nobody_twice());
}

}  // namespace
}  // namespace volley::delivery
