// What delivery makes of a site that is a tarpit, or whose bounces are not believed: on this loop, on its other loops, and in
// the next run. How it comes to that is in tests/dialog/delivery.
#include <gtest/gtest.h>

#include <algorithm>

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
  // The clock skips here, past run_until()'s patience.
  void turn_until(const std::function<bool()>& done) {
    while (!done()) loop.run_once(true);
  }
};

PeerScript unknown_to_all() {
  PeerScript script;
  script.on_rcpt = [](const std::string&) -> std::optional<PeerReply> {
    return PeerReply{550, "5.1.1", "no such user"};
  };
  return script;
}

TEST_F(SiteDoubtTest, ATarpitHasOneConnectionOnAllItsLoops) {
  PeerScript script;
  script.rcpt_takes = std::chrono::seconds(25);
  script.server.pipelining = false;
  start_peer(script);
  const auto path = path_on_two_loops();
  start_table();
  table->accept(make_work(path, 10));
  turn_until([&] { return !desk.news.empty(); });
  EXPECT_EQ(desk.news[0].action.connections, 1u);
  EXPECT_STREQ(desk.news[0].action.rule, "tarpit");
  turn_until([&] { return !desk.back.empty(); });
  EXPECT_EQ(table->snapshot().at(0).connection_limit, 1u);
  EXPECT_TRUE(
      commons->memory.hosts.facts("127.0.0.1:" + std::to_string(peer->port()), wall_now()).tarpit);

  Desk other_desk;
  SiteTable other(loop, settings, resolver, *commons, registry, shard, other_desk, 43, 1);
  EXPECT_TRUE(other.serves(*path));
  other.hear(desk.news[0]);
  EXPECT_FALSE(other.serves(*path));
}

TEST_F(SiteDoubtTest, ATarpitOfTheLastRunIsOneFromTheFirstConnectionOn) {
  start_peer();
  start_table();
  commons->memory.hosts.tarpit("127.0.0.1:" + std::to_string(peer->port()), wall_now());
  table->accept(make_work(path_to(peer->port(), 10), 100));
  ASSERT_TRUE(wait_for_works(1));
  EXPECT_EQ(desk.count(Verdict::kDelivered), 100u);
  EXPECT_EQ(peer->most_open, 1u);
  EXPECT_EQ(table->snapshot().at(0).connection_limit, 1u);
}

TEST_F(SiteDoubtTest, BouncesThatAreNotBelievedAreNotBelievedOnTheOtherLoops) {
  start_peer(unknown_to_all());
  const auto path = path_on_two_loops();
  start_table();
  table->accept(make_work(path, 100));
  turn_until([&] { return !desk.back.empty(); });
  EXPECT_EQ(desk.count(Verdict::kBounced), SiteBreaker::kWindow - 1);
  const auto told =
      std::find_if(desk.news.begin(), desk.news.end(), [](const SiteNews& n) { return n.doubt; });
  ASSERT_NE(told, desk.news.end());
  EXPECT_EQ(told->pause, std::chrono::minutes(15));

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
TEST_F(SiteDoubtTest, ASuccessEndsTheDoubt) {
  start_peer(unknown_to_all());
  start_table();
  const auto path = path_to(peer->port(), 1);
  table->accept(make_work(path, 60));
  turn_until([&] { return !desk.back.empty(); });
  const size_t bounced = desk.count(Verdict::kBounced);
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
}

}  // namespace
}  // namespace volley::delivery
