// Host: how a command gets an engine without knowing engine/delivery. Implemented by engine/app.
//
// Ownership  The engine refers to the key ring, registry and event log of the request; they outlive it.
// Thread     The command's (main) thread, except wake() and status_json().
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "engine/cli/settings.h"
#include "metrics/event_log.h"
#include "metrics/registry.h"
#include "queue/history.h"
#include "queue/url.h"

namespace volley::cli {

struct EngineRequest {
  const Settings* settings = nullptr;
  std::vector<std::string> routes;     // 'DOMAIN=HOST:PORT', checked by Host::check_routes
  uint32_t connections = 0;            // per site, 0: as limits say
  std::string data_directory;
  queue::QueueUrl queue;
  std::string engine_id;
  std::string dedupe_key;
  uint32_t partitions = 0;
  const message::DkimKeyRing* keys = nullptr;
  metrics::Registry* registry = nullptr;
  metrics::EventLog* events = nullptr;
  queue::History history{};            // empty: it keeps none
};

// What a command says when it leaves an engine that is unsettled().
inline constexpr char kUnsettled[] =
    "volley: the queue does not answer: what was sent is in the journal, and the next start tells "
    "the queue\n";

class RunningEngine {
 public:
  virtual ~RunningEngine() = default;
  virtual void wake() = 0;
  virtual bool drain(Duration limit) = 0;
  virtual bool unsettled() const = 0;        // drain() only waits for a queue that does not answer
  virtual std::string trouble() const = 0;   // why nothing can be sent now (a full disk); empty: nothing
  virtual std::string status_json() const = 0;
};

class Host {
 public:
  virtual ~Host() = default;
  virtual Result<std::unique_ptr<RunningEngine>> start_engine(const EngineRequest& request) = 0;
  // What the journal of this queue has, and the event log may lack, is written there and flushed; as a start of the engine would.
  virtual Status log_journal(const std::string& data_directory, const std::string& dedupe_key, metrics::EventLog& events) = 0;
  // The journal of this queue is put aside (*.journal.old): no engine reads it any more.
  virtual Status retire_journal(const std::string& data_directory, const std::string& dedupe_key) = 0;
  // Usage error for a malformed one; *covers_all: every domain is routed.
  virtual Status check_routes(const std::vector<std::string>& routes, bool* covers_all) = 0;
};

}  // namespace volley::cli
