// Engine: N delivery loops over one queue.
//
// Purpose    Starts the threads, shares partitions out among them, replays the journal, delivers until told to
//            drain.
// Ownership  Owns its threads and everything in them; Registry, EventLog and key ring outlive it.
// Thread     Created, drained and destroyed by one thread; wake(), status_json(), trouble() from any.
// Errors     start: kUnavailable (queue), kIo (journal), kConfig. Afterwards trouble is logged, shown in status,
//            and mended by waiting: a lost queue, a full disk.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "base/time.h"
#include "engine/delivery/settings.h"
#include "engine/message/dkim.h"
#include "metrics/event_log.h"
#include "metrics/registry.h"
#include "queue/url.h"

namespace volley::delivery {

class Engine {
 public:
  // engine_id: stable for a data directory, so that a restart takes its own leases back at once.
  // queue_identity: Store::dedupe_key() in hex or the like; journals of another queue are not applied.
  static Result<std::unique_ptr<Engine>> start(Settings settings, const queue::QueueUrl& queue, std::string engine_id,
                                               std::string dedupe_key, uint32_t partitions,
                                               const message::DkimKeyRing& keys, metrics::Registry& registry,
                                               metrics::EventLog& events);
  ~Engine();                        // drains for at most a second if nobody did

  void wake();                      // something was queued: do not wait for the next poll
  // Start nothing new, finish what is in flight, settle, release the leases. May be called again. False: not done within
  // the limit, or, at once, a journal cannot be written (nothing can be finished then), or unsettled().
  bool drain(Duration limit);
  // After a drain(): nothing is on the wire any more, and the queue has taken nothing for 5 s of what came of it. The
  // journal has it, and the next start settles it: there is no use in waiting.
  bool unsettled() const;
  std::string status_json() const;  // sites, what limits each, loops, queue connection, last errors
  // Why nothing is sent now although there may be something, one line ("journal: cannot write ..."); empty: no trouble.
  std::string trouble() const;

 private:
  struct Impl;
  explicit Engine(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// For a queue that is made good while no engine runs. log_journal(): what the journal has and the event log may lack is written
// there, and flushed. retire_journal(): the queue's segments become *.journal.old, which nobody reads.
Status log_journal(const std::string& data_directory, const std::string& dedupe_key, metrics::EventLog& events);
Status retire_journal(const std::string& data_directory, const std::string& dedupe_key);

}  // namespace volley::delivery
