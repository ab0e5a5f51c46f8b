// Session: one connection of the sink: the server core on a stream.
//
// Purpose    Turns events into decisions (rules, caps, logins), content into a digest, accepted messages into log lines,
//            and gives replies the shape and the delay they are to have (rule.h, delays.h). What only rude or slow sessions
//            need is made when they need it: ten thousand idle ones cost little.
// Ownership  Owned by its Worker; removes itself when the stream is dead.
// Thread     The worker's.
// Errors     None come out: a broken peer ends its session.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "base/net/stream.h"
#include "base/net/timer.h"
#include "base/random.h"
#include "engine/sink/connection.h"
#include "engine/sink/reply_queue.h"
#include "engine/sink/rule.h"
#include "engine/sink/sasl.h"
#include "engine/smtp/server.h"

namespace volley::sink {

class Worker;

class Session final : public Connection {
 public:
  Session(Worker& worker, net::StreamPtr stream, uint64_t id);
  ~Session() override;

  void start() override;
  void cut() override;

  void on_data(std::span<const char> bytes) override;
  void on_tls_ready(const net::TlsInfo& info) override;
  void on_drained() override;
  void on_closed(Error error) override;

 private:
  using Event = smtp::Server::Event;
  enum class Mode : uint8_t {
    kLive,
    kNoisy,     // answers the first bytes with noise, then is deaf
    kDeaf,      // says nothing, drops what it reads
    kShut,      // says nothing, reads nothing
    kClosing,   // closes once what was said is with the kernel
    kAborting,  // closes with a RST, now
    kLeaving,   // has said goodbye and waits for the peer to go
    kDead       // waits to be removed
  };
  enum class Verdict : uint8_t { kUsual, kTaken, kRefused };  // kUsual: not decided yet
  enum class Early : uint8_t { kNo, kTaken, kRefused };       // what was said before the data ended
  enum class Waits : uint8_t { kNothing, kDecision, kReading, kIdle };
  struct Trouble {
    Trouble(Session& session, uint64_t seed);
    ReplyQueue queue;
    net::Timer queue_timer, work_timer;
    Random random;
    Waits waits = Waits::kNothing;  // what the work timer is for
    Event held;
    std::string held_text;
    std::unique_ptr<LoginExchange> login;
  };

  // session.cc: the stream, output, time
  void pump();    // may destroy the session: the last thing a caller does
  void finish();  // the same
  void send();
  std::string collect();
  void say(std::string_view bytes);
  void say_slowly(std::string_view bytes, const Rule& rule);
  void arm_queue();
  void write_due();
  void begin_tls();
  void update_reading();
  void on_timer();
  void arm();
  Trouble& trouble();
  // session_events.cc: decisions
  void handle(const Event& event);
  void on_connected_event();
  void on_auth(const Event& event);
  void log_in(const Event& event);
  void on_mail(const Event& event);
  void on_rcpt(const Event& event);
  void on_data_start(const Event& event);
  void on_content(std::string_view content);
  void on_chunk_end();
  void on_end_of_data(const Event& event);
  bool keeps_within_meter();
  void take_message(bool chunking);
  bool spread_too_wide(std::string_view recipient) const;
  void reset();
  // session_rules.cc: misbehaving
  Verdict obey(Step step, std::string_view sender, std::span<const std::string> recipients);
  Verdict act(const Rule& rule);
  Verdict answer_as(std::string_view reply);
  void decide_as_usual();
  void act_on_body();
  void act_on_idle();
  bool speak_out_of_turn(const Rule& rule);
  void refuse_quietly(Mode mode);
  bool postpone(const Event& event);
  void wait_for_silence();
  void on_work_timer();

  Worker& worker_;
  net::StreamPtr stream_;
  const uint64_t id_;
  const uint16_t port_;  // the sender's
  smtp::Server server_;
  net::Timer timer_;
  std::unique_ptr<Trouble> trouble_;
  std::string ehlo_, user_, tls_version_;
  std::string from_;
  std::vector<std::string> recipients_, candidate_;
  std::optional<Sha256> digest_;
  const Event* event_ = nullptr;  // being handled
  uint64_t bytes_ = 0;
  uint32_t messages_ = 0;
  Mode mode_ = Mode::kLive;
  Early early_ = Early::kNo;
  bool started_ = false, open_ = false, body_seen_ = false;
  bool need_tls_ = false, closing_ = false, paused_ = false;
};

}  // namespace volley::sink
