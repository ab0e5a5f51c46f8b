// Worker: one thread of the sink with its loop, listener, log and sessions.
//
// Purpose    What sessions share. At the end of a turn, before any reply leaves, the lines of the messages accepted
//            in it are written; if that fails, their sessions are cut off without a word.
// Ownership  Owns its sessions; Shared outlives all workers. stop() ends the thread; destroy afterwards.
// Thread     open, start, stop: the sink's owner. The rest: the worker's own.
// Errors     open: kUnavailable (port), kCantCreate (log).
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <thread>
#include <unordered_map>
#include <vector>

#include "base/net/listener.h"
#include "base/net/loop.h"
#include "base/net/tls.h"
#include "base/result.h"
#include "engine/sink/connection.h"
#include "engine/sink/message_log.h"
#include "engine/sink/meter.h"
#include "engine/sink/rule_book.h"
#include "engine/sink/sasl.h"
#include "engine/sink/script.h"
#include "engine/sink/sink.h"

namespace volley::sink {

struct Shared {
  explicit Shared(Options o)
      : options(std::move(o)),
        works_slowly(!options.delays.work_none()),
        rules(options.rules, options.seed),
        meter(options.rate, options.daily) {}
  const Options options;
  const bool works_slowly;
  RuleBook rules;
  Meter meter;
  std::unique_ptr<LoginCheck> login;  // null: no AUTH
  std::optional<Script> script;       // all that connections get
  std::unique_ptr<net::TlsContext> tls;
  std::atomic<uint64_t> open_connections{0};
  std::atomic<uint64_t> connections{0}, messages{0}, bytes{0}, refused{0};
};

class Worker final : public net::TurnHook {
 public:
  explicit Worker(Shared& shared);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  Status open(const net::Endpoint& at);
  net::Endpoint endpoint() const { return listener_->endpoint(); }
  void start();
  void stop();

  // For connections.
  Shared& shared() { return shared_; }
  net::Loop& loop() { return loop_; }
  bool logs() const { return log_ != nullptr; }
  void log(uint64_t session, const LogLine& line);
  bool has_lines() const { return log_ && !log_->empty(); }  // not yet in the file
  void remove_later(uint64_t session) {
    loop_.post([this, session] { remove(session); });
  }
  void remove(uint64_t session);  // now: the caller is gone after this

  void on_turn_end() override;

 private:
  void accept(net::StreamPtr stream);

  Shared& shared_;
  net::Loop loop_;
  std::unique_ptr<MessageLog> log_;
  std::unique_ptr<net::Listener> listener_;
  std::unordered_map<uint64_t, std::unique_ptr<Connection>> sessions_;
  std::vector<uint64_t> logged_;  // sessions with a line in this turn
  uint64_t next_session_ = 1;
  std::thread thread_;
};

}  // namespace volley::sink
