// SendRun: one `volley send` from the open queue to the summary.
//
// Purpose    Finds or creates the campaign, imports in a thread of its own, runs the engine, follows until every recipient has
//            its final outcome, or until paused, cancelled, interrupted. Idempotent: the same command again continues.
// Ownership  Owns queue, engine, event log, HTTP for as long as it runs. Refers to plan, settings and host.
// Thread     The main thread; the importer's thread touches only its own Store and `import_`.
// Errors     As exit codes (exit_code.h); after import began a summary is always made.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "engine/cli/host.h"
#include "engine/cli/progress.h"
#include "engine/cli/send_plan.h"
#include "engine/cli/summary.h"
#include "engine/cli/workplace.h"
#include "engine/http/server.h"

namespace volley::cli {

class SendRun {
 public:
  SendRun(const SendPlan& plan, const SendOptions& options, const Settings& settings, Host& host);
  ~SendRun();

  Status open();                     // queue, campaign, event log, suppressions; nothing is sent yet
  bool already_finished() const;     // finished or cancelled earlier: the summary is all there is to do
  Status run();                      // until it ends; Error: why it stopped early
  Result<Summary> summary();         // from the queue, now

 private:
  Status open_events();
  Status load_suppressions();
  Status create_or_resume();
  Status check_unchanged(const queue::Campaign& old);
  Status store_suppressions();
  Status start_http();
  Status start_engine();
  void import_list(const queue::Campaign& campaign);  // on the importer's thread
  Status import_result();
  Status disk_trouble();             // a journal or event log that cannot be written, for a while
  Status follow();
  Status wind_up(const Status& followed);  // drain; pause the campaign when it is to go on later
  ProgressState progress_state(const queue::Counts& counts);

  const SendPlan& plan_;
  const SendOptions& options_;
  const Settings& settings_;
  Host& host_;
  const std::string id_;
  const TimePoint started_;

  std::unique_ptr<Workplace> place_;
  metrics::Registry registry_;
  std::unique_ptr<metrics::EventLog> events_;
  std::unique_ptr<http::Server> http_;
  std::optional<queue::Campaign> campaign_;
  intake::SuppressionList suppressed_;
  std::unique_ptr<RunningEngine> engine_;
  Progress progress_;
  TimePoint trouble_since_{};

  // importer's thread
  std::thread importer_;
  std::atomic<bool> stop_import_{false};
  std::atomic<bool> import_done_{true};
  std::mutex mutex_;
  intake::ImportTotals totals_;      // below: guarded by mutex_
  double imported_ = 0;
  Status import_status_;
};

}  // namespace volley::cli
