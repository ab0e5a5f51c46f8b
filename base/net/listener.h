// A listening socket, TCP or Unix.
//
// Purpose   Accepts connections and hands each over as a StreamPtr; whoever gets it calls
// set_listener() on it, or
//           drops it, which closes it. Port 0 takes a free one: endpoint() tells.
// Ownership Destroying it stops listening; accepted streams live on. The callback may destroy the
// Listener. Thread    The loop's. Errors    kUnavailable "address in use" with a remedy;
// kNoPermission for a privileged port; kConfig for an address
//           that this machine does not have. A connection that fails while being accepted is
//           dropped silently.
#pragma once

#include <functional>
#include <memory>

#include "base/net/endpoint.h"
#include "base/net/stream.h"
#include "base/result.h"

namespace volley::net {

class Loop;

struct ListenOptions {
  bool reuse_port = false;  // SO_REUSEPORT: several listeners on one port, one per loop
  int backlog = 1024;
};

class Listener {
 public:
  using Accept = std::function<void(StreamPtr)>;

  static Result<std::unique_ptr<Listener>> listen(Loop& loop, const Endpoint& at, Accept accept,
                                                  const ListenOptions& options = {});
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  Endpoint endpoint() const;  // as bound
  uint16_t port() const;      // 0 for a Unix socket

 private:
  struct Handle;
  explicit Listener(Handle* handle) : handle_(handle) {}
  Handle* handle_;  // freed by the loop once closed
};

}  // namespace volley::net
