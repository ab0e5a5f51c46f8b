// What the tests of base/net share: a loop that must end empty, and listeners that record.
//
// Ownership The fixture's loop is destroyed last; ~Loop aborts when a test leaks a handle.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/net/listener.h"
#include "base/net/loop.h"
#include "base/net/stream.h"
#include "base/net/timer.h"

namespace volley::net {

// Turns the loop until `done`; a test that hangs fails after a minute instead.
inline bool run_until(Loop& loop, const std::function<bool()>& done) {
  bool expired = false;
  Timer watchdog(loop, [&] { expired = true; });
  watchdog.set_after(std::chrono::seconds(60));
  while (!done() && !expired) loop.run_once(true);
  return done();
}

// A few turns in which nothing is awaited: what should not happen gets its chance to.
inline void idle_turns(Loop& loop, int turns = 5) {
  for (int i = 0; i < turns; ++i) loop.run_once(false);
}

struct Probe : StreamListener {
  std::string received;
  size_t connected = 0;
  size_t drained = 0;
  size_t closed = 0;
  std::optional<TlsInfo> tls;
  std::optional<Error> error;
  size_t calls = 0;  // of any kind

  std::function<void()> when_connected, when_drained, when_closed, when_tls;
  std::function<void(std::span<const char>)> when_data;

  void on_connected() override {
    ++calls, ++connected;
    if (when_connected) when_connected();
  }
  void on_data(std::span<const char> bytes) override {
    ++calls;
    received.append(bytes.data(), bytes.size());
    if (when_data) when_data(bytes);
  }
  void on_tls_ready(const TlsInfo& info) override {
    ++calls;
    tls = info;
    if (when_tls) when_tls();
  }
  void on_drained() override {
    ++calls, ++drained;
    if (when_drained) when_drained();
  }
  void on_closed(Error e) override {
    ++calls, ++closed;
    error = std::move(e);
    if (when_closed) when_closed();
  }
};

class NetTest : public testing::Test {
 protected:
  static Endpoint loopback(uint16_t port = 0) { return Endpoint::v4({127, 0, 0, 1}, port); }

  // Listens and keeps the last accepted stream with `server_side` as its listener.
  void serve() {
    auto made = Listener::listen(loop, loopback(), [this](StreamPtr accepted) {
      server = std::move(accepted);
      server->set_listener(server_side);
    });
    ASSERT_TRUE(made) << made.error().message;
    listener = std::move(made).value();
  }
  // A connected pair: `client` with `client_side`, `server` with `server_side`.
  void make_pair() {
    serve();
    client = connect(loop, listener->endpoint(), std::nullopt, client_side);
    ASSERT_TRUE(run_until(loop, [&] { return client_side.connected == 1 && server; }));
  }

  Loop loop;
  Probe client_side, server_side;
  std::unique_ptr<Listener> listener;
  StreamPtr client, server;
};

}  // namespace volley::net
