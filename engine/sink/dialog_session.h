// DialogSession: one connection that gets a dialogue from a file instead of SMTP.
//
// Purpose    Moves a ScriptPlayer over a stream: what it says is written, TLS is begun when it asks for it. Nothing is logged
//            as a message; a client that leaves the dialogue is named in the operator's log.
// Ownership  Owned by its Worker; removes itself when the stream is dead.
// Thread     The worker's. Errors: none come out. A silent dialogue lasts as long as the peer stays.
#pragma once

#include <cstdint>

#include "base/net/stream.h"
#include "engine/sink/connection.h"
#include "engine/sink/script.h"

namespace volley::sink {

class Worker;

class DialogSession final : public Connection {
 public:
  DialogSession(Worker& worker, net::StreamPtr stream, uint64_t id);
  ~DialogSession() override;

  void start() override;
  void cut() override;
  void on_data(std::span<const char> bytes) override;
  void on_tls_ready(const net::TlsInfo& info) override;
  void on_drained() override;
  void on_closed(Error error) override;

 private:
  void play();  // may destroy the session: the last thing a caller does
  bool begin_tls();
  void close_when_written();

  Worker& worker_;
  net::StreamPtr stream_;
  const uint64_t id_;
  ScriptPlayer player_;
  bool started_ = false;  // false: TLS from the first byte is not there yet
  bool closing_ = false;
  bool dead_ = false;
};

}  // namespace volley::sink
