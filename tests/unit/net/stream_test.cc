#include "base/net/stream.h"

#include <arpa/inet.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>

#include "base/net/sockaddr.h"
#include "tests/unit/net/net_fixture.h"

namespace volley::net {
namespace {

// The other end as a plain socket, to see what the kernel saw.
class RawPeer {
 public:
  RawPeer() : listening_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    auto address = to_sockaddr(Endpoint::v4({127, 0, 0, 1}, 0));
    EXPECT_EQ(::bind(listening_, address->get(), address->size), 0);
    EXPECT_EQ(::listen(listening_, 8), 0);
  }
  ~RawPeer() {
    ::close(listening_);
    hang_up();
  }
  Endpoint endpoint() const { return local_endpoint(listening_); }
  void accept() { fd_ = ::accept4(listening_, nullptr, nullptr, SOCK_CLOEXEC); }
  int fd() const { return fd_; }
  void hang_up() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }
  void reset() {
    const linger now{1, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    hang_up();
  }
  void send(std::string_view bytes) const {
    EXPECT_EQ(::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
  }
  std::string receive(size_t cap = 65536) const {
    std::string bytes(cap, 0);
    const ssize_t n = ::recv(fd_, bytes.data(), cap, 0);
    bytes.resize(n > 0 ? static_cast<size_t>(n) : 0);
    return bytes;
  }

 private:
  int listening_;
  int fd_ = -1;
};

class StreamTest : public NetTest {
 protected:
  void connect_raw() {
    client = connect(loop, raw.endpoint(), std::nullopt, client_side);
    ASSERT_TRUE(run_until(loop, [&] { return client_side.connected == 1; }));
    raw.accept();
  }
  RawPeer raw;
};

TEST_F(StreamTest, EchoBothWays) {
  make_pair();
  server_side.when_data = [&](std::span<const char> b) { server->write({b.data(), b.size()}); };
  client->write("hello ");
  client->write_gather({"world", "", "!"});
  EXPECT_EQ(client->pending(), 12u);
  ASSERT_TRUE(run_until(loop, [&] { return client_side.received == "hello world!"; }));
  EXPECT_EQ(client->pending(), 0u);
  EXPECT_GE(client_side.drained, 1u);
  EXPECT_EQ(client->peer(), listener->endpoint());
  EXPECT_EQ(client->local(), server->peer());
  EXPECT_FALSE(client->is_tls());
}

TEST_F(StreamTest, WritesBeforeTheConnectionWait) {
  serve();
  client = connect(loop, listener->endpoint(), std::nullopt, client_side);
  client->write("early");
  ASSERT_TRUE(run_until(loop, [&] { return server_side.received == "early"; }));
}

TEST_F(StreamTest, ManyWritesOfOneTurnAreOneSegment) {
  connect_raw();
  loop.post([&] {
    for (int i = 0; i < 500; ++i) client->write("0123456789");
  });
  ASSERT_TRUE(run_until(loop, [&] { return client_side.drained == 1; }));
  std::string bytes;
  while (bytes.size() < 5000) bytes += raw.receive();
  // TCP_NODELAY is on: each system call would have been a segment of its own.
  tcp_info info{};
  socklen_t size = sizeof info;
  ASSERT_EQ(::getsockopt(raw.fd(), IPPROTO_TCP, TCP_INFO, &info, &size), 0);
  EXPECT_EQ(info.tcpi_data_segs_in, 1u);
  EXPECT_EQ(client_side.drained, 1u);
}

TEST_F(StreamTest, TenMegabytesBothWaysWithBackPressure) {
  make_pair();
  constexpr size_t kTotal = 10u << 20;
  constexpr size_t kHighWater = 256u << 10;
  struct Pump {
    size_t sent = 0;
    size_t most = 0;
    void fill(Stream& stream) {
      while (sent < kTotal && stream.pending() < kHighWater) {
        std::string block(32768, 0);
        for (char& c : block) c = static_cast<char>(sent++ * 31 % 251);
        stream.write(block);
      }
      most = std::max(most, stream.pending());
    }
  };
  struct Check {
    size_t seen = 0;
    bool good = true;
    void take(std::span<const char> bytes) {
      for (char c : bytes) good = good && c == static_cast<char>(seen++ * 31 % 251);
    }
  };
  Pump up, down;
  Check at_server, at_client;
  client_side.when_drained = [&] { up.fill(*client); };
  server_side.when_drained = [&] { down.fill(*server); };
  client_side.when_data = [&](std::span<const char> b) {
    at_client.take(b), client_side.received.clear();
  };
  // The server pauses now and then; nothing may get lost or overtake.
  Timer resume(loop, [&] { server->resume_reading(); });
  int pauses = 0;
  server_side.when_data = [&](std::span<const char> b) {
    at_server.take(b), server_side.received.clear();
    if (at_server.seen / (1u << 20) > static_cast<size_t>(pauses)) {
      ++pauses;
      server->pause_reading();
      resume.set_after(std::chrono::milliseconds(1));
    }
  };
  up.fill(*client);
  down.fill(*server);
  ASSERT_TRUE(
      run_until(loop, [&] { return at_server.seen == kTotal && at_client.seen == kTotal; }));
  EXPECT_TRUE(at_server.good);
  EXPECT_TRUE(at_client.good);
  EXPECT_GE(pauses, 9);
  EXPECT_LT(up.most, kHighWater + 32768);
}

TEST_F(StreamTest, PausedReadsNothing) {
  connect_raw();
  client->pause_reading();
  raw.send("later");
  idle_turns(loop);
  EXPECT_EQ(client_side.received, "");
  client->resume_reading();
  ASSERT_TRUE(run_until(loop, [&] { return client_side.received == "later"; }));
}

TEST_F(StreamTest, ConnectionRefused) {
  Endpoint nobody;
  {
    const RawPeer gone;
    nobody = gone.endpoint();
  }
  client = connect(loop, nobody, std::nullopt, client_side);
  EXPECT_EQ(client_side.calls, 0u) << "never from inside connect()";
  ASSERT_TRUE(run_until(loop, [&] { return client_side.closed == 1; }));
  EXPECT_EQ(client_side.error->code, Errc::kConnection);
  EXPECT_EQ(client_side.error->message, "connect to " + nobody.str() + ": connection refused");
  EXPECT_FALSE(client->is_open());
  client->write("ignored");
  EXPECT_EQ(client->pending(), 0u);
}

TEST_F(StreamTest, ImpossibleSourceIsReportedLater) {
  const auto source = Endpoint::v4({192, 0, 2, 77}, 0);
  client = connect(loop, raw.endpoint(), source, client_side);
  EXPECT_EQ(client_side.calls, 0u);
  ASSERT_TRUE(run_until(loop, [&] { return client_side.closed == 1; }));
  EXPECT_EQ(client_side.error->code, Errc::kTempFail);  // no fault of the peer's
  EXPECT_NE(client_side.error->message.find("192.0.2.77"), std::string::npos);
}

TEST_F(StreamTest, SourceAddressIsUsed) {
  client = connect(loop, raw.endpoint(), Endpoint::v4({127, 0, 0, 5}, 0), client_side);
  ASSERT_TRUE(run_until(loop, [&] { return client_side.connected == 1; }));
  EXPECT_EQ(client->local().host(), "127.0.0.5");
  EXPECT_NE(client->local().port(), 0);
}

TEST_F(StreamTest, EverythingReadBeforeTheEnd) {
  connect_raw();
  raw.send(std::string(200000, 'x'));
  raw.send("221 bye\r\n");
  raw.hang_up();
  ASSERT_TRUE(run_until(loop, [&] { return client_side.closed == 1; }));
  EXPECT_EQ(client_side.received.size(), 200009u);
  EXPECT_EQ(client_side.error->code, Errc::kConnection);
  EXPECT_EQ(client_side.error->message, "closed by peer");
}

TEST_F(StreamTest, AnswersToTheLastWordsStillLeave) {
  connect_raw();
  client_side.when_data = [&](std::span<const char>) { client->write("answer"); };
  raw.send("question");
  ASSERT_EQ(::shutdown(raw.fd(), SHUT_WR), 0);
  ASSERT_TRUE(run_until(loop, [&] { return client_side.closed == 1; }));
  client.reset();
  idle_turns(loop);
  EXPECT_EQ(raw.receive(), "answer");
}

TEST_F(StreamTest, FailedWriteDeliversThePeersLastWordsEvenWhenPaused) {
  connect_raw();
  client->pause_reading();
  raw.send("421 going down\r\n");
  raw.reset();
  client->write("MAIL FROM:<a@example.com>\r\n");
  ASSERT_TRUE(run_until(loop, [&] { return client_side.closed == 1; }));
  EXPECT_EQ(client_side.received, "421 going down\r\n");
  EXPECT_EQ(client_side.error->code, Errc::kConnection);
  EXPECT_NE(client_side.error->message, "closed by peer");
}

TEST_F(StreamTest, EndFlushesAndThenHangsUp) {
  connect_raw();
  const std::string big(3u << 20, 'y');
  client->write(big);
  client->end();
  client->write("ignored after end");
  std::string got;
  while (got.size() < big.size()) {
    loop.run_once(false);
    const std::string part = [&] {
      std::string bytes(1u << 20, 0);
      const ssize_t n = ::recv(raw.fd(), bytes.data(), bytes.size(), MSG_DONTWAIT);
      bytes.resize(n > 0 ? static_cast<size_t>(n) : 0);
      return bytes;
    }();
    got += part;
  }
  idle_turns(loop);
  EXPECT_EQ(raw.receive(), "") << "end of file";
  EXPECT_EQ(got, big);
  EXPECT_EQ(client_side.closed, 0u);
  raw.hang_up();
  ASSERT_TRUE(run_until(loop, [&] { return client_side.closed == 1; }));
}

TEST_F(StreamTest, UnixSockets) {
  std::string directory = testing::TempDir() + "volley-net-XXXXXX";
  ASSERT_NE(::mkdtemp(directory.data()), nullptr);
  const auto at = Endpoint::unix_socket(directory + "/s");
  auto made = Listener::listen(loop, at, [&](StreamPtr accepted) {
    server = std::move(accepted);
    server->set_listener(server_side);
  });
  ASSERT_TRUE(made) << made.error().message;
  client = connect(loop, at, std::nullopt, client_side);
  client->write("over unix");
  ASSERT_TRUE(run_until(loop, [&] { return server_side.received == "over unix"; }));
  server->write("and back");
  ASSERT_TRUE(run_until(loop, [&] { return client_side.received == "and back"; }));
  server.reset();
  ASSERT_TRUE(run_until(loop, [&] { return client_side.closed == 1; }));
  std::move(made).value().reset();
  std::filesystem::remove_all(directory);
}

TEST_F(StreamTest, UnixPathTooLongOrMissing) {
  client =
      connect(loop, Endpoint::unix_socket("/" + std::string(200, 'x')), std::nullopt, client_side);
  ASSERT_TRUE(run_until(loop, [&] { return client_side.closed == 1; }));
  EXPECT_NE(client_side.error->message.find("shorter"), std::string::npos);
  client = connect(loop, Endpoint::unix_socket("/nonexistent/s"), std::nullopt, server_side);
  ASSERT_TRUE(run_until(loop, [&] { return server_side.closed == 1; }));
  EXPECT_EQ(server_side.error->code, Errc::kConnection);
}

TEST_F(StreamTest, AcceptedStreamWithoutListenerKeepsItsBytes) {
  auto made = Listener::listen(loop, loopback(), [&](StreamPtr accepted) {
    server = std::move(accepted);
    server->write("220 ready\r\n");
  });
  ASSERT_TRUE(made);
  client = connect(loop, (*made)->endpoint(), std::nullopt, client_side);
  client->write("EHLO x\r\n");
  client->quickack();
  ASSERT_TRUE(run_until(loop, [&] { return client_side.received == "220 ready\r\n"; }));
  EXPECT_EQ(server_side.received, "");
  server->set_listener(server_side);
  ASSERT_TRUE(run_until(loop, [&] { return server_side.received == "EHLO x\r\n"; }));
}

}  // namespace
}  // namespace volley::net
