// Session: one connection to a mail exchanger: smtp::Client + net::Stream + one Timer.
//
// Purpose    Connects, upgrades to TLS when the client core asks for it, feeds and flushes the core, takes the next message
//            from its Owner whenever the core can take one, quits after its share of messages, when idle, or when told to.
// Ownership  The Owner owns it and destroys it after on_session_gone(), never from inside a callback. The Owner's callbacks
//            may call step() and quit().
// Thread     The loop's.
// Order      connected, ready, results..., ended (no message is in flight any more), gone (the connection is closed).
// Not for    Choosing hosts, judging outcomes.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/net/stream.h"
#include "base/net/timer.h"
#include "base/net/tls.h"
#include "engine/delivery/active_work.h"
#include "engine/delivery/hosts.h"
#include "engine/delivery/tls_plan.h"
#include "engine/smtp/client.h"

namespace volley::net {
class Loop;
}

namespace volley::delivery {

struct Message {
  ActiveWork* work = nullptr;
  std::vector<uint32_t> indexes;  // of the work's recipients, the same message for all; as `rcpts`
  smtp::Body body;
  std::string mail_from, envid;
  std::vector<std::string> rcpts;
};

struct InFlight {
  smtp::TxnId txn = 0;
  ActiveWork* work = nullptr;
  std::vector<uint32_t> indexes;
  smtp::Body body;
  TimePoint since{};
  std::vector<smtp::RcptResult> refused;  // by RCPT number
};

struct SessionOptions {
  smtp::ClientOptions client;
  std::shared_ptr<Host> host;
  std::vector<net::Endpoint>
      addresses;  // the first is connected to; the rest are kept for the Owner
  std::optional<net::Endpoint> source;
  net::TlsContext* tls = nullptr;
  TlsPlan plan;
  Duration connect_timeout = std::chrono::seconds(30);
  Duration idle = std::chrono::seconds(5);
  uint32_t messages = 100;
  uint32_t recipients = 100;  // per transaction
};

struct SessionEnd {
  bool connected = false, ready = false;
  bool timed_out = false;  // no answer to the connection request
  bool local =
      false;  // never connected for want of something here: descriptors, ports, the source address
  net::TlsFailure tls_failure = net::TlsFailure::kNone;
  smtp::Closed closed;
  smtp::Quirks quirks = 0;
  uint32_t answered = 0;  // transactions the receiver had a word on
};

class Session final : public net::StreamListener {
 public:
  class Owner {
   public:
    virtual ~Owner() = default;
    virtual void on_session_connected(Session& session) = 0;
    virtual void on_session_ready(Session& session) = 0;
    virtual bool next_message(Session& session, Message& message) = 0;
    virtual void on_result(Session& session, InFlight sent, const smtp::TxnResult& result) = 0;
    virtual void on_session_ended(Session& session, const SessionEnd& end) = 0;
    virtual void on_session_gone(Session& session) = 0;
  };

  Session(net::Loop& loop, Owner& owner, SessionOptions options);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  void step();  // there may be something to do: events, messages, bytes
  void quit();  // finish what was submitted, then QUIT; a connection not yet ready is dropped

  const std::shared_ptr<Host>& host() const { return options_.host; }
  const std::vector<net::Endpoint>& addresses() const { return options_.addresses; }
  const std::string& source() const { return source_; }  // our address, once connected
  uint32_t submitted() const { return submitted_; }
  size_t in_flight() const { return in_flight_.size(); }
  bool ready() const { return ready_ && state_ == State::kOpen && !quitting_; }
  bool opening() const { return !ready_ && state_ <= State::kOpen; }
  bool idle() const { return ready() && in_flight_.empty(); }
  bool gone() const { return state_ == State::kGone; }
  bool tls() const { return client_.tls(); }
  const net::TlsInfo& tls_info() const { return tls_info_; }
  const TlsPlan& plan() const { return options_.plan; }
  bool streams() const { return options_.client.chunking == smtp::Chunking::kStream; }
  const smtp::Capabilities& caps() const { return client_.caps(); }
  uint32_t recipient_limit() const { return options_.recipients; }
  void limit_recipients(uint32_t most) {  // 0: nothing was said
    if (most > 0) options_.recipients = std::min(options_.recipients, most);
  }

  void on_connected() override;
  void on_data(std::span<const char> bytes) override;
  void on_tls_ready(const net::TlsInfo& info) override;
  void on_drained() override;
  void on_closed(Error error) override;

 private:
  enum class State : uint8_t { kConnecting, kOpen, kLingering, kGone };
  void on_timer();
  bool handle(const smtp::ClientEvent& event, TimePoint now);
  void start_tls(TimePoint now);
  bool fill(TimePoint now);
  size_t write_out(TimePoint now);
  void arm(TimePoint now);
  void on_client_closed(const smtp::Closed& closed);
  enum class Unconnected : uint8_t { kRefused, kTimedOut, kLocal };
  void never_connected(std::string why, Unconnected how);
  void gone_now();

  net::Loop& loop_;
  Owner& owner_;
  SessionOptions options_;
  smtp::Client client_;
  net::Timer timer_;
  net::StreamPtr stream_;
  State state_ = State::kConnecting;
  bool ready_ = false, quitting_ = false, stepping_ = false, in_handshake_ = false;
  std::optional<smtp::Closed> closed_;
  std::vector<InFlight> in_flight_;
  std::string source_;
  net::TlsInfo tls_info_;
  uint32_t submitted_ = 0, answered_ = 0;
  smtp::TxnId last_txn_ = 0;
  TimePoint idle_at_ = kNever;  // when an idle session says goodbye
};

}  // namespace volley::delivery
