// The embedded queue: a real redis-server as a child process, on a Unix socket in a short private directory.
//
// Purpose    `volley` without a Redis of its own to point at. appendfsync always; AOF in <data>/redis; locked by
//            <data>/redis.lock, whose descriptor the child inherits, so an orphan still holds it.
// Ownership  Destroying it stops the server cleanly (SIGTERM, AOF synced, waited for).
// Thread     start() and the destructor: any one thread; both block. A supervisor thread of its own spawns the server (the
//            child dies with the thread that spawned it, PR_SET_PDEATHSIG) and restarts it when it dies: back-off 100 ms
//            to 5 s; LOADING is progress and is waited for.
//            Before each start, what power cut short at the end of its file is cut off (aof_tail.h).
// Errors     kUnavailable: redis-server missing (remedy), too old, data directory locked by another engine (pid named);
//            kIo: disk full, with the path.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "queue/url.h"

namespace volley::queue {

struct EmbeddedOptions {
  std::string data_directory;      // created 0700
  bool memory_durability = false;  // no AOF: tests and benchmarks that say so
  uint64_t max_memory = 0;         // bytes, 0: 55 % of RAM
  std::string server = "redis-server";
  std::function<void(const std::string&)>
      on_event;  // any thread: "queue server died (signal 9), restarting"
};

class Embedded {
 public:
  static Result<std::unique_ptr<Embedded>> start(EmbeddedOptions options);
  ~Embedded();
  const QueueUrl& url() const;
  int pid() const;

 private:
  struct Impl;
  explicit Embedded(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace volley::queue
