// The campaign record: one authoritative record per campaign, with a revision.
//
// Purpose  What every engine, importer and command agrees on. Owners of partitions apply a changed record within a
//          second (they poll one global revision).
// Thread   Values.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "queue/types.h"

namespace volley::queue {

// Scheduled: it runs by itself once its start has come and its window is open (queue/schedule.h).
enum class CampaignState : uint8_t {
  kImporting,
  kRunning,
  kPaused,
  kCancelled,
  kFinished,
  kScheduled
};
std::string_view to_string(CampaignState state);
Result<CampaignState> parse_campaign_state(std::string_view text);

// 1 to 64 of letters, digits, '-', '_', '.', not starting with '_' or '.'.
Status check_campaign_id(std::string_view id);

struct RetryPolicy {
  int64_t first_delay_ms = 5LL * 60 * 1000;
  int64_t max_delay_ms = 4LL * 3600 * 1000;
  int64_t give_up_after_ms = 72LL * 3600 * 1000;
};

struct Campaign {
  std::string id, name;
  std::string tenant{kDefaultTenant};
  Lane lane = Lane::kBulk;
  CampaignState state = CampaignState::kImporting;
  std::string reason;          // why it is paused or cancelled, for people
  uint64_t revision = 0;       // of this record, moved by every change
  uint64_t import_epoch = 0;   // calls of an older importer are refused
  bool import_closed = false;  // all of the list is in the queue
  bool stream = false;         // sending may start before the import is closed
  bool hold = false;           // when the import closes, stay paused
  // Being removed, by a purge, or with its counts kept: until that is done, nothing brings it back (queue/record.h).
  bool purging = false, blotting = false;
  std::string list_fingerprint, content_fingerprint;  // frozen at start
  uint32_t content_revision = 1;                      // of the content stored with it
  uint32_t generation = 1;  // moved when those that failed are tried again: attempts count anew
  uint32_t weight = 100;    // share against other campaigns at the same domain
  bool sign = true;
  bool canary_waits = false, canary_approved = false;  // see canary
  std::vector<std::string> columns;                    // names of Recipient::values
  uint64_t read = 0, invalid = 0, duplicate = 0;       // read = accepted + invalid + duplicate
  int64_t created_ms = 0, started_ms = 0, finished_ms = 0;
  double rate = 0;  // messages/s over all sites, 0: none
  RetryPolicy retry;
  int64_t start_ms = 0, end_ms = 0;  // sends nothing before and after; 0: no such time
  std::string window;                // base/weekly_window.h; empty: always
  // Brakes. More than this share bounced, of `stop_after` final outcomes at least: it pauses. 0: none.
  double stop_bounced = 0;
  uint64_t stop_after = 0;
  uint64_t canary = 0;      // so many recipients are tried, then it waits for approval; 0: none
  std::string from_domain;  // signs, and names the Message-ID's host
  std::string return_path;  // envelope sender
  uint64_t suppress_revision = 0;  // of the suppression set stored with it
  std::string rejects_path;
  int64_t blotted_ms =
      0;  // since then nothing but the counts is known of its recipients; 0: all is

  bool knows_recipients() const { return !purging && !blotting && blotted_ms == 0; }

  std::string to_json() const;
  static Result<Campaign> from_json(std::string_view text);
};

}  // namespace volley::queue
