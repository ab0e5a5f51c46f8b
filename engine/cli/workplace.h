// Workplace: the data directory and the queue that a command works with.
//
// Purpose    kEngine: takes <data>/engine.lock (busy: kUnavailable, naming the pid) and starts the embedded queue, or connects to
//            the external one. kClient: uses the queue of the engine that lives in the data directory, when there is one;
//            otherwise as kEngine, but where the data directory has no queue, none is made.
// Ownership  Owns lock, embedded server and the main Store. Create and destroy on the main thread.
// Errors     kNoInput (no queue there), kUnavailable, kIo, kCantCreate, kConfig.
#pragma once

#include <memory>
#include <string>

#include "base/files.h"
#include "base/result.h"
#include "engine/cli/host.h"
#include "engine/cli/settings.h"
#include "queue/embedded.h"
#include "queue/store.h"

namespace volley::cli {

enum class Access { kEngine, kClient };

class Workplace {
 public:
  static Result<std::unique_ptr<Workplace>> open(const Settings& settings, Access access);

  // The queue, external or of the engine that lives in the data directory, to look at: takes no lock, starts and creates
  // nothing. Null: nobody works in the data directory.
  static Result<std::unique_ptr<Workplace>> visit(const Settings& settings);

  queue::Store& store() { return *store_; }
  Result<std::unique_ptr<queue::Store>> another_store() const;   // for another thread
  const queue::QueueUrl& url() const { return url_; }
  const std::string& data() const { return data_; }
  const std::string& engine_id() const { return engine_id_; }    // kept in <data>/instance
  // The embedded queue's engine is this process or nobody: no other can be working on it.
  bool alone() const { return embedded_ != nullptr; }
  bool memory_durability() const { return memory_durability_; }

 private:
  Workplace() = default;
  Status prepare_directory();
  Status connect();

  std::string data_, engine_id_;
  bool memory_durability_ = false;
  FileLock lock_;
  std::unique_ptr<queue::Embedded> embedded_;
  queue::QueueUrl url_;
  std::unique_ptr<queue::Store> store_;
};

// `volley status` knows of the engine as soon as this returns; from then on the engine publishes by itself.
Status announce(const RunningEngine& engine, Workplace& place);

}  // namespace volley::cli
