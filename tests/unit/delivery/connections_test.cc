// Connections when they are scarce, or cannot be had: nobody starves, and nothing is deferred for want of something here.
#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/delivery/path_pool.h"
#include "tests/unit/delivery/sites_fixture.h"

namespace volley::delivery {
namespace {

// A port that answers no connection request: its backlog is full.
class BlackHole {
 public:
  BlackHole() : listener_(make_socket()) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* const generic = reinterpret_cast<sockaddr*>(&address);
    EXPECT_EQ(::bind(listener_, generic, size), 0);
    EXPECT_EQ(::listen(listener_, 0), 0);
    EXPECT_EQ(::getsockname(listener_, generic, &size), 0);
    port_ = ntohs(address.sin_port);
    for (int& filler : fillers_) {
      filler = make_socket();
      static_cast<void>(::connect(filler, generic, size));
    }
  }
  ~BlackHole() {
    for (const int filler : fillers_) ::close(filler);
    ::close(listener_);
  }
  uint16_t port() const { return port_; }

 private:
  static int make_socket() {
    return ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  }
  int listener_;
  int fillers_[4];
  uint16_t port_ = 0;
};

TEST(OneMorePays, ForFourOfBulkOrOneThatSomebodyWaitsFor) {
  EXPECT_TRUE(one_more_pays({}, 0, 1));
  EXPECT_FALSE(one_more_pays({.opening = 1}, 50, 50)) << "one at a time until one works";
  EXPECT_FALSE(one_more_pays({.ready = 1}, 0, 4));
  EXPECT_TRUE(one_more_pays({.ready = 1}, 0, 5));
  EXPECT_TRUE(one_more_pays({.ready = 3}, 1, 0)) << "all are busy";
  EXPECT_FALSE(one_more_pays({.ready = 3, .idle = 1}, 1, 0));
  EXPECT_FALSE(one_more_pays({.ready = 3, .opening = 1}, 1, 0));
  EXPECT_TRUE(one_more_pays({.ready = 3, .opening = 1}, 2, 0));
  EXPECT_FALSE(one_more_pays({.ready = 2, .opening = 2}, 100, 100));
}

class NoMoreFiles {
 public:
  NoMoreFiles() {
    getrlimit(RLIMIT_NOFILE, &before_);
    const int next = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    ::close(next);
    rlimit none = before_;
    none.rlim_cur = static_cast<rlim_t>(next);
    setrlimit(RLIMIT_NOFILE, &none);
  }
  ~NoMoreFiles() { setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

TEST_F(SiteTableTest, HostsThatNeverAnswerAreTriedOnceEachBeforeADeferral) {
  const BlackHole hole;
  // Longer than a host's first back-off: the first host may be tried again when the last one has timed out.
  settings.connect_timeout = std::chrono::milliseconds(1300);
  start_table();
  auto path = path_to(hole.port(), 1);
  path->hosts = {{10, "127.0.0.1"}, {20, "localhost"}};
  table->accept(make_work(path, 7));
  ASSERT_TRUE(wait_for_works(1));
  EXPECT_EQ(desk.count(Verdict::kDeferred), 7u);
  EXPECT_LE(registry.total(metrics::Metric::kConnectionsFailed),
            3u);  // localhost may have two addresses
}

TEST_F(SiteTableTest, WithoutDescriptorsTheMailWaits) {
  start_peer();
  start_table();
  {
    const NoMoreFiles none;
    table->accept(make_work(path_to(peer->port()), 10));
    ASSERT_TRUE(run_until(loop, [&] {
      const auto sites = table->snapshot();
      return !sites.empty() && sites[0].limited_by.find("too many open files") != std::string::npos;
    }));
    EXPECT_TRUE(desk.records.empty());
  }
  ASSERT_TRUE(wait_for_works(1));
  EXPECT_EQ(desk.count(Verdict::kDelivered), 10u);
  EXPECT_EQ(desk.records.size(), 10u);
  EXPECT_EQ(registry.total(metrics::Metric::kConnectionsFailed), 0u);
}

TEST_F(SiteTableTest, ASourceAddressThatIsNotOursHoldsTheMail) {
  start_peer();
  settings.source_ip = "192.0.2.1";
  start_table();
  table->accept(make_work(path_to(peer->port()), 3));
  ASSERT_TRUE(run_until(loop, [&] {
    const auto sites = table->snapshot();
    return !sites.empty() &&
           sites[0].limited_by.find("cannot send from 192.0.2.1") != std::string::npos;
  }));
  EXPECT_TRUE(desk.records.empty());
}

TEST_F(SiteTableTest, SmallSitesGetTheirTurnWhenConnectionsAreScarce) {
  start_peer();
  commons.emplace(2u);
  start_table();
  constexpr size_t kSmall = 5, kBig = 250;
  table->accept(make_work(path_to(peer->port(), 10), kBig));
  for (size_t i = 0; i < kSmall; ++i) {
    auto path = path_to(peer->port(), 10);
    path->site = "small" + std::to_string(i);
    path->key = path->site;
    table->accept(make_work(path, 3));
  }
  uint64_t most = 0;
  bool waited = false, big_was_busy = false;
  ASSERT_TRUE(run_until(loop, [&] {
    most =
        std::max(most, shard.cells[static_cast<size_t>(metrics::Metric::kConnectionsOpen)].get());
    for (const SiteSnapshot& site : table->snapshot()) {
      waited |= site.limited_by == "open connections (2, all sites together)";
    }
    if (desk.back.size() == kSmall) big_was_busy |= desk.records.size() < kBig + kSmall * 3;
    return desk.back.size() == kSmall + 1;
  }));
  EXPECT_LE(most, 2u);
  EXPECT_TRUE(waited);
  EXPECT_TRUE(big_was_busy);  // it was not served before them
  EXPECT_EQ(desk.count(Verdict::kDelivered), kBig + kSmall * 3);
  EXPECT_TRUE(nobody_twice());
}

TEST_F(SiteTableTest, WhatAReceiverSaysIsHeardOnTheSitesOtherLoops) {
  PeerScript script;
  script.on_rcpt = [](const std::string&) -> std::optional<PeerReply> {
    return PeerReply{550, "5.7.1", "your IP address is listed at zen.spamhaus.org"};
  };
  start_peer(script);
  settings.loops = 2;
  start_table();
  auto path = path_to(peer->port(), 20);
  path->shares = 2;
  table->accept(make_work(path, 5));
  ASSERT_TRUE(run_until(loop, [&] { return !desk.news.empty(); }));
  EXPECT_GT(desk.news[0].action.pause, Duration{});

  Desk other_desk;
  SiteTable other(loop, settings, resolver, *commons, registry, shard, other_desk, 43, 1);
  EXPECT_TRUE(other.wants_more(*path));
  other.hear(desk.news[0]);
  EXPECT_FALSE(other.wants_more(*path));
  ASSERT_EQ(other.snapshot().size(), 1u);
  EXPECT_NE(other.snapshot()[0].limited_by.find("spamhaus"), std::string::npos);
  EXPECT_TRUE(other_desk.news.empty());  // heard, not said
}

TEST_F(SiteTableTest, OneConnectionForTwoLoopsLivesOnTheFirst) {
  settings.loops = 2;
  start_table();
  auto path = path_to(2525, 20);
  path->shares = 2;
  SiteNews news{path, {}, "421 too many connections", {}, {}};
  news.action.connections = 1;
  news.action.hold = std::chrono::minutes(30);
  Desk other_desk;
  SiteTable other(loop, settings, resolver, *commons, registry, shard, other_desk, 43, 1);
  table->hear(news);
  other.hear(news);
  EXPECT_TRUE(table->serves(*path));
  EXPECT_FALSE(other.serves(*path));
  EXPECT_FALSE(other.wants_more(*path));
}

}  // namespace
}  // namespace volley::delivery
