// Peer: a scripted mail exchanger on loopback, for the tests of sites: net::Listener + smtp::Server.
//
// Ownership  Outlived by its Loop. Thread: the loop's.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/net/listener.h"
#include "base/net/loop.h"
#include "base/net/stream.h"
#include "base/net/tls.h"
#include "engine/smtp/server.h"

namespace volley::delivery {

struct PeerReply {
  int code = 250;
  std::string enhanced, text;
};

struct PeerScript {
  smtp::ServerOptions server;
  net::TlsContext* tls = nullptr;
  bool break_tls = false;             // answers STARTTLS and then talks nonsense
  std::optional<PeerReply> greeting;  // instead of 220
  std::function<std::optional<PeerReply>(const std::string& rcpt)> on_rcpt;
  std::function<std::optional<PeerReply>(const std::string& rcpt)> on_data_end;
  Duration rcpt_takes{};  // the loop's clock skips so far at each RCPT
  uint32_t die_at = 0;    // cuts the connection at the so-manieth end of data instead of answering
  uint32_t close_after = 0;  // 421 to the MAIL after so many messages, per connection
};

class Peer {
 public:
  struct Mail {
    size_t connection = 0;
    bool tls = false;
    std::string from, rcpt, content;   // rcpt: the last of `rcpts`
    std::vector<std::string> rcpts{};  // those accepted
    std::string envid{};
  };

  Peer(net::Loop& loop, PeerScript peer_script,
       const net::Endpoint& at = *net::Endpoint::from_ip("127.0.0.1", 0));
  ~Peer();
  uint16_t port() const { return listener_->port(); }

  PeerScript script;
  std::vector<Mail> mails;  // accepted ones
  size_t ends = 0;          // ends of data seen
  size_t connections = 0;   // ever
  size_t open = 0, most_open = 0;
  size_t pipelined = 0;  // reads in which a MAIL followed an end of data
  std::function<void()> on_mail;

 private:
  class Conn;
  net::Loop& loop_;
  std::list<std::unique_ptr<Conn>> conns_;
  std::unique_ptr<net::Listener> listener_;
};

}  // namespace volley::delivery
