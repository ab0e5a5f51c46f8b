// Closing and destroying from inside every callback: afterwards there is silence, and the loop ends empty.
#include <unistd.h>

#include "base/net/tls.h"
#include "tests/unit/net/net_fixture.h"

namespace volley::net {
namespace {

enum class Where { kConnected, kData, kDrained, kClosed, kTls };
enum class How { kClose, kDestroy };

class CloseTest : public NetTest, public testing::WithParamInterface<std::tuple<Where, How>> {};

TEST_P(CloseTest, ThenSilence) {
  const auto [where, how] = GetParam();
  bool acted = false;
  size_t calls_then = 0;
  const auto act = [&, how = how] {
    acted = true;
    calls_then = client_side.calls;
    if (how == How::kClose) {
      client->close();
      client->close();
      EXPECT_FALSE(client->is_open());
      client->write("into the void");
    } else {
      client.reset();
    }
  };
  switch (where) {
    case Where::kConnected:
      client_side.when_connected = act;
      break;
    case Where::kData:
      client_side.when_data = [&](std::span<const char>) { act(); };
      break;
    case Where::kDrained:
      client_side.when_drained = act;
      break;
    case Where::kClosed:
      client_side.when_closed = act;
      break;
    case Where::kTls:
      client_side.when_tls = act;
      break;
  }
  auto server_context = TlsContext::self_signed_server("example.com");
  auto client_context = TlsContext::client({});
  ASSERT_TRUE(server_context);
  ASSERT_TRUE(client_context);
  auto made = Listener::listen(loop, loopback(), [&, where = where](StreamPtr accepted) {
    server = std::move(accepted);
    server->set_listener(server_side);
    if (where == Where::kTls) {
      ASSERT_TRUE(server->start_tls(**server_context, {.role = TlsRole::kServer}));
    }
    if (where == Where::kClosed) server->end();
    server->write(std::string(300000, 'z'));
  });
  ASSERT_TRUE(made);
  if (where == Where::kTls) {
    client_side.when_connected = [&] {
      ASSERT_TRUE(client->start_tls(**client_context, {.server_name = "example.com"}));
    };
  }
  client = connect(loop, (*made)->endpoint(), std::nullopt, client_side);
  if (where != Where::kTls) client->write("some bytes");
  ASSERT_TRUE(run_until(loop, [&] { return acted; }));
  idle_turns(loop, 10);
  EXPECT_EQ(client_side.calls, calls_then);
  client.reset();
  server.reset();
  std::move(made).value().reset();
}

INSTANTIATE_TEST_SUITE_P(Everywhere, CloseTest,
                         testing::Combine(testing::Values(Where::kConnected, Where::kData,
                                                          Where::kDrained, Where::kClosed,
                                                          Where::kTls),
                                          testing::Values(How::kClose, How::kDestroy)));

TEST_F(NetTest, DestroyedWhileConnecting) {
  serve();
  client = connect(loop, listener->endpoint(), std::nullopt, client_side);
  client.reset();
  idle_turns(loop);
  EXPECT_EQ(client_side.calls, 0u);
}

TEST_F(NetTest, DestroyedWithAWriteInFlight) {
  make_pair();
  server->pause_reading();
  client->write(std::string(32u << 20, 'x'));
  loop.run_once(false);
  EXPECT_GT(client->pending(), 0u);
  const size_t calls = client_side.calls;
  client.reset();
  idle_turns(loop);
  EXPECT_EQ(client_side.calls, calls);
}

TEST_F(NetTest, DestroyedBetweenDyingAndBeingTold) {
  // A failure that waits for the turn's end must not reach a listener that has gone.
  client = connect(loop, Endpoint(), std::nullopt, client_side);
  client.reset();
  idle_turns(loop);
  EXPECT_EQ(client_side.calls, 0u);
}

TEST_F(NetTest, OneStreamsCallbackDestroysAnother) {
  make_pair();
  client_side.when_data = [&](std::span<const char>) { server.reset(); };
  server_side.when_data = [&](std::span<const char>) { client.reset(); };
  client->write("a");
  server->write("b");
  ASSERT_TRUE(run_until(loop, [&] { return !client || !server; }));
  idle_turns(loop);
}

TEST_F(NetTest, AbortingResetsTheConnection) {
  make_pair();
  server->write("never sent");
  server->abort();
  server->abort();
  EXPECT_FALSE(server->is_open());
  ASSERT_TRUE(run_until(loop, [&] { return client_side.closed == 1; }));
  EXPECT_NE(client_side.error->message.find("reset"), std::string::npos)
      << client_side.error->message;
  EXPECT_EQ(client_side.received, "");
  EXPECT_EQ(server_side.closed, 0u);
}

TEST_F(NetTest, DeadStreamMayOutliveItsLoop) {
  StreamPtr survivor;
  Probe probe;
  {
    Loop brief;
    survivor = connect(brief, Endpoint(), std::nullopt, probe);
    ASSERT_TRUE(run_until(brief, [&] { return probe.closed == 1; }));
  }
  EXPECT_FALSE(survivor->is_open());
}

}  // namespace
}  // namespace volley::net
