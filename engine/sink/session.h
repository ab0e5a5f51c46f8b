// Session: one connection of the sink: the server core on a stream.
//
// Purpose    Turns events into decisions (rules, caps), content into a digest, accepted messages into log lines. With
//            a `delay`, what answers one read leaves that much later, in order: like distance, it slows each
//            exchange, not the receiver.
// Ownership  Owned by its Worker; removes itself when the stream is dead.
// Thread     The worker's.
// Errors     None come out: a broken peer ends its session.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "base/net/stream.h"
#include "base/net/timer.h"
#include "engine/sink/sink.h"
#include "engine/smtp/server.h"

namespace volley::sink {

class Worker;

class Session final : public net::StreamListener {
 public:
  Session(Worker& worker, net::StreamPtr stream, uint64_t id);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  void start();
  void cut();  // no further byte

  void on_data(std::span<const char> bytes) override;
  void on_tls_ready(const net::TlsInfo& info) override;
  void on_drained() override;
  void on_closed(Error error) override;

 private:
  using Event = smtp::Server::Event;
  void pump();  // may destroy the session: the last thing a caller does
  void handle(const Event& event);
  void on_connected_event();
  void on_mail(const Event& event);
  void on_rcpt(const Event& event);
  void on_end_of_data(const Event& event);
  bool obey(Step step, std::string_view sender, std::span<const std::string> recipients);
  void send();
  void write_due();
  void follow_up();
  void on_timer();
  void arm();
  void reset();

  Worker& worker_;
  net::StreamPtr stream_;
  const uint64_t id_;
  smtp::Server server_;
  net::Timer timer_;
  std::optional<net::Timer> delay_timer_;
  std::deque<std::pair<TimePoint, std::string>> delayed_;
  std::string from_;
  std::vector<std::string> recipients_, candidate_;
  std::optional<Sha256> digest_;
  uint64_t bytes_ = 0;
  uint32_t messages_ = 0;
  bool need_tls_ = false, closing_ = false, ended_ = false, dead_ = false;
};

}  // namespace volley::sink
