// A campaign's pace: alone in invented time, and on a path it shares with others.
#include "engine/delivery/campaign_pace.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <map>
#include <thread>
#include <utility>

#include "tests/unit/delivery/sites_fixture.h"

namespace volley::delivery {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

const TimePoint kStart{hours(1)};

size_t take_all(CampaignPace& pace, TimePoint now) {
  size_t taken = 0;
  while (pace.take(now) <= now) ++taken;
  return taken;
}

TEST(CampaignPace, NoRateNoLimit) {
  CampaignPace pace;
  EXPECT_FALSE(pace.limited());
  for (int i = 0; i < 10'000; ++i) ASSERT_EQ(pace.take(kStart), kStart);
  pace.set_rate(5, kStart);
  EXPECT_TRUE(pace.limited());
  EXPECT_EQ(take_all(pace, kStart), 1u);
  pace.set_rate(0, kStart);
  for (int i = 0; i < 10'000; ++i) ASSERT_EQ(pace.take(kStart), kStart);
}

TEST(CampaignPace, LoopsThatAskAllTheTimeGetExactlyTheRate) {
  for (const double rate : {0.5, 1.0, 3.0, 10.0, 30.0, 100.0, 999.0}) {
    CampaignPace pace;
    pace.set_rate(rate, kStart);
    EXPECT_NEAR(pace.rate(), rate, rate * 1e-6);
    std::array<size_t, 4> taken{};
    for (int ms = 0; ms < 20'000; ++ms) {
      const TimePoint now = kStart + milliseconds(ms);
      for (size_t loop = 0; loop < taken.size(); ++loop) {
        while (pace.take(now) <= now) ++taken[loop];
      }
    }
    const double burst = std::max(1.0, std::floor(rate / 10));
    const size_t all = taken[0] + taken[1] + taken[2] + taken[3];
    EXPECT_LE(static_cast<double>(all), burst + rate * 20) << rate;
    EXPECT_GE(static_cast<double>(all), burst + rate * 20 - 2) << rate;
  }
}

TEST(CampaignPace, ABurstIsATenthOfASecondHoweverLongItRested) {
  CampaignPace pace;
  pace.set_rate(100, kStart);
  EXPECT_EQ(take_all(pace, kStart), 10u);
  EXPECT_EQ(take_all(pace, kStart + milliseconds(9)), 0u);
  EXPECT_EQ(take_all(pace, kStart + milliseconds(10)), 1u);
  EXPECT_EQ(take_all(pace, kStart + hours(5)), 10u);
}

TEST(CampaignPace, WhatIsGivenBackWasNeverTaken) {
  CampaignPace pace;
  pace.set_rate(10, kStart);
  for (int i = 0; i < 50; ++i) {
    ASSERT_EQ(pace.take(kStart), kStart);
    pace.give_back();
  }
  EXPECT_EQ(take_all(pace, kStart), 1u);
  EXPECT_EQ(take_all(pace, kStart + milliseconds(99)), 0u);
  EXPECT_EQ(take_all(pace, kStart + milliseconds(100)), 1u);
}

TEST(CampaignPace, AChangedRateHoldsAtOnceAndGivesNothingAway) {
  CampaignPace pace;
  pace.set_rate(0.001, kStart);
  EXPECT_EQ(take_all(pace, kStart), 1u);
  pace.set_rate(100, kStart + seconds(1));
  EXPECT_EQ(take_all(pace, kStart + seconds(1)), 0u);
  EXPECT_EQ(take_all(pace, kStart + milliseconds(1050)), 5u);
  EXPECT_EQ(take_all(pace, kStart + seconds(2)), 10u);
  pace.set_rate(1, kStart + seconds(2));
  EXPECT_EQ(take_all(pace, kStart + seconds(2)), 0u);
  EXPECT_EQ(take_all(pace, kStart + milliseconds(2999)), 0u);
  EXPECT_EQ(take_all(pace, kStart + seconds(3)), 1u);
  pace.set_rate(1, kStart + seconds(3));  // no change, no new message
  EXPECT_EQ(take_all(pace, kStart + milliseconds(3999)), 0u);
}

// Each comes only when it was told to; together they lose nothing to speak of, and do not all come at once.
TEST(CampaignPace, ManyWaitWithoutCrowding) {
  constexpr int kAskers = 200;
  CampaignPace pace;
  pace.set_rate(50, kStart);
  std::multimap<TimePoint, int> asks;
  for (int i = 0; i < kAskers; ++i) asks.emplace(kStart, i);
  size_t taken = 0, asked = 0;
  std::vector<size_t> by_asker(kAskers);
  const TimePoint end = kStart + seconds(60);
  while (asks.begin()->first < end) {
    const TimePoint now = asks.begin()->first;
    const int who = asks.begin()->second;
    asks.erase(asks.begin());
    ++asked;
    const TimePoint when = pace.take(now);
    ASSERT_LE(when, now + seconds(1));
    if (when <= now) {
      ++taken;
      ++by_asker[static_cast<size_t>(who)];
    }
    asks.emplace(when, who);
  }
  EXPECT_LE(taken, 5u + 50 * 60);
  EXPECT_GE(taken, 50u * 59);
  // Each waits half a second on average; one that has been let through asks once more.
  EXPECT_LE(asked, 60u * (2 * kAskers + 2 * 50));
}

TEST(CampaignPace, ThreadsShareOneBurst) {
  CampaignPace pace;
  pace.set_rate(10'000, kStart);
  std::atomic<size_t> taken{0};
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 6000; ++n) {
        if (pace.take(kStart) <= kStart) ++taken;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(taken, 1000u);
}

TEST(CampaignPace, TheControlTableKnowsTheRate) {
  ControlTable table;
  queue::Campaign record;
  record.id = "november";
  record.revision = 3;
  record.rate = 7;
  table.update(record, kStart);
  const auto control = table.find("november");
  EXPECT_NEAR(control->pace.rate(), 7, 1e-6);
  record.revision = 2;
  record.rate = 9;
  table.update(record, kStart);
  EXPECT_NEAR(control->pace.rate(), 7, 1e-6);
  record.revision = 4;
  record.rate = 0;
  table.update(record, kStart);
  EXPECT_FALSE(control->pace.limited());
}

TEST(ControlTable, OneLoopSaysWhyACampaignIsPaused) {
  ControlTable table;
  queue::Campaign record;
  record.id = "november";
  record.revision = 1;
  table.update(record, kStart);
  EXPECT_TRUE(table.first_to_say("november", "535 no", kStart));
  EXPECT_FALSE(table.first_to_say("november", "535 no", kStart + std::chrono::seconds(2)));
  EXPECT_TRUE(table.first_to_say("december", "535 no", kStart));
  EXPECT_TRUE(table.first_to_say("november", "another reason", kStart));
  EXPECT_FALSE(table.first_to_say("november", "another reason", kStart));
  EXPECT_TRUE(table.first_to_say("november", "another reason", kStart + std::chrono::hours(1)));
  // Resumed, and refused again: that is news.
  record.state = queue::CampaignState::kPaused;
  record.revision = 2;
  table.update(record, kStart);
  record.state = queue::CampaignState::kRunning;
  record.revision = 3;
  table.update(record, kStart);
  EXPECT_TRUE(table.first_to_say("november", "another reason", kStart + std::chrono::hours(1)));
}

class PacedTest : public SiteTableTest {
 protected:
  // The next works are of this campaign.
  void use(const std::string& id, double rate = 0) {
    context = make_context(id);
    context->control->pace.set_rate(rate, loop.now());
  }
  // Works of the campaign in use, of so many recipients each.
  void accept(const std::shared_ptr<Path>& path, size_t works, size_t recipients,
              queue::Lane lane = queue::Lane::kBulk) {
    for (size_t i = 0; i < works; ++i) table->accept(make_work(path, recipients, lane));
  }
  size_t delivered(const std::string& campaign) const {
    size_t n = 0;
    for (const Record& r : desk.records) {
      n += r.campaign == campaign && r.verdict == Verdict::kDelivered;
    }
    return n;
  }
  bool wait_for(const std::string& campaign, size_t messages) {
    return run_until(loop, [&] { return delivered(campaign) >= messages; });
  }
  std::string limited_by() const {
    const auto sites = table->snapshot();
    return sites.size() == 1 ? sites[0].limited_by : "not one site";
  }
};

TEST_F(PacedTest, OthersOnThePathAreNotHeldUpAndANewRateIsSeen) {
  start_peer();
  settings.idle_connection = seconds(60);
  start_table();
  const auto path = path_to(peer->port(), 1);
  use("paced", 0.001);
  const auto control = context->control;
  accept(path, 10, 250);
  ASSERT_TRUE(wait_for("paced", 1));
  ASSERT_TRUE(run_until(loop, [&] { return limited_by() == "campaign rate (0.06/min)"; }));
  EXPECT_TRUE(table->wants_more(*path));
  // What is held rests here, however short the patience with what gets nowhere.
  const Duration patience = std::exchange(settings.idle_return, milliseconds(1));
  bool over = false;
  net::Timer some_ticks(loop, [&] { over = true; });
  some_ticks.set_after(milliseconds(100));
  ASSERT_TRUE(run_until(loop, [&] { return over; }));
  settings.idle_return = patience;
  EXPECT_TRUE(desk.back.empty());
  use("free");
  accept(path, 3, 50);
  use("urgent");
  accept(path, 1, 5, queue::Lane::kTransactional);
  ASSERT_TRUE(wait_for_works(4));
  EXPECT_EQ(delivered("free"), 150u);
  EXPECT_EQ(delivered("urgent"), 5u);
  EXPECT_EQ(delivered("paced"), 1u);
  EXPECT_EQ(peer->mails.size(), 156u);
  control->pace.set_rate(0, loop.now());
  ASSERT_TRUE(wait_for_works(14));
  EXPECT_EQ(delivered("paced"), 2500u);
  EXPECT_TRUE(nobody_twice());
  for (const auto& work : desk.back) EXPECT_EQ(work->rest_ms, 0);
}

TEST_F(PacedTest, SignedOnesDoNotKeepOthersFromBeingSigned) {
  start_peer();
  sign_with_a_key();
  const std::vector<const message::DkimSigner*> signers = context->signers;
  start_table();
  const auto path = path_to(peer->port(), 1);
  use("paced", 0.001);
  const auto control = context->control;
  context->signers = signers;
  accept(path, 10, 20);
  ASSERT_TRUE(wait_for("paced", 1));
  use("free");
  context->signers = signers;
  accept(path, 2, 100);
  ASSERT_TRUE(wait_for_works(2));
  EXPECT_EQ(delivered("free"), 200u);
  EXPECT_EQ(delivered("paced"), 1u);
  control->pace.set_rate(2000, loop.now());
  ASSERT_TRUE(wait_for_works(12));
  EXPECT_EQ(delivered("paced"), 200u);
  EXPECT_TRUE(nobody_twice());
}

TEST_F(PacedTest, NeverFasterThanItsPaceOnSeveralPaths) {
  constexpr double kRate = 40;
  start_peer();
  start_table();
  use("paced", kRate);
  const TimePoint start = loop.now();
  std::vector<TimePoint> times;
  peer->on_mail = [&] { times.push_back(loop.now()); };
  for (int i = 0; i < 3; ++i) {
    auto path = path_to(peer->port(), 3);
    path->key = "path " + std::to_string(i);
    accept(path, 4, 3);
  }
  ASSERT_TRUE(wait_for_works(12));
  ASSERT_EQ(times.size(), 36u);
  for (size_t k = 0; k < times.size(); ++k) {
    const double after = std::chrono::duration<double>(times[k] - start).count();
    EXPECT_LE(static_cast<double>(k + 1), 4 + kRate * after) << k;
  }
}

TEST_F(PacedTest, RetriesCountAndWhatIsNotSubmittedDoesNot) {
  PeerScript script;
  script.die_at = 2;  // the second one is tried once more
  start_peer(std::move(script));
  start_table();
  use("paced", 20);
  const TimePoint start = loop.now();
  const std::string key = "the key";
  const Hash128 hash = KeyedHash(key)("user2@example.net");
  std::string packed;
  for (const uint64_t half : {hash.high, hash.low}) {
    for (int shift = 56; shift >= 0; shift -= 8) packed += static_cast<char>(half >> shift & 0xff);
  }
  context->suppressed = *SuppressionSet::unpack(packed, key);
  const auto control = context->control;
  accept(path_to(peer->port(), 1), 1, 4);
  ASSERT_TRUE(wait_for_works(1));
  EXPECT_EQ(desk.count(Verdict::kSuppressed), 1u);
  const auto tries = static_cast<double>(peer->ends);
  EXPECT_GE(tries, 3);
  // A burst of two, so the others waited for their turns.
  const double took = std::chrono::duration<double>(loop.now() - start).count();
  EXPECT_LE(tries, 2 + 20 * took);
}

TEST_F(PacedTest, WhatIsHeldGoesBackWhenTheCampaignStops) {
  start_peer();
  start_table();
  use("paced", 0.001);
  const auto control = context->control;
  accept(path_to(peer->port(), 2), 5, 10);
  ASSERT_TRUE(wait_for("paced", 1));
  control->state = queue::CampaignState::kPaused;
  table->campaign_changed("paced");
  ASSERT_TRUE(wait_for_works(5));
  EXPECT_EQ(delivered("paced"), 1u);
  EXPECT_EQ(desk.states(RecipientState::kWaiting), 49u);
}

}  // namespace
}  // namespace volley::delivery
