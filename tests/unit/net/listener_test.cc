#include "base/net/listener.h"

#include "tests/unit/net/net_fixture.h"

namespace volley::net {
namespace {

TEST_F(NetTest, PortInUseSaysHowToMend) {
  serve();
  EXPECT_NE(listener->port(), 0);
  const auto second = Listener::listen(loop, listener->endpoint(), [](StreamPtr) {});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Errc::kUnavailable);
  EXPECT_EQ(second.error().message, listener->endpoint().str() +
                                        ": address in use: stop the other process or choose "
                                        "another port");
}

TEST_F(NetTest, AddressOfAnotherMachine) {
  const auto made = Listener::listen(loop, Endpoint::v4({192, 0, 2, 1}, 0), [](StreamPtr) {});
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, Errc::kConfig);
}

TEST_F(NetTest, TwoListenersShareAPortWhenAsked) {
  const auto first = Listener::listen(loop, loopback(), [](StreamPtr) {}, {.reuse_port = true});
  ASSERT_TRUE(first);
  const auto second =
      Listener::listen(loop, (*first)->endpoint(), [](StreamPtr) {}, {.reuse_port = true});
  EXPECT_TRUE(second);
}

TEST_F(NetTest, DroppedConnectionIsClosed) {
  const auto made = Listener::listen(loop, loopback(), [](StreamPtr) {});
  ASSERT_TRUE(made);
  client = connect(loop, (*made)->endpoint(), std::nullopt, client_side);
  ASSERT_TRUE(run_until(loop, [&] { return client_side.closed == 1; }));
}

TEST_F(NetTest, ListenerDestroyedInItsCallback) {
  std::unique_ptr<Listener> self;
  auto made = Listener::listen(loop, loopback(), [&](StreamPtr accepted) {
    self.reset();
    server = std::move(accepted);
    server->set_listener(server_side);
  });
  ASSERT_TRUE(made);
  self = std::move(made).value();
  client = connect(loop, self->endpoint(), std::nullopt, client_side);
  client->write("still here");
  ASSERT_TRUE(run_until(loop, [&] { return server_side.received == "still here"; }));
}

TEST_F(NetTest, IPv6WhereThereIsOne) {
  std::array<uint8_t, 16> one{};
  one[15] = 1;
  auto made = Listener::listen(loop, Endpoint::v6(one, 0), [&](StreamPtr accepted) {
    server = std::move(accepted);
    server->set_listener(server_side);
  });
  if (!made) GTEST_SKIP() << "no IPv6 loopback: " << made.error().message;
  client = connect(loop, (*made)->endpoint(), std::nullopt, client_side);
  client->write("six");
  ASSERT_TRUE(run_until(loop, [&] { return server_side.received == "six"; }));
  EXPECT_EQ(server->peer().host(), "::1");
}

}  // namespace
}  // namespace volley::net
