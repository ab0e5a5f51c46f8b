// Delivery in trouble: refusals, broken connections, drains and pauses. Nothing may be lost, nothing sent twice unrecorded.
#include <gtest/gtest.h>

#include "tests/unit/delivery/sites_fixture.h"

namespace volley::delivery {
namespace {

TEST_F(SiteTableTest, TemporaryAndPermanentRefusalsOfRecipients) {
  PeerScript script;
  script.on_rcpt = [](const std::string& rcpt) -> std::optional<PeerReply> {
    if (rcpt.starts_with("user1@")) return PeerReply{451, "4.3.0", "come back later"};
    if (rcpt.starts_with("user2@")) return PeerReply{550, "5.1.1", "no such user here"};
    return std::nullopt;
  };
  start_peer(script);
  start_table();
  table->accept(make_work(path_to(peer->port()), 10));
  ASSERT_TRUE(wait_for_works(1));
  EXPECT_EQ(desk.count(Verdict::kDelivered), 8u);
  ASSERT_EQ(desk.count(Verdict::kDeferred), 1u);
  ASSERT_EQ(desk.count(Verdict::kBounced), 1u);
  for (const Record& r : desk.records) {
    if (r.verdict == Verdict::kDeferred) {
      EXPECT_EQ(r.code, 451);
      EXPECT_EQ(r.enhanced, "4.3.0");
      EXPECT_EQ(r.attempt, 1u);
      EXPECT_GE(r.delay_ms, 51'000);
      EXPECT_LE(r.delay_ms, 600'000);
    }
    if (r.verdict == Verdict::kBounced) {
      EXPECT_EQ(r.code, 550);
      EXPECT_EQ(r.recipient, "user2@example.net");
    }
  }
  EXPECT_EQ(desk.states(RecipientState::kDeferred), 1u);
  EXPECT_EQ(desk.states(RecipientState::kFinal), 9u);
}

TEST_F(SiteTableTest, ARefusalThatSpeaksOfUsKeepsTheMail) {
  PeerScript script;
  script.on_rcpt = [](const std::string&) -> std::optional<PeerReply> {
    return PeerReply{550, "5.7.1", "your IP address is listed at zen.spamhaus.org"};
  };
  start_peer(script);
  start_table();
  const auto path = path_to(peer->port(), 1);
  table->accept(make_work(path, 20));
  ASSERT_TRUE(wait_for_works(1));
  EXPECT_EQ(desk.count(Verdict::kBounced), 0u);
  EXPECT_GE(desk.count(Verdict::kDeferred), 1u);
  EXPECT_LE(desk.count(Verdict::kDeferred), 3u);  // those on the wire; the rest waits
  EXPECT_EQ(desk.states(RecipientState::kWaiting), 20u - desk.count(Verdict::kDeferred));
  EXPECT_GT(desk.back[0]->rest_ms, 60'000);
  EXPECT_FALSE(table->wants_more(*path));
  EXPECT_TRUE(table->snapshot()[0].limited_by.starts_with("paused for "));
}

TEST_F(SiteTableTest, ConnectionRefusedDefersWhatIsAtHand) {
  start_peer();
  const uint16_t port = peer->port();
  peer.reset();
  start_table();
  const auto path = path_to(port);
  table->accept(make_work(path, 30));
  ASSERT_TRUE(wait_for_works(1));
  EXPECT_EQ(desk.count(Verdict::kDeferred), 30u);
  EXPECT_EQ(desk.records[0].code, 0);
  EXPECT_EQ(desk.records[0].enhanced, "4.4.1");
  EXPECT_EQ(desk.records[0].attempt, 1u);
  EXPECT_NE(desk.records[0].text.find("refused"), std::string::npos) << desk.records[0].text;
  EXPECT_FALSE(table->wants_more(*path));
}

TEST_F(SiteTableTest, TheNextAddressAndTheNextHostAreTried) {
  start_peer();
  const uint16_t port = peer->port();
  // 127.0.0.2 has nobody on that port: only 127.0.0.1 is bound.
  dns::AddressAnswer both, dead;
  both.addresses = {*net::Endpoint::from_ip("127.0.0.2", 0),
                    *net::Endpoint::from_ip("127.0.0.1", 0)};
  dead.addresses = {*net::Endpoint::from_ip("127.0.0.2", 0)};
  resolver.addresses_of["mx1.example.net"] = dead;
  resolver.addresses_of["mx2.example.net"] = both;
  start_table();
  auto path = path_to(port, 1);
  path->routed = false;
  path->hosts = {{10, "mx1.example.net"}, {20, "mx2.example.net"}};
  table->accept(make_work(path, 5));
  ASSERT_TRUE(wait_for_works(1));
  EXPECT_EQ(desk.count(Verdict::kDelivered), 5u);
  EXPECT_EQ(desk.records[0].host, "mx2.example.net");
}

TEST_F(SiteTableTest, NoAddressBouncesTheSecondTime) {
  dns::AddressAnswer none;
  none.permanent = true;
  resolver.addresses_of["mx.example.net"] = none;
  start_table();
  auto path = path_to(2525);
  path->routed = false;
  path->hosts = {{10, "mx.example.net"}};
  table->accept(make_work(path, 2));
  ASSERT_TRUE(wait_for_works(1));
  EXPECT_EQ(desk.count(Verdict::kDeferred), 2u);
  auto again = path_to(2526);
  again->routed = false;
  again->hosts = {{10, "mx.example.net"}};
  table->accept(make_work(again, 2, queue::Lane::kBulk, 1));
  ASSERT_TRUE(wait_for_works(2));
  EXPECT_EQ(desk.count(Verdict::kBounced), 2u);
  EXPECT_EQ(desk.records.back().enhanced, "5.4.4");
}

TEST_F(SiteTableTest, AGreetingThatRefusesBouncesNothing) {
  PeerScript script;
  script.greeting = PeerReply{554, "5.7.1", "no service for you"};
  start_peer(script);
  start_table();
  table->accept(make_work(path_to(peer->port()), 10));
  ASSERT_TRUE(wait_for_works(1));
  EXPECT_EQ(desk.count(Verdict::kDeferred) + desk.states(RecipientState::kWaiting), 10u);
  EXPECT_GT(desk.count(Verdict::kDeferred), 0u);
  EXPECT_EQ(desk.records[0].code, 554);
  EXPECT_TRUE(peer->mails.empty());
}

TEST_F(SiteTableTest, TlsWhereItIsOffered) {
  auto tls = net::TlsContext::self_signed_server("mx.example.net");
  ASSERT_TRUE(tls.ok());
  PeerScript script;
  script.server.starttls = true;
  script.tls = tls->get();
  start_peer(script);
  start_table();
  table->accept(make_work(path_to(peer->port(), 1), 20));
  ASSERT_TRUE(wait_for_works(1));
  ASSERT_EQ(peer->mails.size(), 20u);
  EXPECT_TRUE(peer->mails.front().tls);
  EXPECT_EQ(registry.total(metrics::Metric::kTlsHandshakes), 1u);
  table->drain();
  ASSERT_TRUE(run_until(loop, [&] { return table->idle() && peer->open == 0; }));
  peer.reset();
}

TEST_F(SiteTableTest, BrokenTlsIsDoneWithoutOnANewConnection) {
  PeerScript script;
  script.server.starttls = true;
  script.break_tls = true;
  start_peer(script);
  start_table();
  table->accept(make_work(path_to(peer->port(), 1), 20));
  ASSERT_TRUE(wait_for_works(1));
  EXPECT_EQ(desk.count(Verdict::kDelivered), 20u);
  EXPECT_FALSE(peer->mails.front().tls);
  EXPECT_EQ(peer->connections, 2u);
  for (const Record& r : desk.records) EXPECT_EQ(r.attempt, 1u);
}

TEST_F(SiteTableTest, RequiredTlsIsNeverDoneWithout) {
  PeerScript script;
  script.server.starttls = true;
  script.break_tls = true;
  start_peer(script);
  start_table();
  auto path = path_to(peer->port(), 1);
  path->limits.tls = TlsPolicy::kRequired;
  table->accept(make_work(path, 3));
  ASSERT_TRUE(wait_for_works(1));
  EXPECT_TRUE(peer->mails.empty());
  EXPECT_EQ(desk.count(Verdict::kDeferred), 3u);
}

TEST_F(SiteTableTest, DrainMidWayLosesNothing) {
  start_peer();
  start_table();
  const auto path = path_to(peer->port(), 2);
  for (int i = 0; i < 4; ++i) table->accept(make_work(path, 200));
  ASSERT_TRUE(run_until(loop, [&] { return peer->mails.size() >= 100; }));
  table->drain();
  ASSERT_TRUE(run_until(loop, [&] { return table->idle(); }));
  ASSERT_EQ(desk.back.size(), 4u);
  EXPECT_EQ(desk.states(RecipientState::kInFlight), 0u);
  EXPECT_EQ(desk.states(RecipientState::kFinal) + desk.states(RecipientState::kWaiting), 800u);
  EXPECT_EQ(desk.states(RecipientState::kFinal), peer->mails.size());
  EXPECT_LT(peer->mails.size(), 800u);
  EXPECT_EQ(desk.count(Verdict::kDelivered), peer->mails.size());
  for (const auto& work : desk.back) EXPECT_EQ(work->rest_ms, 0);
  // What comes late goes back at once.
  table->accept(make_work(path, 5));
  ASSERT_TRUE(wait_for_works(5));
  EXPECT_EQ(desk.back.back()->waiting, 5u);
}

TEST_F(SiteTableTest, APausedCampaignComesBackAtOnce) {
  start_peer();
  start_table();
  const auto path = path_to(peer->port(), 2);
  table->accept(make_work(path, 250));
  const auto paused = context;
  context = make_context("december");
  table->accept(make_work(path, 50));
  ASSERT_TRUE(run_until(loop, [&] { return peer->mails.size() >= 40; }));
  paused->control->state = queue::CampaignState::kPaused;
  table->campaign_changed("november");
  ASSERT_TRUE(wait_for_works(2));
  const Work* november = nullptr;
  for (const auto& work : desk.back) {
    if (work->destination.campaign == "november") november = work.get();
  }
  ASSERT_NE(november, nullptr);
  EXPECT_EQ(november->rest_ms, 0);
  EXPECT_GT(november->waiting, 0u);
  EXPECT_EQ(november->in_flight, 0u);
  EXPECT_EQ(desk.count(Verdict::kDelivered), peer->mails.size());
  EXPECT_EQ(desk.count(Verdict::kDelivered) + november->waiting, 300u);
}

TEST_F(SiteTableTest, APeerThatDiesLeavesAtMostOneInDoubt) {
  PeerScript script;
  script.die_at = 30;
  start_peer(script);
  start_table();
  table->accept(make_work(path_to(peer->port(), 1), 100));
  ASSERT_TRUE(wait_for_works(1));
  EXPECT_EQ(desk.count(Verdict::kInDoubt), 1u);
  EXPECT_EQ(desk.count(Verdict::kDelivered), 99u);
  EXPECT_EQ(desk.count(Verdict::kDeferred), 0u);
  EXPECT_EQ(peer->mails.size(), 99u);
  EXPECT_TRUE(nobody_twice());
  for (const Record& r : desk.records) {
    // Six first delays where the user made those shorter than five minutes.
    if (r.verdict != Verdict::kInDoubt) continue;
    EXPECT_GE(r.delay_ms, 360'000);
  }
}

TEST_F(SiteTableTest, AReceiverThatClosesBetweenMessagesCostsNothing) {
  PeerScript script;
  script.close_after = 7;
  start_peer(script);
  start_table();
  table->accept(make_work(path_to(peer->port(), 1), 100));
  ASSERT_TRUE(wait_for_works(1));
  EXPECT_EQ(desk.count(Verdict::kDelivered), 100u);
  EXPECT_EQ(desk.records.size(), 100u);
  EXPECT_TRUE(nobody_twice());
  for (const Record& r : desk.records) EXPECT_EQ(r.attempt, 1u);
}

TEST_F(SiteTableTest, FiftyRefusalsInARowPauseTheSite) {
  PeerScript script;
  script.on_rcpt = [](const std::string&) -> std::optional<PeerReply> {
    return PeerReply{550, "5.7.25", "no reverse name: fix your ptr"};
  };
  start_peer(script);
  start_table();
  table->accept(make_work(path_to(peer->port(), 1), 200));
  ASSERT_TRUE(wait_for_works(1));
  EXPECT_EQ(desk.count(Verdict::kBounced), 0u);
  EXPECT_LE(desk.count(Verdict::kDeferred), 52u);
  EXPECT_GT(desk.back[0]->rest_ms, 0);
}

TEST_F(SiteTableTest, DestroyedInTheMiddleOfEverything) {
  start_peer();
  start_table();
  const auto path = path_to(peer->port(), 2);
  table->accept(make_work(path, 200));
  context = make_context("december");
  sign_with_a_key();
  table->accept(make_work(path, 200));
  ASSERT_TRUE(run_until(loop, [&] { return peer->mails.size() >= 50; }));
  table.reset();  // batches under way and bytes in flight are dropped
  EXPECT_EQ(shard.cells[static_cast<size_t>(metrics::Metric::kConnectionsOpen)].get(), 0u);
  for (int i = 0; i < 5; ++i) loop.run_once(false);
  desk.settled = desk.records.size();
}

}  // namespace
}  // namespace volley::delivery
