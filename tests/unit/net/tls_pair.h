// A client and a server, TLS without sockets: what one has to send, the other is fed.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <string>

#include "base/net/tls.h"
#include "base/net/tls_session.h"

namespace volley::net {

struct TlsEnd {
  std::unique_ptr<TlsSession> session;
  TlsSession::State state = TlsSession::State::kMore;
  bool ready = false;
  std::string received{};

  void feed(std::string_view wire) {
    session->feed(wire);
    if (!ready) {
      state = session->handshake();
      ready = state == TlsSession::State::kReady;
    }
    if (ready) {
      std::array<char, 20000> plain;
      size_t size = 0;
      while ((state = session->read(plain, size)) == TlsSession::State::kReady) {
        received.append(plain.data(), size);
      }
    }
    session->feed({});
  }
  std::string take() { return std::exchange(session->wire(), std::string()); }
};

struct TlsPair {
  TlsEnd client, server;

  TlsPair(TlsContext& client_context, const TlsStart& start, TlsContext& server_context) {
    auto made_client = TlsSession::make(client_context, start);
    auto made_server = TlsSession::make(server_context, {.role = TlsRole::kServer});
    EXPECT_TRUE(made_client) << made_client.error().message;
    EXPECT_TRUE(made_server);
    client.session = std::move(made_client).value();
    server.session = std::move(made_server).value();
    client.feed({});
    flow();
  }
  // Until neither has more to send.
  void flow() {
    while (!client.session->wire().empty() || !server.session->wire().empty()) {
      const std::string to_server = client.take();
      if (!to_server.empty()) server.feed(to_server);
      const std::string to_client = server.take();
      if (!to_client.empty()) client.feed(to_client);
    }
  }
};

}  // namespace volley::net
