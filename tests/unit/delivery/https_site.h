// A web server over TLS on the test's own loop, which answers what the test says, or worse.
//
// Ownership  The loop outlives it. Thread: the loop's.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "base/net/listener.h"
#include "base/net/loop.h"
#include "base/net/stream.h"
#include "base/net/timer.h"
#include "base/net/tls.h"

namespace volley::delivery {

class HttpsSite {
 public:
  enum class Manner {
    kReply,   // then closes
    kSilent,  // takes the request and says nothing
    kDrip,    // the reply again and again, piece by piece, without end
    kNoTls,   // the reply at once, in the clear
    kMute,    // does not even begin with TLS
  };

  HttpsSite(net::Loop& loop, const net::TlsIdentity& identity,
            net::Endpoint at = net::Endpoint::v4({127, 0, 0, 1}, 0));
  ~HttpsSite();
  uint16_t port() const { return listener_->port(); }

  Manner manner = Manner::kReply;
  std::string reply;
  std::vector<std::string> requests;
  size_t connections = 0;
  size_t open = 0, most_open = 0;  // not answered yet

 private:
  struct Visitor;
  void accept(net::StreamPtr stream);

  net::Loop& loop_;
  std::unique_ptr<net::TlsContext> tls_;
  std::list<std::unique_ptr<Visitor>> visitors_;
  std::unique_ptr<net::Listener> listener_;
};

}  // namespace volley::delivery
