// What delivery makes of a site that is a tarpit, or whose bounces are not believed: on this loop, on its other loops, and in
// the next run. How it comes to that is in tests/dialog/delivery.
#include <gtest/gtest.h>

#include <algorithm>
#include <stdexcept>

#include "engine/delivery/site_breaker.h"
#include "tests/unit/delivery/sites_fixture.h"

namespace volley::delivery {
namespace {

struct SiteDoubtTest : SiteTableTest {
  std::shared_ptr<Path> path_on_two_loops() {
    settings.loops = 2;
    auto path = path_to(peer->port(), 20);
    path->shares = 2;
    return path;
  }
  std::string host_key() const { return "127.0.0.1:" + std::to_string(peer->port()); }
  const SiteNews* news_of(SiteNews::Bounces bounces) const {
    const auto found = std::find_if(desk.news.begin(), desk.news.end(),
                                    [&](const SiteNews& n) { return n.bounces == bounces; });
    return found == desk.news.end() ? nullptr : &*found;
  }
  // As run_until(), but the loop's clock skips here: patience is measured in real time.
  void turn_until(const std::function<bool()>& done) {
    const TimePoint end = monotonic_now() + std::chrono::seconds(60);
    net::Timer beat(loop, [&] { beat.set_after(std::chrono::milliseconds(10)); });
    beat.set_after(std::chrono::milliseconds(10));
    while (!done()) {
      if (monotonic_now() > end) throw std::runtime_error("what is waited for does not come");
      loop.run_once(true);
    }
  }
};

PeerScript unknown_to_all() {
  PeerScript script;
  script.on_rcpt = [](const std::string&) -> std::optional<PeerReply> {
    return PeerReply{550, "5.1.1", "no such user"};
  };
  return script;
}

// One connection to it, and no word to the site's other loops: its other hosts have nothing to do with it.
TEST_F(SiteDoubtTest, ATarpitHasOneConnectionAndItsSiteAllItMayHave) {
  PeerScript script;
  script.rcpt_takes = std::chrono::seconds(25);
  script.server.pipelining = false;
  start_peer(script);
  start_table();
  const auto path = path_on_two_loops();
  table->accept(make_work(path, 3));
  turn_until([&] { return !desk.back.empty(); });
  EXPECT_TRUE(commons->memory.hosts.facts(host_key(), wall_now()).tarpit);
  table->accept(make_work(path, 40));
  turn_until([&] { return desk.records.size() > 5; });
  const SiteSnapshot site = table->snapshot().at(0);
  EXPECT_EQ(site.connection_limit, 10u);
  EXPECT_EQ(site.limited_by, "one connection: 127.0.0.1 is a tarpit, over 20 s for each recipient");
  turn_until([&] { return desk.back.size() == 2; });
  EXPECT_EQ(desk.count(Verdict::kDelivered), 43u);
  EXPECT_EQ(peer->most_open, 1u);
  EXPECT_TRUE(desk.news.empty());
}

// What is open to it when that is seen goes down to one.
TEST_F(SiteDoubtTest, SessionsBeyondATarpitsOneEnd) {
  start_peer();
  start_table();
  const auto path = path_to(peer->port(), 4);
  table->accept(make_work(path, 200));
  turn_until([&] { return peer->open > 1; });
  peer->script.rcpt_takes = std::chrono::seconds(25);
  turn_until([&] { return peer->open == 1; });
  EXPECT_TRUE(desk.back.empty());
  EXPECT_TRUE(commons->memory.hosts.facts(host_key(), wall_now()).tarpit);
  peer->script.rcpt_takes = {};
  turn_until([&] { return !desk.back.empty(); });
  EXPECT_TRUE(nobody_twice());
}

TEST_F(SiteDoubtTest, ATarpitOfTheLastRunIsOneFromTheFirstConnectionOn) {
  start_peer();
  start_table();
  commons->memory.hosts.tarpit(host_key(), wall_now());
  table->accept(make_work(path_to(peer->port(), 10), 100));
  ASSERT_TRUE(wait_for_works(1));
  EXPECT_EQ(desk.count(Verdict::kDelivered), 100u);
  EXPECT_EQ(peer->most_open, 1u);
}

TEST_F(SiteDoubtTest, OtherHostsHaveTheConnectionsATarpitMayNot) {
  start_peer();
  Peer second(loop, {}, *net::Endpoint::from_ip("127.0.0.2", peer->port()));
  start_table();
  commons->memory.hosts.tarpit(host_key(), wall_now());
  const auto path = path_to(peer->port(), 10);
  path->hosts = {{0, "127.0.0.1"}, {0, "127.0.0.2"}};
  table->accept(make_work(path, 200));
  turn_until([&] { return !desk.back.empty(); });
  EXPECT_EQ(desk.count(Verdict::kDelivered), 200u);
  EXPECT_EQ(peer->most_open, 1u);
  EXPECT_GT(second.most_open, 1u);
  table->drain();
  turn_until([&] { return table->idle(); });
}

TEST_F(SiteDoubtTest, BouncesThatAreNotBelievedAreNotBelievedOnTheOtherLoops) {
  start_peer(unknown_to_all());
  const auto path = path_on_two_loops();
  start_table();
  table->accept(make_work(path, 100));
  turn_until([&] { return !desk.back.empty(); });
  EXPECT_EQ(desk.count(Verdict::kBounced), SiteBreaker::kWindow - 1);
  const SiteNews* told = news_of(SiteNews::Bounces::kDoubted);
  ASSERT_NE(told, nullptr);
  EXPECT_EQ(told->pause, std::chrono::minutes(15));
  EXPECT_FALSE(told->until_resumed);

  Desk other_desk;
  SiteTable other(loop, settings, resolver, *commons, registry, shard, other_desk, 43, 1);
  other.hear(*told);
  EXPECT_FALSE(other.wants_more(*path));
  loop.skip(std::chrono::minutes(16));
  other.accept(make_work(path, 5));
  turn_until([&] { return !other_desk.back.empty(); });
  EXPECT_EQ(other_desk.count(Verdict::kDeferred), 5u);
  EXPECT_EQ(other_desk.records.at(0).code, 550);
  other.drain();
  turn_until([&] { return other.idle(); });
}

// Only what would bounce is doubted: recipients refused for now, and mail taken, go on as ever.
TEST_F(SiteDoubtTest, ASuccessEndsTheDoubtOnAllLoops) {
  start_peer(unknown_to_all());
  start_table();
  const auto path = path_on_two_loops();
  table->accept(make_work(path, 60));
  turn_until([&] { return !desk.back.empty(); });
  const size_t bounced = desk.count(Verdict::kBounced);
  Desk other_desk;
  SiteTable other(loop, settings, resolver, *commons, registry, shard, other_desk, 43, 1);
  const SiteNews* doubt = news_of(SiteNews::Bounces::kDoubted);
  ASSERT_NE(doubt, nullptr);
  other.hear(*doubt);
  loop.skip(std::chrono::minutes(16));
  peer->script.on_rcpt = [](const std::string& rcpt) -> std::optional<PeerReply> {
    if (rcpt.starts_with("user61@")) return std::nullopt;
    return PeerReply{550, "5.1.1", "no such user"};
  };
  table->accept(make_work(path, 1));
  turn_until([&] { return desk.back.size() == 2; });
  EXPECT_EQ(desk.count(Verdict::kDelivered), 1u);
  table->accept(make_work(path, 10));
  turn_until([&] { return desk.back.size() == 3; });
  EXPECT_EQ(desk.count(Verdict::kBounced), bounced + 10);

  const SiteNews* usual = news_of(SiteNews::Bounces::kUsual);
  ASSERT_NE(usual, nullptr);
  EXPECT_EQ(usual->pause, Duration{});
  other.hear(*usual);
  other.accept(make_work(path, 5));
  turn_until([&] { return !other_desk.back.empty(); });
  EXPECT_EQ(other_desk.count(Verdict::kBounced), 5u);
  other.drain();
  turn_until([&] { return other.idle(); });
}

// Each of its other loops is told once, not with every message.
TEST_F(SiteDoubtTest, MailThatIsTakenAsEverIsNoNews) {
  start_peer();
  start_table();
  table->accept(make_work(path_on_two_loops(), 50));
  turn_until([&] { return !desk.back.empty(); });
  EXPECT_EQ(desk.count(Verdict::kDelivered), 50u);
  EXPECT_TRUE(desk.news.empty());
}

TEST_F(SiteDoubtTest, AResumeEndsThePauseOfASiteThatRefusesEverythingOnAllLoops) {
  start_peer();
  start_table();
  const auto path = path_on_two_loops();
  table->accept(make_work(path, 20));
  turn_until([&] { return !desk.back.empty(); });
  peer->script.on_rcpt = [](const std::string&) {
    return std::optional<PeerReply>(PeerReply{552, "5.2.2", "mailbox full"});
  };
  table->accept(make_work(path, 60));
  turn_until([&] { return news_of(SiteNews::Bounces::kDoubted) != nullptr; });
  const SiteNews* told = news_of(SiteNews::Bounces::kDoubted);
  EXPECT_TRUE(told->until_resumed);
  ASSERT_EQ(desk.paused.size(), 1u);

  Desk other_desk;
  SiteTable other(loop, settings, resolver, *commons, registry, shard, other_desk, 43, 1);
  other.hear(*told);
  EXPECT_FALSE(table->wants_more(*path));
  EXPECT_FALSE(other.wants_more(*path));
  table->resume("november");
  other.resume("november");
  EXPECT_TRUE(table->wants_more(*path));
  EXPECT_TRUE(other.wants_more(*path));
}

}  // namespace
}  // namespace volley::delivery
