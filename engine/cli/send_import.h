// SendImport: the import of one `volley send`, on a thread of its own.
//
// Purpose    Reads the list into the queue with intake's importer, closes the import, and says how far it is meanwhile.
// Ownership  Refers to workplace, suppression list, event log and registry. The destructor stops and joins.
// Thread     The main thread; `on_queued` is called on the importer's threads.
// Errors     As result(), once it is done.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "engine/cli/workplace.h"
#include "engine/intake/importer.h"
#include "metrics/event_log.h"
#include "metrics/registry.h"

namespace volley::cli {

class SendImport {
 public:
  struct Source {
    intake::ListOptions list;
    std::string rejects_path;
    const intake::SuppressionList* suppressed = nullptr;
    metrics::EventLog* events = nullptr;
    metrics::Registry* registry = nullptr;
  };
  SendImport(const Workplace& place, queue::Campaign campaign, Source source,
             std::function<void()> on_queued);
  ~SendImport();

  void stop();  // and wait; a rerun goes on from here
  bool done() const { return done_; }
  Status result() const;
  intake::ImportTotals totals() const;  // so far
  double share() const;                 // of the list, 0..1

 private:
  void import();  // on its thread
  void know_list(queue::Store& store, const Result<intake::ImportTotals>& totals);
  void finish(Status status);

  const Workplace& place_;
  const queue::Campaign campaign_;
  const Source source_;
  const std::function<void()> on_queued_;
  std::atomic<bool> stop_{false}, done_{false};
  mutable std::mutex mutex_;
  intake::ImportTotals totals_;  // below: guarded by mutex_
  double share_ = 0;
  Status result_;
  std::thread thread_;
};

}  // namespace volley::cli
