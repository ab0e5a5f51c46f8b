#include "metrics/registry.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <thread>
#include <vector>

namespace volley::metrics {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

// The value of the sample whose line starts with `sample `, or -1.
double value_of(const std::string& text, const std::string& sample) {
  size_t at = text.rfind("\n" + sample + " ");
  if (at == text.npos) return -1;
  return std::stod(text.substr(at + sample.size() + 2));
}

TEST(Registry, SumsOverShards) {
  Registry registry;
  Shard& a = registry.new_shard();
  Shard& b = registry.new_shard();
  a[Metric::kDeliveredBulk].add(3);
  b[Metric::kDeliveredBulk].add(4);
  b[Metric::kDeliveredTransactional].add();
  a[Metric::kConnectionsOpen].add(5);
  b[Metric::kConnectionsOpen].add(2);
  a[Metric::kConnectionsOpen].sub(4);
  EXPECT_EQ(registry.total(Metric::kDeliveredBulk), 7u);
  std::string text = registry.exposition();
  EXPECT_EQ(value_of(text, "volley_delivered_total{lane=\"bulk\"}"), 7);
  EXPECT_EQ(value_of(text, "volley_delivered_total{lane=\"transactional\"}"), 1);
  EXPECT_EQ(value_of(text, "volley_connections_open"), 3);
  EXPECT_NE(text.find("# TYPE volley_connections_open gauge"), text.npos);
  EXPECT_NE(text.find("# TYPE volley_delivered_total counter"), text.npos);
}

TEST(Registry, EveryMetricIsThereFromTheStart) {
  Registry registry;
  std::string text = registry.exposition();
  for (size_t i = 0; i < kMetricCount; ++i) {
    std::string help = "# HELP " + std::string(row(static_cast<Metric>(i)).name) + " ";
    size_t first = text.find(help);
    ASSERT_NE(first, text.npos) << help;
    EXPECT_EQ(text.find(help, first + 1), text.npos) << "one family, one head: " << help;
  }
}

TEST(Registry, FourThreadsCountWhileOneScrapes) {
  Registry registry;
  constexpr int kThreads = 4, kRounds = 20'000;
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&registry, t] {
      Shard& shard = registry.new_shard();
      SiteCells& site = registry.site(shard, t % 2 ? "odd.example" : "even.example");
      for (int i = 0; i < kRounds; ++i) {
        shard[Metric::kDeferredBulk].add();
        shard[Histogram::kLoopTurn].observe(microseconds(i));
        site[SiteMetric::kDelivered].add(2);
      }
    });
  }
  uint64_t last = 0;
  for (int i = 0; i < 20; ++i) {
    registry.exposition();
    uint64_t now = registry.total(Metric::kDeferredBulk);
    EXPECT_GE(now, last);
    last = now;
  }
  for (auto& thread : threads) thread.join();
  std::string text = registry.exposition();
  EXPECT_EQ(registry.total(Metric::kDeferredBulk), uint64_t{kThreads} * kRounds);
  EXPECT_EQ(value_of(text, "volley_loop_turn_seconds_count"), kThreads * kRounds);
  EXPECT_EQ(value_of(text, "volley_site_delivered_total{site=\"odd.example\"}"), 4 * kRounds);
  EXPECT_EQ(value_of(text, "volley_site_delivered_total{site=\"even.example\"}"), 4 * kRounds);
}

TEST(Registry, SitesBeyondTheCapShareOther) {
  Registry registry;
  Shard& a = registry.new_shard();
  Shard& b = registry.new_shard();
  for (size_t i = 0; i < kMaxNamedSites + 50; ++i) {
    registry.site(a, "site" + std::to_string(i))[SiteMetric::kDelivered].add();
  }
  // The name belongs to the registry: the same site on another thread has it too.
  registry.site(b, "site0")[SiteMetric::kDelivered].add();
  registry.site(b, "late.example")[SiteMetric::kDelivered].add();
  EXPECT_FALSE(registry.is_other("site0"));
  EXPECT_TRUE(registry.is_other("late.example"));
  std::string text = registry.exposition();
  EXPECT_EQ(value_of(text, "volley_site_delivered_total{site=\"site0\"}"), 2);
  EXPECT_EQ(value_of(text, "volley_site_delivered_total{site=\"site199\"}"), 1);
  EXPECT_EQ(value_of(text, "volley_site_delivered_total{site=\"site200\"}"), -1);
  EXPECT_EQ(value_of(text, "volley_site_delivered_total{site=\"other\"}"), 51);
}

TEST(Registry, ReferencesStayValid) {
  Registry registry;
  Shard& first = registry.new_shard();
  SiteCells& site = registry.site(first, "a.example");
  for (int i = 0; i < 100; ++i) registry.site(registry.new_shard(), "s" + std::to_string(i));
  first[Metric::kDesyncs].add();
  site[SiteMetric::kPaused].set(1);
  EXPECT_EQ(&registry.site(first, "a.example"), &site);
  EXPECT_EQ(registry.total(Metric::kDesyncs), 1u);
  EXPECT_EQ(value_of(registry.exposition(), "volley_site_paused{site=\"a.example\"}"), 1);
}

TEST(Registry, AsksForGaugesAtEachScrape) {
  Registry registry;
  uint64_t queued = 5;
  registry.on_scrape([&](Shard& scratch) {
    scratch[Metric::kQueued].set(queued);
    registry.total(Metric::kQueued);  // using the registry here does no harm
  });
  EXPECT_EQ(value_of(registry.exposition(), "volley_queued_recipients"), 5);
  queued = 2;
  EXPECT_EQ(value_of(registry.exposition(), "volley_queued_recipients"), 2);
}

TEST(Registry, AsksForSeriesAndKeepsTheirSitesBounded) {
  Registry registry;
  Shard& shard = registry.new_shard();
  for (size_t i = 0; i < kMaxNamedSites; ++i) registry.site(shard, "site" + std::to_string(i));
  registry.site(shard, "late.example");
  std::string text = registry.exposition();
  EXPECT_EQ(text.find("volley_tls_sessions_failed_total"), text.npos) << "nobody says anything yet";
  const auto failed = [](std::string site, std::string result, uint64_t value) {
    return Series{SeriesMetric::kTlsSessionsFailed,
                  std::move(site),
                  {{"policy_type", "sts"}, {"result_type", std::move(result)}},
                  value};
  };
  registry.on_scrape_series([&] {
    registry.is_other("site0");  // using the registry here does no harm
    return std::vector<Series>{failed("site0", "certificate-expired", 1),
                               failed("late.example", "certificate-expired", 2),
                               failed("later.example", "certificate-expired", 3),
                               failed("later.example", "validation-failure", 4)};
  });
  registry.on_scrape_series(
      [&] { return std::vector<Series>{failed("site0", "certificate-expired", 10)}; });
  text = registry.exposition();
  const auto value = [&](const std::string& site, const std::string& result) {
    return value_of(text, "volley_tls_sessions_failed_total{site=\"" + site +
                              "\",policy_type=\"sts\",result_type=\"" + result + "\"}");
  };
  EXPECT_EQ(value("site0", "certificate-expired"), 11);
  EXPECT_EQ(value("other", "certificate-expired"), 5);
  EXPECT_EQ(value("other", "validation-failure"), 4);
  EXPECT_EQ(value("late.example", "certificate-expired"), -1);
  EXPECT_NE(text.find("# TYPE volley_tls_sessions_failed_total counter"), text.npos);
}

TEST(Registry, KnowsItsProcess) {
  Registry registry;
  std::string text = registry.exposition();
  EXPECT_GT(value_of(text, "process_resident_memory_bytes"), 100'000);
  EXPECT_GE(value_of(text, "process_open_fds"), 3);
  EXPECT_GT(value_of(text, "process_max_fds"), 3);
  EXPECT_GE(value_of(text, "process_cpu_seconds_total"), 0);
  double start = value_of(text, "process_start_time_seconds");
  double now = static_cast<double>(to_ms(wall_now())) / 1000;
  EXPECT_LE(start, now + 5);
  EXPECT_GT(start, now - 86'400);
  EXPECT_NE(text.find("volley_build_info{version=\""), text.npos);
}

TEST(HistogramCells, PutsIntoTheRightBucket) {
  HistogramCells h;
  h.observe(Duration(-5));
  h.observe(Duration(0));
  h.observe(microseconds(100));
  EXPECT_EQ(h.bucket(0), 3u);
  h.observe(microseconds(100) + Duration(1));
  h.observe(microseconds(200));
  EXPECT_EQ(h.bucket(1), 2u);
  h.observe(milliseconds(10));  // 100 first bounds: the bucket up to 128
  EXPECT_EQ(h.bucket(7), 1u);
  EXPECT_DOUBLE_EQ(HistogramCells::upper_bound_seconds(7), 0.0128);
  h.observe(seconds(100'000));
  EXPECT_EQ(h.bucket(HistogramCells::kBuckets), 1u);
  EXPECT_NEAR(h.sum_seconds(), 100'000.0104, 0.0001);
}

TEST(HistogramCells, ExposesCumulativeBuckets) {
  Registry registry;
  Shard& shard = registry.new_shard();
  shard[Histogram::kRender].observe(microseconds(50));
  shard[Histogram::kRender].observe(microseconds(150));
  shard[Histogram::kRender].observe(seconds(5000));
  std::string text = registry.exposition();
  EXPECT_EQ(value_of(text, "volley_render_seconds_bucket{le=\"0.0001\"}"), 1);
  EXPECT_EQ(value_of(text, "volley_render_seconds_bucket{le=\"0.0002\"}"), 2);
  EXPECT_EQ(value_of(text, "volley_render_seconds_bucket{le=\"+Inf\"}"), 3);
  EXPECT_EQ(value_of(text, "volley_render_seconds_count"), 3);
}

}  // namespace
}  // namespace volley::metrics
