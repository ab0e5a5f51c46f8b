// Every metric Volley exports: its key in code, its name, help text and labels, in one table.
//
// Purpose  A metric exists when it has a row here (names.cc); dashboards and alert rules are
//          checked against this table. Rows that share a name are one family, told apart by their label.
// Thread   Constants.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace volley::metrics {

enum class Metric : uint16_t {
  // recipients' outcomes, by lane
  kDeliveredBulk,
  kDeliveredTransactional,
  kDeferredBulk,
  kDeferredTransactional,
  kBouncedBulk,
  kBouncedTransactional,
  kExpiredBulk,
  kExpiredTransactional,
  kSuppressedBulk,
  kSuppressedTransactional,
  kInDoubt,
  kBytesSent,
  // connections
  kConnectionsOpened,
  kConnectionsFailed,
  kConnectionsOpen,  // gauge
  kTlsHandshakes,
  kTlsResumed,
  kTlsFailures,
  kDesyncs,
  // dns
  kDnsQueries,
  kDnsCacheHits,
  kDnsFailures,
  // queue
  kQueueClaims,
  kQueueClaimedRecipients,
  kQueueSettlements,
  kQueueCalls,
  kQueueReconnects,
  kQueueErrors,
  kQueueConnected,      // gauge: loops connected
  kPartitionsOwned,     // gauge
  kRecipientsInMemory,  // gauge
  kJournalBytes,
  kReplayedOutcomes,
  kCorruptChunks,
  // campaigns, summed over running ones (gauges filled by the steward)
  kCampaignsRunning,
  kCampaignsPaused,
  kQueued,
  kWaitingRetry,
  kParked,
  // intake
  kImportedRows,
  kRejectedRows,
  kDuplicateRows,
  kHttpRequests,
  kHttpRefused,
  kMessagesAccepted,
  kIntakeAccepted,
  kIntakeParked,
  kIntakeWaitingEntries,  // gauge
  kIntakeParkedEntries,   // gauge
  // process
  kLoopTurns,
  kSlowTurns,  // over 10 ms
  kEventsWritten,
  kCount
};
inline constexpr size_t kMetricCount = static_cast<size_t>(Metric::kCount);

enum class Histogram : uint8_t {
  kLoopTurn,      // work of one loop turn
  kQueueCall,     // round trip of a queue call
  kDeliveryTime,  // MAIL to final reply
  kTimeInQueue,   // enqueued to delivered
  kDnsTime,
  kRender,  // rendering and signing of a batch
  kCount
};
inline constexpr size_t kHistogramCount = static_cast<size_t>(Histogram::kCount);

// With label site="...".
enum class SiteMetric : uint8_t {
  kDelivered,
  kDeferred,
  kBounced,
  kInDoubt,
  kConnectionsOpened,
  kConnectionFailures,
  kConnections,  // gauge
  kWaiting,      // gauge: recipients in memory for this site
  kPaused,       // gauge: 0 or 1
  kCount
};
inline constexpr size_t kSiteMetricCount = static_cast<size_t>(SiteMetric::kCount);

// Asked for at scrape time (Registry::on_scrape_series), with labels of their own besides site="...".
enum class SeriesMetric : uint8_t {
  kTlsSessionsSuccessful,  // policy_type
  kTlsSessionsFailed,      // policy_type, result_type
  kCount
};
inline constexpr size_t kSeriesMetricCount = static_cast<size_t>(SeriesMetric::kCount);

// What the registry reads from the system at scrape time.
enum class ProcessMetric : uint8_t {
  kResidentMemory,
  kOpenFds,
  kMaxFds,
  kCpuSeconds,
  kStartTime,
  kBuildInfo,
  kCount
};
inline constexpr size_t kProcessMetricCount = static_cast<size_t>(ProcessMetric::kCount);

struct MetricRow {
  std::string_view name;  // "volley_delivered_total"
  std::string_view help;
  std::string_view labels;  // "lane=bulk", or empty
  bool gauge = false;
};
const MetricRow& row(Metric m);
const MetricRow& row(SiteMetric m);
const MetricRow& row(SeriesMetric m);
const MetricRow& row(Histogram h);
const MetricRow& row(ProcessMetric m);

}  // namespace volley::metrics
