// Queues what programs put into the intake stream (docs/stream.md).
//
// Purpose    Reads entries in order, checks each message as the HTTP API would, queues them, parks what cannot be sent with
//            the reason, publishes what became of each, and settles an entry when all of it is durable in the queue or
//            parked. While the queue refuses, entries stay pending and are tried again, in order.
// Ownership  Owns a thread, a Store and the stream's connection (reads block, and nothing else waits for them).
// Thread     start() and stop() are the owner's. round() is for tests, instead of start().
// Errors     None: trouble is a line in the log when it begins and when it ends, and everything is tried again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "metrics/registry.h"
#include "queue/types.h"
#include "queue/url.h"

namespace volley::intake {

struct StreamOptions {
  queue::QueueUrl queue;
  uint32_t partitions = queue::kDefaultPartitions;
  bool memory_durability = false;
  std::vector<std::string> senders;                // as ApiOptions'
  std::string engine_id;                           // the consumer's name
  std::function<void()> on_queued;                 // wake the engine; on the reader's thread
  Duration wait = std::chrono::milliseconds(250);  // for new entries, and at most for stop()
  Duration idle = std::chrono::minutes(1);  // an entry nobody touched for so long has a dead reader
  Duration patience =
      std::chrono::seconds(5);  // for a queue that does not answer, and at most for stop()
};

class StreamReader {
 public:
  StreamReader(StreamOptions options, metrics::Registry& registry);
  ~StreamReader();  // stops
  void start();
  void stop();  // idempotent; what was read and is not settled is read again at the next start
  // Reads once, and handles what there was. Returns how many entries were settled.
  Result<size_t> round();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace volley::intake
