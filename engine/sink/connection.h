// Connection: what a Worker keeps of each peer, whether it gets SMTP or a dialogue.
//
// Ownership  Owned by its Worker; removes itself when the stream is dead. Thread: the worker's.
#pragma once

#include "base/net/stream.h"

namespace volley::sink {

class Connection : public net::StreamListener {
 public:
  Connection() = default;
  ~Connection() override = default;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  virtual void start() = 0;  // may destroy the connection
  virtual void cut() = 0;    // no further byte
};

}  // namespace volley::sink
