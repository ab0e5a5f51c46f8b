#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "base/net/tls.h"
#include "base/net/tls_openssl.h"
#include "base/net/tls_session.h"
#include "tests/unit/net/tls_chain.h"

namespace volley::net {
namespace {

constexpr const char* kHost = "mx.example.com";

// OpenSSL as it comes, so that it can do what our own servers never would.
class RawServer {
 public:
  RawServer(const Certificate& leaf, int version, const std::vector<Certificate>& chain = {})
      : ctx_(SSL_CTX_new(TLS_server_method())) {
    SSL_CTX_set_max_proto_version(ctx_.get(), version);
    SSL_CTX_set_num_tickets(ctx_.get(), 0);
    EXPECT_EQ(SSL_CTX_use_certificate(ctx_.get(), leaf.x509.get()), 1);
    EXPECT_EQ(SSL_CTX_use_PrivateKey(ctx_.get(), leaf.key.get()), 1);
    for (const Certificate& next : chain) {
      EXPECT_EQ(SSL_CTX_add1_chain_cert(ctx_.get(), next.x509.get()), 1);
    }
  }
  ~RawServer() { hang_up(); }
  RawServer(const RawServer&) = delete;
  RawServer& operator=(const RawServer&) = delete;

  SSL_CTX* ctx() { return ctx_.get(); }
  SSL* ssl() { return ssl_; }

  void accept() {
    hang_up();
    ssl_ = SSL_new(ctx_.get());
    SSL_set_bio(ssl_, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_accept_state(ssl_);
  }
  void feed(const std::string& wire) {
    if (!wire.empty()) BIO_write(SSL_get_rbio(ssl_), wire.data(), static_cast<int>(wire.size()));
  }
  std::string take() {
    char* data = nullptr;
    const long size = BIO_get_mem_data(SSL_get_wbio(ssl_), &data);
    std::string wire(data, static_cast<size_t>(size));
    (void)BIO_reset(SSL_get_wbio(ssl_));
    return wire;
  }

 private:
  void hang_up() {
    // In order, or it forgets the session.
    if (ssl_) SSL_set_shutdown(ssl_, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(ssl_);
  }

  SslCtxPtr ctx_;
  SSL* ssl_ = nullptr;
};

class TlsHostileTest : public testing::Test {
 protected:
  TlsHostileTest() { context_ = std::move(TlsContext::client({})).value(); }
  ~TlsHostileTest() override { ERR_clear_error(); }

  bool connect(RawServer& server, const TlsDemand& demand = {}) {
    server.accept();
    auto made = TlsSession::make(*context_, {.server_name = kHost, .demand = demand});
    EXPECT_TRUE(made);
    client_ = std::move(made).value();
    TlsSession::State state = client_->handshake();
    for (int flights = 0; flights < 5 && state == TlsSession::State::kMore; ++flights) {
      server.feed(std::exchange(client_->wire(), std::string()));
      SSL_do_handshake(server.ssl());
      wire_ = server.take();
      client_->feed(wire_);
      state = client_->handshake();
    }
    server.feed(std::exchange(client_->wire(), std::string()));
    return state == TlsSession::State::kReady && SSL_do_handshake(server.ssl()) == 1;
  }
  // What the client makes of all the server has to say.
  TlsSession::State hear(RawServer& server) {
    wire_ = server.take();
    client_->feed(wire_);
    char plain[1000];
    size_t size = 0;
    TlsSession::State state = TlsSession::State::kReady;
    while ((state = client_->read(plain, size)) == TlsSession::State::kReady) {
      received_.append(plain, size);
    }
    return state;
  }
  // `says` once for each message: a hundred are heard, one more is too many.
  void flood(RawServer& server, const std::function<void()>& says) {
    for (int i = 0; i < 100; ++i) says();
    ASSERT_EQ(SSL_write(server.ssl(), "still here", 10), 10);
    ASSERT_EQ(hear(server), TlsSession::State::kMore) << client_->error();
    EXPECT_EQ(received_, "still here");
    EXPECT_EQ(client_->encrypt("me too"), 6u);
    says();
    SSL_write(server.ssl(), "hidden behind", 13);
    EXPECT_EQ(hear(server), TlsSession::State::kFailed);
    EXPECT_NE(client_->error().find("more than 100 handshake messages"), std::string::npos)
        << client_->error();
    EXPECT_EQ(client_->encrypt("no more"), 0u);
    EXPECT_LT(client_->wire().size(), 16384u);
  }

  const Certificate leaf_ = make_certificate({.dns = {kHost}});
  std::unique_ptr<TlsContext> context_;
  std::unique_ptr<TlsSession> client_;
  std::string wire_, received_;
};

TEST_F(TlsHostileTest, KeyUpdateFlood) {
  for (const int kind : {SSL_KEY_UPDATE_NOT_REQUESTED, SSL_KEY_UPDATE_REQUESTED}) {
    RawServer server(leaf_, TLS1_3_VERSION);
    ASSERT_TRUE(connect(server));
    flood(server, [&] {
      SSL_key_update(server.ssl(), kind);
      SSL_do_handshake(server.ssl());
    });
    received_.clear();
  }
}

TEST_F(TlsHostileTest, TicketFlood) {
  RawServer server(leaf_, TLS1_3_VERSION);
  ASSERT_TRUE(connect(server));
  flood(server, [&] {
    SSL_new_session_ticket(server.ssl());
    SSL_do_handshake(server.ssl());
  });
  EXPECT_EQ(context_->remembered_sessions(), 1u);
}

TEST_F(TlsHostileTest, RenegotiationIsRefused) {
  RawServer server(leaf_, TLS1_2_VERSION);
  ASSERT_TRUE(connect(server));
  ASSERT_EQ(SSL_renegotiate(server.ssl()), 1);
  SSL_do_handshake(server.ssl());
  ASSERT_EQ(hear(server), TlsSession::State::kMore) << client_->error();
  server.feed(client_->wire());
  char plain[10];
  EXPECT_LE(SSL_read(server.ssl(), plain, sizeof plain), 0);
  EXPECT_EQ(ERR_GET_REASON(ERR_peek_error()), SSL_R_NO_RENEGOTIATION);
}

TEST_F(TlsHostileTest, HelloRequestFlood) {
  RawServer server(leaf_, TLS1_2_VERSION);
  ASSERT_TRUE(connect(server));
  flood(server, [&] {
    SSL_renegotiate(server.ssl());
    SSL_do_handshake(server.ssl());
  });
}

TEST_F(TlsHostileTest, LateAuthenticationIsNotOffered) {
  RawServer server(leaf_, TLS1_3_VERSION);
  ASSERT_TRUE(connect(server));
  SSL_set_verify(server.ssl(), SSL_VERIFY_PEER, nullptr);
  EXPECT_EQ(SSL_verify_client_post_handshake(server.ssl()), 0);
  EXPECT_EQ(ERR_GET_REASON(ERR_peek_error()), SSL_R_EXTENSION_NOT_RECEIVED);
}

TEST_F(TlsHostileTest, NoEarlyDataWhenItIsInvited) {
  RawServer server(leaf_, TLS1_3_VERSION);
  SSL_CTX_set_num_tickets(server.ctx(), 1);
  SSL_CTX_set_max_early_data(server.ctx(), 16384);
  for (const bool resumed : {false, true}) {
    ASSERT_TRUE(connect(server));
    ASSERT_EQ(hear(server), TlsSession::State::kMore);
    EXPECT_EQ(client_->info().resumed, resumed);
    EXPECT_EQ(SSL_get_early_data_status(server.ssl()), SSL_EARLY_DATA_NOT_SENT);
  }
}

TEST_F(TlsHostileTest, TicketsToBeDiscardedAtOnceAre) {
  RawServer server(leaf_, TLS1_3_VERSION);
  SSL_CTX_set_options(server.ctx(), SSL_OP_NO_TICKET);  // only stateful ones may live for 0 s
  ASSERT_TRUE(connect(server));
  for (const long lifetime : {0L, 60L}) {
    SSL_SESSION_set_timeout(SSL_get_session(server.ssl()), lifetime);
    ASSERT_EQ(SSL_new_session_ticket(server.ssl()), 1);
    SSL_do_handshake(server.ssl());
    ASSERT_EQ(hear(server), TlsSession::State::kMore) << client_->error();
    EXPECT_EQ(context_->remembered_sessions(), lifetime == 60 ? 1u : 0u);
  }
}

TEST_F(TlsHostileTest, HugeChain) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    const std::vector<Certificate> chain(1000, leaf_);
    RawServer server(leaf_, version, chain);
    EXPECT_FALSE(connect(server));
    EXPECT_EQ(client_->handshake(), TlsSession::State::kFailed);
    EXPECT_EQ(client_->failure(), TlsFailure::kValidationFailure);
    EXPECT_EQ(context_->remembered_sessions(), 0u);
  }
}

TEST_F(TlsHostileTest, HugeDiffieHellmanGroup) {
  const Certificate rsa = make_certificate({.dns = {kHost}, .rsa_bits = 2048});
  for (const char* group : {"ffdhe4096", "ffdhe6144"}) {
    RawServer server(leaf_, TLS1_2_VERSION);
    const std::unique_ptr<EVP_PKEY_CTX, Freer<EVP_PKEY_CTX_free>> maker(
        EVP_PKEY_CTX_new_from_name(nullptr, "DH", nullptr));
    EVP_PKEY* made = nullptr;
    ASSERT_EQ(EVP_PKEY_paramgen_init(maker.get()), 1);
    ASSERT_EQ(EVP_PKEY_CTX_set_group_name(maker.get(), group), 1);
    ASSERT_EQ(EVP_PKEY_paramgen(maker.get(), &made), 1);
    ASSERT_EQ(SSL_CTX_set0_tmp_dh_pkey(server.ctx(), made), 1);
    ASSERT_EQ(SSL_CTX_set_cipher_list(server.ctx(), "DHE:@SECLEVEL=0"), 1);
    ASSERT_EQ(SSL_CTX_use_certificate(server.ctx(), rsa.x509.get()), 1);
    ASSERT_EQ(SSL_CTX_use_PrivateKey(server.ctx(), rsa.key.get()), 1);
    const bool small = std::string_view(group) == "ffdhe4096";
    EXPECT_EQ(connect(server), small) << client_->error();
    EXPECT_EQ(client_->error(),
              small ? "" : "TLS handshake: Diffie-Hellman group of more than 4096 bits");
  }
}

TEST_F(TlsHostileTest, TicketsForOneUseAreUsedOnce) {
  RawServer server(leaf_, TLS1_3_VERSION);
  SSL_CTX_set_num_tickets(server.ctx(), 1);
  SSL_CTX_set_max_early_data(server.ctx(), 1);  // makes OpenSSL strict
  ASSERT_TRUE(connect(server));
  ASSERT_EQ(hear(server), TlsSession::State::kMore);
  ASSERT_TRUE(connect(server));
  EXPECT_TRUE(client_->info().resumed);
  EXPECT_EQ(context_->remembered_sessions(), 1u) << "the new ticket is not heard of yet";
  ASSERT_TRUE(connect(server));
  EXPECT_FALSE(client_->info().resumed);
  EXPECT_EQ(context_->remembered_sessions(), 0u);
}

TEST_F(TlsHostileTest, EndlesslySignedChain) {
  const Certificate anchor = make_certificate({.common_name = "Anchor", .is_ca = true});
  for (const int length : {10, 11}) {
    std::vector<Certificate> chain = {anchor};
    for (int i = 0; i < length; ++i) {
      const std::string name = "CA " + std::to_string(i);
      chain.insert(chain.begin(),
                   make_certificate({.common_name = name, .is_ca = true}, &chain.front()));
    }
    RawServer server(make_certificate({.dns = {kHost}}, &chain.front()), TLS1_3_VERSION, chain);
    const TlsDemand demand{.kind = TlsDemand::Kind::kDane, .tlsa = {{2, 0, 0, anchor.der()}}};
    EXPECT_EQ(connect(server, demand), length == 10);
    EXPECT_EQ(client_->failure(),
              length == 10 ? TlsFailure::kNone : TlsFailure::kCertificateNotTrusted);
  }
}

}  // namespace
}  // namespace volley::net
