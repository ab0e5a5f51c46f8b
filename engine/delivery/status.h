// Status: what an engine says of itself, as one JSON document.
//
// Purpose    Each loop puts its part about once a second; json() merges them: sites whose sessions lie on several
//            loops are one site here. Published in the queue by the steward, shown by `volley status`.
// Format     {"engine", "hostname", "pid", "state", "queue": {"connected", "error"}, "partitions": {"owned",
//            "wanted", "elsewhere"}, "recipients_in_memory", "next_due_ms" (until the queue has something to do; -1: it
//            is not known), "unrouted" (deferred because no way to the domain was known, for DNS mostly): {"deferred",
//            "last_reply"}, "loops": [{"loop", "connected", "error", "partitions", "works", "recipients_in_memory",
//            "journal": {"bytes", "segments", "error"}}], "sites": [{"site", "provider", "connections",
//            "connection_limit", "in_flight", "waiting", "delivered", "deferred", "in_doubt", "bounced", "rate",
//            "limited_by", "last_reply", "paused_for_ms", "tls"}]}, busiest first. "tls": by policy type of RFC 8460,
//            {"sts": {"successful", "failed": {"certificate-expired": 2}}}.
// Thread     Any (a mutex inside).
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "engine/delivery/partition_owner.h"
#include "engine/delivery/site_table.h"
#include "engine/delivery/tls_report.h"

namespace volley::delivery {

struct LoopStatus {
  bool connected = false;
  std::string queue_error;
  OwnerSnapshot owner;
  uint64_t journal_bytes = 0, journal_segments = 0;
  std::vector<SiteSnapshot> sites;
};

// One entry per site: counts are summed, words are those of the loop with most waiting.
std::vector<SiteSnapshot> merge_sites(const std::vector<LoopStatus>& loops);

class StatusBoard {
 public:
  StatusBoard(std::string engine_id, std::string hostname, unsigned loops, const TlsReport& tls);
  void put(unsigned loop, LoopStatus status);
  void journal_trouble(unsigned loop, std::string error);  // empty: over
  void queue_trouble(std::string error);  // for good
  std::string trouble() const;        // why a loop is held, one line; empty: none is
  uint64_t held() const;  // works and partitions of all loops: what a drain must give back
  void set_state(std::string state);  // "running", "draining", "stopped"
  std::string json() const;

 private:
  std::string engine_id_, hostname_;
  const TlsReport& tls_;
  mutable std::mutex mutex_;
  std::string state_ = "running";
  std::vector<LoopStatus> loops_;
  std::vector<std::string> journal_errors_;
  std::string queue_error_;
};

}  // namespace volley::delivery
