#include "metrics/names.h"

#include <gtest/gtest.h>
#include <prometheus/check_names.h>

#include <set>
#include <string>
#include <vector>

namespace volley::metrics {
namespace {

template <typename Key>
std::vector<MetricRow> rows(size_t count) {
  std::vector<MetricRow> out;
  for (size_t i = 0; i < count; ++i) out.push_back(row(static_cast<Key>(i)));
  return out;
}

std::vector<MetricRow> plain_rows() {
  auto out = rows<Metric>(kMetricCount);
  for (auto& r : rows<SiteMetric>(kSiteMetricCount)) out.push_back(r);
  for (auto& r : rows<SeriesMetric>(kSeriesMetricCount)) out.push_back(r);
  for (auto& r : rows<ProcessMetric>(kProcessMetricCount)) out.push_back(r);
  return out;
}

TEST(Names, EveryKeyHasACompleteRow) {
  auto all = plain_rows();
  for (auto& r : rows<Histogram>(kHistogramCount)) all.push_back(r);
  for (const MetricRow& r : all) {
    EXPECT_TRUE(prometheus::CheckMetricName(std::string(r.name))) << r.name;
    EXPECT_TRUE(r.name.starts_with("volley_") || r.name.starts_with("process_")) << r.name;
    EXPECT_GT(r.help.size(), 10u) << r.name;
    EXPECT_TRUE(r.help.ends_with('.')) << r.name;
    if (!r.labels.empty()) {
      std::string label(r.labels.substr(0, r.labels.find('=')));
      EXPECT_TRUE(prometheus::CheckLabelName(label)) << r.labels;
      EXPECT_NE(r.labels.find('='), r.labels.npos) << r.labels;
    }
  }
}

TEST(Names, CountersAndOnlyCountersEndInTotal) {
  for (const MetricRow& r : plain_rows()) {
    EXPECT_EQ(r.name.ends_with("_total"), !r.gauge) << r.name;
  }
  for (const MetricRow& r : rows<Histogram>(kHistogramCount)) {
    EXPECT_TRUE(r.name.ends_with("_seconds")) << r.name;
  }
}

TEST(Names, AreUniqueAndFamiliesStayTogether) {
  std::set<std::pair<std::string_view, std::string_view>> seen;
  std::set<std::string_view> families;
  std::string_view last;
  auto all = plain_rows();
  for (auto& r : rows<Histogram>(kHistogramCount)) all.push_back(r);
  for (const MetricRow& r : all) {
    EXPECT_TRUE(seen.emplace(r.name, r.labels).second) << r.name;
    if (r.name != last) {
      EXPECT_TRUE(families.insert(r.name).second) << r.name << " comes twice";
    }
    last = r.name;
  }
}

TEST(Names, KeysAndRowsAgree) {
  EXPECT_EQ(row(Metric::kBouncedTransactional).name, "volley_bounced_total");
  EXPECT_EQ(row(Metric::kBouncedTransactional).labels, "lane=transactional");
  EXPECT_EQ(row(Metric::kBytesSent).name, "volley_sent_bytes_total");
  EXPECT_EQ(row(Metric::kConnectionsOpen).name, "volley_connections_open");
  EXPECT_EQ(row(Metric::kDnsFailures).name, "volley_dns_failures_total");
  EXPECT_EQ(row(Metric::kRecipientsInMemory).name, "volley_recipients_in_memory");
  EXPECT_EQ(row(Metric::kParked).name, "volley_parked_recipients");
  EXPECT_EQ(row(Metric::kMessagesAccepted).name, "volley_messages_accepted_total");
  EXPECT_EQ(row(Metric::kEventsWritten).name, "volley_events_written_total");
  EXPECT_EQ(row(SiteMetric::kPaused).name, "volley_site_paused");
  EXPECT_EQ(row(SeriesMetric::kTlsSessionsFailed).name, "volley_tls_sessions_failed_total");
  EXPECT_EQ(row(Histogram::kRender).name, "volley_render_seconds");
  EXPECT_EQ(row(ProcessMetric::kStartTime).name, "process_start_time_seconds");
}

}  // namespace
}  // namespace volley::metrics
