#include "metrics/names.h"

#include <array>

namespace volley::metrics {

namespace {

constexpr std::string_view kBulk = "lane=bulk", kTransactional = "lane=transactional";
constexpr std::string_view kDelivered =
    "Recipients whose mail the receiving server accepted (250 after the message).";
constexpr std::string_view kDeferred =
    "Attempts that ended in a temporary failure; the recipient is tried again later.";
constexpr std::string_view kBounced =
    "Recipients refused for good by a receiver, because of the recipient or the message.";
constexpr std::string_view kExpired =
    "Recipients given up because their mail was too old (give_up_after).";
constexpr std::string_view kSuppressed =
    "Recipients not sent to because a suppression list names them.";

constexpr std::array<MetricRow, kMetricCount> kRows{{
    {"volley_delivered_total", kDelivered, kBulk},
    {"volley_delivered_total", kDelivered, kTransactional},
    {"volley_deferred_total", kDeferred, kBulk},
    {"volley_deferred_total", kDeferred, kTransactional},
    {"volley_bounced_total", kBounced, kBulk},
    {"volley_bounced_total", kBounced, kTransactional},
    {"volley_expired_total", kExpired, kBulk},
    {"volley_expired_total", kExpired, kTransactional},
    {"volley_suppressed_total", kSuppressed, kBulk},
    {"volley_suppressed_total", kSuppressed, kTransactional},
    {"volley_in_doubt_total",
     "Attempts whose final reply was lost: perhaps delivered, sent again with the same Message-ID.",
     ""},
    {"volley_sent_bytes_total", "Bytes of SMTP written to receivers, envelopes included.", ""},

    {"volley_connections_opened_total", "Connections to receivers that were established.", ""},
    {"volley_connections_failed_total",
     "Connections to receivers that were refused, timed out or ended before the greeting.", ""},
    {"volley_connections_open", "Connections to receivers that are open now.", "", true},
    {"volley_tls_handshakes_total", "TLS handshakes with receivers that succeeded.", ""},
    {"volley_tls_resumed_total", "Of these, handshakes that resumed an earlier session.", ""},
    {"volley_tls_failures_total", "TLS handshakes with receivers that failed.", ""},
    {"volley_desyncs_total",
     "Connections closed because replies no longer matched commands. Should stay at zero.", ""},

    {"volley_dns_queries_total", "Questions sent to name servers, retries included.", ""},
    {"volley_dns_cache_hits_total", "Look-ups answered from the engine's own cache.", ""},
    {"volley_dns_failures_total",
     "Questions that no name server answered in the end (timeout, SERVFAIL, REFUSED).", ""},

    {"volley_queue_claims_total", "Chunks taken from the queue.", ""},
    {"volley_queue_claimed_recipients_total", "Recipients in the chunks taken from the queue.", ""},
    {"volley_queue_settlements_total", "Chunks, or parts of them, settled in the queue.", ""},
    {"volley_queue_calls_total", "Calls to Redis; one that is repeated counts again.", ""},
    {"volley_queue_reconnects_total", "Times a connection to Redis was made anew.", ""},
    {"volley_queue_errors_total", "Calls to Redis that failed, attempts to connect included.", ""},
    {"volley_queue_connected_loops", "Loops connected to Redis now; all of them when healthy.", "",
     true},
    {"volley_partitions_owned", "Queue partitions this engine holds the lease of.", "", true},
    {"volley_recipients_in_memory", "Recipients claimed from the queue and not settled yet.", "",
     true},
    {"volley_journal_bytes_total", "Bytes written to the delivery journal.", ""},
    {"volley_replayed_outcomes_total",
     "Outcomes read back from the delivery journal after a restart.", ""},
    {"volley_queue_corrupt_chunks_total", "Chunks that could not be read, and were parked.", ""},

    {"volley_campaigns_running", "Campaigns that are sending now.", "", true},
    {"volley_campaigns_paused", "Campaigns that are paused.", "", true},
    {"volley_queued_recipients", "Recipients in the queue that are due now.", "", true},
    {"volley_waiting_retry_recipients", "Recipients in the queue that wait for their next try.", "",
     true},
    {"volley_parked_recipients", "Recipients in the queue held back by a pause.", "", true},

    {"volley_imported_rows_total", "Rows of recipient lists accepted.", ""},
    {"volley_rejected_rows_total", "Rows of recipient lists refused as malformed or invalid.", ""},
    {"volley_duplicate_rows_total", "Rows of recipient lists left out as duplicates.", ""},
    {"volley_http_requests_total", "Requests to the HTTP API.", ""},
    {"volley_http_refused_total", "Requests to the HTTP API answered with 4xx or 5xx.", ""},
    {"volley_messages_accepted_total", "Single messages accepted durably over the HTTP API.", ""},
    {"volley_intake_accepted_total",
     "Single messages accepted durably from the stream volley:intake.", ""},
    {"volley_intake_parked_total",
     "Messages and whole entries of volley:intake that were put into volley:intake:parked.", ""},
    {"volley_intake_waiting_entries", "Entries in volley:intake that are not in the queue yet.", "",
     true},
    {"volley_intake_parked_entries",
     "Entries in volley:intake:parked, which wait for somebody to look at them.", "", true},

    {"volley_loop_turns_total", "Turns of the event loops.", ""},
    {"volley_loop_slow_turns_total", "Turns of the event loops that worked for over 10 ms.", ""},
    {"volley_events_written_total", "Lines written to the delivery event log.", ""},
}};

constexpr std::array<MetricRow, kHistogramCount> kHistogramRows{{
    {"volley_loop_turn_seconds", "Work done in one turn of an event loop.", ""},
    {"volley_queue_call_seconds", "Round trip of a call to Redis; an importer's pipeline is one.",
     ""},
    {"volley_delivery_seconds", "From MAIL FROM to the receiver's final reply.", ""},
    {"volley_time_in_queue_seconds", "From enqueueing to delivery, first try or later.", ""},
    {"volley_dns_seconds", "Time of a look-up that the cache could not answer.", ""},
    {"volley_render_seconds", "Rendering and signing of one batch of signed messages.", ""},
}};

constexpr std::array<MetricRow, kSiteMetricCount> kSiteRows{{
    {"volley_site_delivered_total", "Recipients delivered, by receiving site.", ""},
    {"volley_site_deferred_total", "Temporary failures, by receiving site.", ""},
    {"volley_site_bounced_total", "Recipients refused for good, by receiving site.", ""},
    {"volley_site_in_doubt_total", "Attempts whose final reply was lost, by receiving site.", ""},
    {"volley_site_connections_opened_total", "Connections established, by receiving site.", ""},
    {"volley_site_connection_failures_total", "Connections that failed, by receiving site.", ""},
    {"volley_site_connections", "Connections open now, by receiving site.", "", true},
    {"volley_site_waiting_recipients", "Recipients in memory for this receiving site.", "", true},
    {"volley_site_paused", "1 while this site is paused because it refused us, else 0.", "", true},
}};

constexpr std::array<MetricRow, kSeriesMetricCount> kSeriesRows{{
    {"volley_tls_sessions_successful_total",
     "Connections on which TLS was as the policy wants it, by policy type (RFC 8460) and receiving "
     "site.",
     ""},
    {"volley_tls_sessions_failed_total",
     "Connections on which it was not, by policy type, result type (RFC 8460) and receiving site.",
     ""},
}};

constexpr std::array<MetricRow, kProcessMetricCount> kProcessRows{{
    {"process_resident_memory_bytes", "Resident memory of the engine.", "", true},
    {"process_open_fds", "File descriptors the engine has open.", "", true},
    {"process_max_fds", "File descriptors the engine may open (ulimit -n).", "", true},
    {"process_cpu_seconds_total", "User and system CPU time of the engine.", ""},
    {"process_start_time_seconds", "When the engine started, in seconds since 1970.", "", true},
    {"volley_build_info", "Always 1; the version is its label.", "", true},
}};

}  // namespace

const MetricRow& row(Metric m) { return kRows.at(static_cast<size_t>(m)); }
const MetricRow& row(SiteMetric m) { return kSiteRows.at(static_cast<size_t>(m)); }
const MetricRow& row(SeriesMetric m) { return kSeriesRows.at(static_cast<size_t>(m)); }
const MetricRow& row(Histogram h) { return kHistogramRows.at(static_cast<size_t>(h)); }
const MetricRow& row(ProcessMetric m) { return kProcessRows.at(static_cast<size_t>(m)); }

}  // namespace volley::metrics
