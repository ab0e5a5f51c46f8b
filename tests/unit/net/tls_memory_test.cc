#include <gtest/gtest.h>
#include <malloc.h>

#include "tests/unit/net/tls_chain.h"
#include "tests/unit/net/tls_pair.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
extern "C" size_t __sanitizer_get_current_allocated_bytes();
#endif

namespace volley::net {
namespace {

size_t allocated() {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return __sanitizer_get_current_allocated_bytes();
#else
  const struct mallinfo2 info = ::mallinfo2();
  return info.uordblks + info.hblkhd;
#endif
}

// A bulk sender has tens of thousands of these, and remembers as many sessions.
TEST(TlsMemory, IdleConnectionsAndRememberedSessionsAreSmall) {
  constexpr size_t kClients = 50;
  const Certificate root = make_certificate({.is_ca = true, .rsa_bits = 2048});
  const Certificate middle = make_certificate({.is_ca = true, .rsa_bits = 2048}, &root);
  const Certificate leaf =
      make_certificate({.dns = {"mx1.example.com", "mx2.example.com"}, .rsa_bits = 2048}, &middle);
  auto server = TlsContext::server(identity_of(leaf, {middle, root}));
  auto client = TlsContext::client({});
  ASSERT_TRUE(server && client);
  const auto connect = [&](size_t i) {
    const TlsDemand demand{.kind = TlsDemand::Kind::kDane, .tlsa = {{2, 0, 0, root.der()}}};
    const TlsStart start = {.server_name = "mx1.example.com",
                            .demand = demand,
                            .session_key = "client " + std::to_string(i)};
    TlsPair pair(**client, start, **server);
    EXPECT_EQ(pair.client.session->info().how, TlsTrust::kDaneTa);
    pair.client.session->encrypt("EHLO example.com\r\n");
    pair.flow();
    return std::move(pair.client.session);
  };
  connect(kClients);  // what is made once
  for (const bool resumed : {false, true}) {
    const size_t before = allocated();
    std::vector<std::unique_ptr<TlsSession>> clients;
    for (size_t i = 0; i < kClients; ++i) clients.push_back(connect(i));
    EXPECT_EQ(clients.back()->info().resumed, resumed);
    const size_t connected = allocated();
    clients.clear();
    const size_t remembered = allocated();
    EXPECT_LT((connected - remembered) / kClients, 40000u);
    // First serialised, then as OpenSSL has them.
    EXPECT_LT((remembered - before) / kClients, resumed ? 6000u : 4000u);
  }
}

}  // namespace
}  // namespace volley::net
