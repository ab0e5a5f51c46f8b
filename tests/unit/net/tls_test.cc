#include "base/net/tls.h"

#include <unistd.h>

#include "base/files.h"
#include "tests/unit/net/net_fixture.h"
#include "tests/unit/net/tls_pair.h"

namespace volley::net {
namespace {

class TlsTest : public NetTest {
 protected:
  TlsTest() {
    auto identity = make_self_signed("mail.example.com");
    EXPECT_TRUE(identity) << identity.error().message;
    identity_ = *identity;
    server_context = std::move(TlsContext::server(identity_)).value();
    client_context = std::move(TlsContext::client({})).value();
  }
  void start_both(const std::string& name = "mail.example.com") {
    ASSERT_TRUE(server->start_tls(*server_context, {.role = TlsRole::kServer}));
    ASSERT_TRUE(client->start_tls(*client_context, {.server_name = name, .demand = demand}));
  }
  void handshake() {
    make_pair();
    start_both();
    ASSERT_TRUE(run_until(loop, [&] { return client_side.tls && server_side.tls; }));
  }
  // A client that trusts exactly our own certificate.
  void use_verifying_client() {
    std::string path = testing::TempDir() + "volley-ca-XXXXXX";
    const int fd = ::mkstemp(path.data());
    ASSERT_GE(fd, 0);
    ::close(fd);
    ASSERT_TRUE(write_file_atomically(path, identity_.certificate_pem));
    auto made = TlsContext::client({.ca_file = path, .system_cas = false});
    ::unlink(path.c_str());
    ASSERT_TRUE(made) << made.error().message;
    client.reset();
    verifying = std::move(made).value();
    std::swap(client_context, verifying);
    demand.kind = TlsDemand::Kind::kPkix;
  }
  TlsIdentity identity_;
  TlsDemand demand;
  std::unique_ptr<TlsContext> server_context, client_context, verifying;
  // Streams must go before their contexts; members of this class go first.
  ~TlsTest() override { client.reset(), server.reset(), idle_turns(loop); }
};

TEST_F(TlsTest, EchoOverOpportunisticTls) {
  handshake();
  EXPECT_EQ(client_side.tls->version, "TLSv1.3");
  EXPECT_FALSE(client_side.tls->cipher.empty());
  EXPECT_FALSE(client_side.tls->verified);
  EXPECT_FALSE(client_side.tls->resumed);
  EXPECT_TRUE(client->is_tls());
  server_side.when_data = [&](std::span<const char> b) { server->write({b.data(), b.size()}); };
  client->write("secret");
  ASSERT_TRUE(run_until(loop, [&] { return client_side.received == "secret"; }));
  EXPECT_EQ(client->pending(), 0u);
}

TEST_F(TlsTest, StartTlsKeepsWhatWasWrittenBeforeInTheClear) {
  make_pair();
  server_side.when_data = [&](std::span<const char>) {
    if (server_side.received != "STARTTLS\r\n") return;
    server->write("220 go ahead\r\n");
    ASSERT_TRUE(server->start_tls(*server_context, {.role = TlsRole::kServer}));
    server->write("first words over TLS");
  };
  client_side.when_data = [&](std::span<const char>) {
    if (client_side.received != "220 go ahead\r\n") return;
    ASSERT_TRUE(client->start_tls(*client_context, {.server_name = "mail.example.com"}));
    client->write("EHLO again\r\n");
  };
  client->write("STARTTLS\r\n");
  ASSERT_TRUE(run_until(loop, [&] {
    return server_side.received == "STARTTLS\r\nEHLO again\r\n" &&
           client_side.received == "220 go ahead\r\nfirst words over TLS";
  }));
}

TEST_F(TlsTest, PlaintextAfterTheAgreementIsRefused) {
  make_pair();
  const Status status = client->start_tls(
      *client_context, {.server_name = "mail.example.com", .unread_plaintext = 7});
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, Errc::kProtocol);
  EXPECT_FALSE(client->is_tls());
}

TEST_F(TlsTest, PlaintextInsteadOfAHandshakeCloses) {
  make_pair();
  ASSERT_TRUE(client->start_tls(*client_context, {.server_name = "mail.example.com"}));
  server->write("250 injected\r\n");
  ASSERT_TRUE(run_until(loop, [&] { return client_side.closed == 1; }));
  EXPECT_EQ(client_side.error->code, Errc::kProtocol);
  EXPECT_EQ(client_side.received, "");
}

TEST_F(TlsTest, EndlessHandshakeIsCut) {
  make_pair();
  ASSERT_TRUE(client->start_tls(*client_context, {.server_name = "mail.example.com"}));
  // Well-formed records of an endless, never finished handshake message (Certificate, 16 MB announced).
  std::string flood("\x16\x03\x03\x40\x00\x0b\xff\xff\xff", 9);
  flood += std::string(0x4000 - 4, 'c');
  for (int i = 0; i < 40; ++i) server->write(flood);
  ASSERT_TRUE(run_until(loop, [&] { return client_side.closed == 1; }));
  EXPECT_EQ(client_side.error->code, Errc::kProtocol);
}

TEST_F(TlsTest, VerifiedWhenTrusted) {
  use_verifying_client();
  handshake();
  EXPECT_TRUE(client_side.tls->verified);
  EXPECT_EQ(client_side.tls->verify_error, "");
  EXPECT_EQ(client_side.tls->how, TlsTrust::kPkix);
  EXPECT_EQ(client_side.tls->matched_name, "mail.example.com");
  EXPECT_EQ(client->tls_failure(), TlsFailure::kNone);
}

TEST_F(TlsTest, WrongNameIsRefused) {
  use_verifying_client();
  make_pair();
  TlsFailure failure = TlsFailure::kNone;
  client_side.when_closed = [&] { failure = client->tls_failure(); };
  start_both("other.example.com");
  ASSERT_TRUE(run_until(loop, [&] { return client_side.closed == 1 && server_side.closed == 1; }));
  EXPECT_EQ(client_side.error->code, Errc::kProtocol);
  EXPECT_NE(client_side.error->message.find("certificate refused"), std::string::npos)
      << client_side.error->message;
  EXPECT_EQ(server_side.error->code, Errc::kProtocol) << "the alert reached the server";
  EXPECT_FALSE(client_side.tls);
  EXPECT_EQ(failure, TlsFailure::kCertificateHostMismatch) << "told in on_closed()";
}

TEST_F(TlsTest, UntrustedIsRefusedWhenVerifying) {
  use_verifying_client();
  server_context = std::move(TlsContext::self_signed_server("mail.example.com")).value();
  make_pair();
  start_both();
  ASSERT_TRUE(run_until(loop, [&] { return client_side.closed == 1; }));
  EXPECT_EQ(client_side.error->code, Errc::kProtocol);
}

TEST_F(TlsTest, SecondConnectionResumes) {
  for (int round = 0; round < 2; ++round) {
    handshake();
    server->write("so that the ticket is read");
    ASSERT_TRUE(run_until(loop, [&] { return !client_side.received.empty(); }));
    EXPECT_EQ(client_side.tls->resumed, round == 1);
    EXPECT_EQ(client_context->remembered_sessions(), 1u);
    client.reset();
    server.reset();
    client_side = Probe();
    server_side = Probe();
  }
}

TEST_F(TlsTest, SessionsAreBounded) {
  client_context = std::move(TlsContext::client({.max_sessions = 2})).value();
  for (const char* name : {"a.example.com", "b.example.com", "c.example.com"}) {
    make_pair();
    start_both(name);
    ASSERT_TRUE(run_until(loop, [&] { return client_side.tls && server_side.tls; }));
    server->write("x");
    ASSERT_TRUE(run_until(loop, [&] { return !client_side.received.empty(); }));
    client.reset();
    server.reset();
    client_side = Probe();
    server_side = Probe();
  }
  EXPECT_EQ(client_context->remembered_sessions(), 2u);
}

TEST_F(TlsTest, TenMegabytesBothWaysWithPauses) {
  handshake();
  constexpr size_t kTotal = 10u << 20;
  const std::string block(kTotal, 'q');
  size_t at_server = 0, at_client = 0;
  int pauses = 0;
  Timer resume(loop, [&] { client->resume_reading(); });
  server_side.when_data = [&](std::span<const char> b) {
    at_server += b.size(), server_side.received.clear();
  };
  client_side.when_data = [&](std::span<const char> b) {
    at_client += b.size(), client_side.received.clear();
    if (at_client / (1u << 20) > static_cast<size_t>(pauses)) {
      ++pauses;
      client->pause_reading();
      resume.set_after(std::chrono::milliseconds(1));
    }
  };
  client->write(block);
  server->write(block);
  EXPECT_EQ(client->pending(), kTotal);
  ASSERT_TRUE(run_until(loop, [&] { return at_server == kTotal && at_client == kTotal; }));
  EXPECT_GE(pauses, 9);
  // Handshake records may still be on their way out of the server.
  ASSERT_TRUE(run_until(loop, [&] { return client->pending() == 0 && server->pending() == 0; }));
}

TEST_F(TlsTest, PauseInsideOnDataHoldsTheRest) {
  handshake();
  client_side.when_data = [&](std::span<const char>) { client->pause_reading(); };
  for (int i = 0; i < 4; ++i) server->write(std::string(16384, static_cast<char>('a' + i)));
  ASSERT_TRUE(run_until(loop, [&] { return !client_side.received.empty(); }));
  idle_turns(loop, 10);
  EXPECT_LT(client_side.received.size(), 65536u);
  client_side.when_data = nullptr;
  const size_t calls = client_side.calls;
  client->resume_reading();
  EXPECT_EQ(client_side.calls, calls) << "never from inside resume_reading()";
  ASSERT_TRUE(run_until(loop, [&] { return client_side.received.size() == 65536u; }));
  EXPECT_EQ(client_side.received.back(), 'd');
}

// What is written in small pieces leaves in records as big as TLS has them.
TEST_F(TlsTest, RecordsAreFilled) {
  make_pair();
  auto by_hand = TlsSession::make(*server_context, {.role = TlsRole::kServer});
  ASSERT_TRUE(by_hand);
  TlsEnd peer{std::move(by_hand).value()};
  server_side.when_data = [&](std::span<const char> bytes) {
    peer.feed({bytes.data(), bytes.size()});
    server->write(peer.take());
  };
  ASSERT_TRUE(client->start_tls(*client_context, {.server_name = "mail.example.com"}));
  ASSERT_TRUE(run_until(loop, [&] { return peer.ready && client_side.tls; }));
  constexpr size_t kPieces = 200, kPiece = 5000, kRecord = 16384, kOverhead = 17;
  for (size_t i = 0; i < kPieces; ++i) client->write(std::string(kPiece, 'm'));
  ASSERT_TRUE(run_until(loop, [&] { return peer.received.size() == kPieces * kPiece; }));

  size_t full = 0, partial = 0;
  const std::string& wire = server_side.received;
  for (size_t at = 0; at + 5 <= wire.size();) {
    const auto byte = [&](size_t i) { return static_cast<unsigned char>(wire[at + i]); };
    const size_t length = byte(3) * 256u + byte(4);
    if (byte(0) == 23) ++(length == kRecord + kOverhead ? full : partial);
    at += 5 + length;
  }
  EXPECT_EQ(full, kPieces * kPiece / kRecord);
  EXPECT_EQ(partial, 2u) << "the last one, and Finished";
}

TEST_F(TlsTest, EndSaysGoodbye) {
  handshake();
  server->write("221 bye");
  server->end();
  ASSERT_TRUE(run_until(loop, [&] { return client_side.closed == 1; }));
  EXPECT_EQ(client_side.received, "221 bye");
  EXPECT_EQ(client_side.error->code, Errc::kConnection);
  EXPECT_EQ(client_side.error->message, "closed by peer");
  client.reset();
  ASSERT_TRUE(run_until(loop, [&] { return server_side.closed == 1; }));
}

TEST_F(TlsTest, PeerGoneDuringTheHandshake) {
  make_pair();
  ASSERT_TRUE(client->start_tls(*client_context, {.server_name = "mail.example.com"}));
  server.reset();
  ASSERT_TRUE(run_until(loop, [&] { return client_side.closed == 1; }));
  EXPECT_EQ(client_side.error->code, Errc::kConnection);
}

TEST_F(TlsTest, ContextErrors) {
  const auto no_ca = TlsContext::client({.ca_file = "/nonexistent/ca.pem"});
  ASSERT_FALSE(no_ca);
  EXPECT_EQ(no_ca.error().code, Errc::kNoInput);
  const auto junk = TlsContext::server({"not a certificate", "not a key"});
  ASSERT_FALSE(junk);
  EXPECT_EQ(junk.error().code, Errc::kConfig);
  const auto other = make_self_signed("192.0.2.1");
  ASSERT_TRUE(other);
  const auto mixed = TlsContext::server({identity_.certificate_pem, other->key_pem});
  ASSERT_FALSE(mixed);
  EXPECT_EQ(mixed.error().code, Errc::kConfig);
  EXPECT_FALSE(make_self_signed("a,DNS:evil.example"));
}

}  // namespace
}  // namespace volley::net
