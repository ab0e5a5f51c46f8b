// Row 43 of tests/dialog/README.md: session tickets and early data. Our sessions are resumed, but nothing is ever sent
// or taken before the handshake is over, and a ticket that is worth nothing costs a full handshake, not the connection.
// The other end is OpenSSL itself, with early data switched on.
#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include <memory>
#include <set>

#include "tests/unit/delivery/delivery_dialog.h"
#include "tests/unit/net/tls_chain.h"
#include "tests/unit/net/tls_pair.h"

namespace volley::net {
namespace {

const delivery::testing::ShowsRow kRow(43);

constexpr uint16_t kPreSharedKey = 41, kEarlyData = 42;
constexpr const char* kHost = "mx.example.com";
constexpr uint32_t kMuch = 16384;

using Ctx = std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)>;

// The types of a ClientHello's extensions (RFC 8446 section 4.1.2), which begins what a client has to say.
std::set<uint16_t> extensions(const std::string& wire) {
  const auto u8 = [&](size_t at) { return static_cast<size_t>(static_cast<uint8_t>(wire.at(at))); };
  const auto u16 = [&](size_t at) { return u8(at) << 8 | u8(at + 1); };
  size_t at = 5 + 4 + 2 + 32;  // record, handshake message, version, random
  at += 1 + u8(at);            // session id
  at += 2 + u16(at);           // cipher suites
  at += 1 + u8(at);            // compression
  const size_t end = at + 2 + u16(at);
  std::set<uint16_t> out;
  for (at += 2; at < end; at += 4 + u16(at + 2)) out.insert(static_cast<uint16_t>(u16(at)));
  return out;
}

// OpenSSL on memory BIOs.
struct Raw {
  SSL* ssl;
  BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
  explicit Raw(SSL_CTX* ctx) : ssl(SSL_new(ctx)) { SSL_set_bio(ssl, in, out); }
  ~Raw() {
    // As if it had ended well; else OpenSSL forgets the session.
    SSL_set_shutdown(ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(ssl);
  }
  Raw(const Raw&) = delete;
  Raw& operator=(const Raw&) = delete;
  void feed(const std::string& wire) const {
    if (!wire.empty()) BIO_write(in, wire.data(), static_cast<int>(wire.size()));
  }
  std::string take() const {
    char* data = nullptr;
    const long size = BIO_get_mem_data(out, &data);
    std::string wire(data, static_cast<size_t>(size));
    (void)BIO_reset(out);
    return wire;
  }
};

class EarlyDataTest : public testing::Test {
 protected:
  const Certificate leaf_ = make_certificate({.dns = {kHost}});

  // A server whose tickets invite to early data.
  Ctx inviting_server() const {
    Ctx ctx(SSL_CTX_new(TLS_server_method()), &SSL_CTX_free);
    SSL_CTX_use_certificate(ctx.get(), leaf_.x509.get());
    SSL_CTX_use_PrivateKey(ctx.get(), leaf_.key.get());
    SSL_CTX_set_max_early_data(ctx.get(), kMuch);
    SSL_CTX_set_recv_max_early_data(ctx.get(), kMuch);
    return ctx;
  }
  static std::unique_ptr<TlsContext> our_client() {
    auto made = TlsContext::client({});
    EXPECT_TRUE(made);
    return std::move(made).value();
  }

  struct Seen {
    std::set<uint16_t> hello;
    bool ready = false, resumed = false;
    int early_data = -1;
  };
  // Our client, their server.
  static Seen meet(TlsContext& context, SSL_CTX* server_ctx) {
    TlsEnd client;
    auto made = TlsSession::make(context, {.server_name = kHost});
    EXPECT_TRUE(made);
    client.session = std::move(made).value();
    client.feed({});
    const Raw server(server_ctx);
    SSL_set_accept_state(server.ssl);
    Seen seen;
    std::string to_server = client.take();
    seen.hello = extensions(to_server);
    std::string early(64, '\0');
    size_t got = 0;
    bool early_over = false;  // as a server does that wants early data, until there is none
    for (int turn = 0; turn < 6; ++turn) {
      server.feed(to_server);
      if (!early_over) {
        early_over = SSL_read_early_data(server.ssl, early.data(), early.size(), &got) ==
                     SSL_READ_EARLY_DATA_FINISH;
      }
      if (early_over) SSL_do_handshake(server.ssl);
      const std::string to_client = server.take();
      if (!to_client.empty()) client.feed(to_client);
      to_server = client.take();
    }
    EXPECT_EQ(got, 0u);
    seen.ready = client.ready && SSL_is_init_finished(server.ssl);
    if (client.ready) seen.resumed = client.session->info().resumed;
    seen.early_data = SSL_get_early_data_status(server.ssl);
    return seen;
  }
};

TEST_F(EarlyDataTest, NoneIsOfferedToAServerThatInvitesIt) {
  const Ctx server = inviting_server();
  const auto client = our_client();
  const Seen first = meet(*client, server.get());
  ASSERT_TRUE(first.ready);
  EXPECT_FALSE(first.resumed);
  const Seen second = meet(*client, server.get());
  ASSERT_TRUE(second.ready);
  EXPECT_TRUE(second.resumed);
  EXPECT_TRUE(second.hello.contains(kPreSharedKey)) << "the ticket is used";
  EXPECT_FALSE(second.hello.contains(kEarlyData)) << "for nothing but resumption";
  EXPECT_EQ(second.early_data, SSL_EARLY_DATA_NOT_SENT);
}

TEST_F(EarlyDataTest, ATicketThatIsGarbageToTheServerCostsAFullHandshake) {
  const auto client = our_client();
  ASSERT_TRUE(meet(*client, inviting_server().get()).ready);
  const Ctx other = inviting_server();  // its keys are its own
  const Seen next = meet(*client, other.get());
  EXPECT_TRUE(next.hello.contains(kPreSharedKey));
  EXPECT_TRUE(next.ready);
  EXPECT_FALSE(next.resumed);
  EXPECT_EQ(next.early_data, SSL_EARLY_DATA_NOT_SENT);
}

SSL_SESSION* kept = nullptr;  // by the callback below: the last ticket

int keep(SSL*, SSL_SESSION* session) {
  SSL_SESSION_free(kept);
  kept = session;
  return 1;
}

// Their client with early data in its first flight; true when the handshake came about.
bool visit(SSL_CTX* ctx, SSL_SESSION* ticket, TlsContext& ours, int& status, std::string& taken) {
  const Raw client(ctx);
  SSL_set_connect_state(client.ssl);
  if (ticket != nullptr) {
    SSL_set_session(client.ssl, ticket);
    size_t written = 0;
    EXPECT_EQ(SSL_write_early_data(client.ssl, "MAIL FROM:<>\r\n", 14, &written), 1);
  } else {
    SSL_do_handshake(client.ssl);
  }
  TlsEnd server;
  server.session = std::move(TlsSession::make(ours, {.role = TlsRole::kServer})).value();
  for (int turn = 0; turn < 6; ++turn) {
    const std::string to_server = client.take();
    if (!to_server.empty()) server.feed(to_server);
    client.feed(server.take());
    SSL_do_handshake(client.ssl);
    char byte = 0;
    if (SSL_is_init_finished(client.ssl)) SSL_read(client.ssl, &byte, 1);  // tickets
  }
  status = SSL_get_early_data_status(client.ssl);
  taken = server.received;
  return server.ready && SSL_is_init_finished(client.ssl);
}

TEST_F(EarlyDataTest, NoneIsTakenByOurServer) {
  auto ours = TlsContext::server(identity_of(leaf_));
  ASSERT_TRUE(ours);
  const Ctx ctx(SSL_CTX_new(TLS_client_method()), &SSL_CTX_free);
  SSL_CTX_set_session_cache_mode(ctx.get(), SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(ctx.get(), &keep);
  int status = -1;
  std::string taken;
  ASSERT_TRUE(visit(ctx.get(), nullptr, **ours, status, taken));
  ASSERT_NE(kept, nullptr);
  EXPECT_EQ(SSL_SESSION_get_max_early_data(kept), 0u) << "our tickets do not invite it";
  // Somebody who sends it all the same, twice with the same ticket: a replay.
  SSL_SESSION* original = std::exchange(kept, nullptr);
  SSL_SESSION_set_max_early_data(original, kMuch);
  for (int time = 0; time < 2; ++time) {
    SSL_SESSION* ticket = SSL_SESSION_dup(original);
    EXPECT_TRUE(visit(ctx.get(), ticket, **ours, status, taken)) << time;
    EXPECT_EQ(status, SSL_EARLY_DATA_REJECTED) << time;
    EXPECT_EQ(taken, "") << time;
    SSL_SESSION_free(ticket);
  }
  SSL_SESSION_free(original);
  SSL_SESSION_free(std::exchange(kept, nullptr));
}

}  // namespace
}  // namespace volley::net
