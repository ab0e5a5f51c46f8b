// What TLS came to, by policy: counted, in the status, and as series for /metrics.
#include "engine/delivery/tls_report.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "engine/delivery/status.h"

namespace volley::delivery {
namespace {

TEST(TlsReport, CountsByPolicyAndSite) {
  TlsReport report;
  report.succeeded(PolicyType::kSts, "one");
  report.succeeded(PolicyType::kSts, "one");
  report.failed(PolicyType::kSts, "one", "certificate-expired");
  report.failed(PolicyType::kTlsa, "two", "tlsa-invalid");
  const auto counts = report.counts();
  ASSERT_EQ(counts.size(), 2u);
  EXPECT_EQ(counts.at({PolicyType::kSts, "one"}).successful, 2u);
  EXPECT_EQ(counts.at({PolicyType::kSts, "one"}).failed.at("certificate-expired"), 1u);
  EXPECT_EQ(counts.at({PolicyType::kTlsa, "two"}).successful, 0u);
}

TEST(TlsReport, IsShownAsSeriesWithTheNamesOfRfc8460) {
  TlsReport report;
  report.succeeded(PolicyType::kSts, "one");
  report.failed(PolicyType::kSts, "one", "certificate-expired");
  report.failed(PolicyType::kSts, "one", "certificate-expired");
  const auto series = to_series(report.counts());
  ASSERT_EQ(series.size(), 2u);
  using Labels = std::vector<metrics::Series::Label>;
  EXPECT_EQ(series[0].metric, metrics::SeriesMetric::kTlsSessionsSuccessful);
  EXPECT_EQ(series[0].site, "one");
  EXPECT_EQ(series[0].labels, (Labels{{"policy_type", "sts"}}));
  EXPECT_EQ(series[0].value, 1u);
  EXPECT_EQ(series[1].metric, metrics::SeriesMetric::kTlsSessionsFailed);
  EXPECT_EQ(series[1].labels,
            (Labels{{"policy_type", "sts"}, {"result_type", "certificate-expired"}}));
  EXPECT_EQ(series[1].value, 2u);
}

TEST(TlsReport, IsPartOfASitesStatus) {
  TlsReport report;
  report.succeeded(PolicyType::kTlsa, "one");
  report.failed(PolicyType::kTlsa, "one", "validation-failure");
  report.failed(PolicyType::kSts, "gone", "certificate-expired");
  StatusBoard board("e", "mail.example.com", 1, report);
  LoopStatus loop;
  loop.sites.resize(2);
  loop.sites[0].site = "one";
  loop.sites[1].site = "two";
  board.put(0, std::move(loop));
  const auto sites = nlohmann::json::parse(board.json())["sites"];
  ASSERT_EQ(sites.size(), 2u);
  EXPECT_EQ(sites[0]["tls"].dump(),
            R"({"tlsa":{"failed":{"validation-failure":1},"successful":1}})");
  EXPECT_EQ(sites[1]["tls"].dump(), "{}");
}

}  // namespace
}  // namespace volley::delivery
