// SendRun: one `volley send` from the open queue to the summary.
//
// Purpose    Finds or creates the campaign, imports in a thread of its own, runs the engine, follows until every recipient has
//            its final outcome, or until paused, cancelled, interrupted. Idempotent: the same command again continues.
// Ownership  Owns queue, engine, event log, HTTP for as long as it runs. Refers to plan, settings, host and last words.
// Thread     The main thread.
// Errors     As exit codes (exit_code.h); after import began a summary is always made.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "engine/cli/host.h"
#include "engine/cli/last_words.h"
#include "engine/cli/progress.h"
#include "engine/cli/retention.h"
#include "engine/cli/send_import.h"
#include "engine/cli/send_plan.h"
#include "engine/cli/summary.h"
#include "engine/cli/workplace.h"
#include "engine/http/server.h"

namespace volley::cli {

class SendRun {
 public:
  SendRun(const SendPlan& plan, const SendOptions& options, const Settings& settings, Host& host, LastWords& words);
  ~SendRun();

  Status open();                     // the queue, and the campaign if it was started before
  const std::optional<queue::Campaign>& started_before() const { return campaign_; }  // after open()
  bool already_finished() const;     // finished or cancelled earlier: the summary is all there is to do
  bool left_to_settle()
      const;  // cancelled, and what its last engine had in flight is not told to the queue yet
  Status begin();                    // campaign, event log, suppressions; nothing is sent yet
  Status run();                      // until it ends; Error: why it stopped early
  Result<Summary> summary();         // from the queue, now
  const Summary& last_known() const { return known_; }

 private:
  Status open_events();
  Status load_suppressions();
  Status create_or_resume();
  Status check_unchanged(const queue::Campaign& old);
  Status store_suppressions();
  Status start_http();
  Status start_engine();
  void start_import();
  bool imported() const { return !import_ || import_->done(); }
  Status disk_trouble();             // a journal or event log that cannot be written, for a while
  bool look();                       // at campaign and counts, and show them; false: the queue does not answer
  Status follow();
  Status settle();  // until nothing is; nothing of the campaign is sent
  Status wait_until_settled();
  bool drain();
  Status wind_up(const Status& followed);  // drain; pause the campaign when it is to go on later
  ProgressState progress_state() const;
  Summary summary_of(const queue::Campaign& campaign, const queue::Counts& counts) const;

  const SendPlan& plan_;
  const SendOptions& options_;
  const Settings& settings_;
  Host& host_;
  LastWords& words_;
  const std::string id_;
  TimePoint started_;
  uint64_t delivered_before_ = 0;    // when this run began

  std::unique_ptr<Workplace> place_;
  metrics::Registry registry_;
  std::unique_ptr<metrics::EventLog> events_;
  std::unique_ptr<Retention> retention_;
  std::unique_ptr<http::Server> http_;
  std::optional<queue::Campaign> campaign_;
  intake::SuppressionList suppressed_;
  std::unique_ptr<RunningEngine> engine_;
  std::unique_ptr<SendImport> import_;   // destroyed before the engine that it wakes
  Summary known_;
  Progress progress_;
  TimePoint trouble_since_{};
};

}  // namespace volley::cli
