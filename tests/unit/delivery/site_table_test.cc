// Delivery at work: real sockets, a scripted peer.
#include "engine/delivery/site_table.h"

#include <gtest/gtest.h>

#include "tests/unit/delivery/sites_fixture.h"

namespace volley::delivery {
namespace {

TEST_F(SiteTableTest, SendsEachOnceOverTwoConnectionsPipelined) {
  start_peer();
  start_table();
  const auto path = path_to(peer->port(), 2);
  for (const size_t size : {250u, 250u, 250u, 250u}) table->accept(make_work(path, size));
  ASSERT_TRUE(wait_for_works(4));
  EXPECT_EQ(peer->mails.size(), 1000u);
  EXPECT_TRUE(nobody_twice());
  EXPECT_LE(peer->most_open, 2u);
  EXPECT_EQ(desk.count(Verdict::kDelivered), 1000u);
  EXPECT_EQ(desk.states(RecipientState::kFinal), 1000u);
  EXPECT_GT(peer->pipelined, 400u);
  EXPECT_EQ(registry.total(metrics::Metric::kDeliveredBulk), 1000u);
  const Record& record = desk.records.front();
  EXPECT_EQ(record.attempt, 1u);
  EXPECT_EQ(record.code, 250);
  EXPECT_EQ(record.host, "127.0.0.1");
  EXPECT_EQ(record.source, "127.0.0.1");
  EXPECT_EQ(record.campaign, "november");
  EXPECT_NE(peer->mails.front().content.find("\r\n.this is for you."), std::string::npos);
  EXPECT_EQ(peer->mails.front().from, "news@example.com");
}

TEST_F(SiteTableTest, OneConnectionMeansOne) {
  start_peer();
  start_table();
  const auto path = path_to(peer->port(), 1);
  auto other = path_to(peer->port(), 1);
  other->key = "another path of the same site";
  table->accept(make_work(path, 200));
  table->accept(make_work(other, 50));
  ASSERT_TRUE(wait_for_works(2));
  EXPECT_EQ(peer->most_open, 1u);
  EXPECT_EQ(peer->mails.size(), 250u);
}

TEST_F(SiteTableTest, ALowShareOfMessagesPerConnectionIsKept) {
  start_peer();
  start_table();
  auto path = path_to(peer->port(), 3);
  path->limits.messages_per_connection = 10;
  table->accept(make_work(path, 200));
  ASSERT_TRUE(wait_for_works(1));
  std::map<size_t, size_t> per_connection;
  for (const Peer::Mail& mail : peer->mails) ++per_connection[mail.connection];
  for (const auto& [connection, mails] : per_connection) EXPECT_LE(mails, 10u);
  EXPECT_GE(peer->connections, 20u);
  EXPECT_EQ(peer->mails.size(), 200u);
}

TEST_F(SiteTableTest, TransactionalMailOvertakes) {
  start_peer();
  start_table();
  const auto path = path_to(peer->port(), 1);
  size_t seen_at_hand_over = 0;
  std::unique_ptr<Work> urgent = make_work(path, 1, queue::Lane::kTransactional);
  const std::string rcpt(urgent->chunk.recipients().front().address);
  peer->on_mail = [&] {
    if (peer->mails.size() < 20 || !urgent) return;
    seen_at_hand_over = peer->mails.size();
    table->accept(std::move(urgent));
  };
  table->accept(make_work(path, 250));
  ASSERT_TRUE(wait_for_works(2));
  size_t place = 0;
  while (peer->mails[place].rcpt != rcpt) ++place;
  EXPECT_LE(place, seen_at_hand_over + 3);  // what was on the wire already
  EXPECT_EQ(registry.total(metrics::Metric::kDeliveredTransactional), 1u);
}

TEST_F(SiteTableTest, WorksTakeTurns) {
  start_peer();
  start_table();
  const auto path = path_to(peer->port(), 1);
  table->accept(make_work(path, 200));
  auto second = make_work(path, 20);
  const std::string last(second->chunk.recipients().back().address);
  table->accept(std::move(second));
  ASSERT_TRUE(wait_for_works(2));
  size_t place = 0;
  while (peer->mails[place].rcpt != last) ++place;
  EXPECT_LT(place, 60u);
}

TEST_F(SiteTableTest, SignsAhead) {
  start_peer();
  sign_with_a_key();
  start_table();
  table->accept(make_work(path_to(peer->port()), 200));
  table->accept(make_work(path_to(peer->port()), 3, queue::Lane::kTransactional));
  ASSERT_TRUE(wait_for_works(2));
  EXPECT_EQ(peer->mails.size(), 203u);
  EXPECT_TRUE(nobody_twice());
  for (const Peer::Mail& mail : peer->mails) {
    EXPECT_TRUE(mail.content.starts_with("DKIM-Signature:"));
  }
}

TEST_F(SiteTableTest, SuppressedAndUnrenderableAreDecidedWithoutTrying) {
  start_peer();
  const std::string key = "the key";
  const Hash128 hash = KeyedHash(key)("user2@example.net");
  std::string packed;
  for (const uint64_t half : {hash.high, hash.low}) {
    for (int shift = 56; shift >= 0; shift -= 8) packed += static_cast<char>(half >> shift & 0xff);
  }
  auto set = SuppressionSet::unpack(packed, key);
  ASSERT_TRUE(set.ok());
  context->suppressed = *set;
  start_table();
  auto work = make_work(path_to(peer->port()), 2);
  queue::ChunkBuilder builder;
  for (queue::Recipient r : work->chunk.recipients()) builder.add(r);
  const std::string_view bad[] = {std::string_view("a\0b", 3)};
  queue::Recipient unrenderable;
  unrenderable.number = 99;
  unrenderable.address = "user99@example.net";
  unrenderable.values = bad;
  builder.add(unrenderable);
  work->chunk = std::move(*queue::Chunk::decode(builder.encode()));
  table->accept(std::move(work));
  ASSERT_TRUE(wait_for_works(1));
  EXPECT_EQ(desk.count(Verdict::kDelivered), 1u);
  ASSERT_EQ(desk.count(Verdict::kSuppressed), 1u);
  ASSERT_EQ(desk.count(Verdict::kBounced), 1u);
  for (const Record& r : desk.records) {
    if (r.verdict == Verdict::kDelivered) continue;
    EXPECT_EQ(r.attempt, 0u);
    EXPECT_EQ(r.code, 0);
    EXPECT_EQ(r.number, r.verdict == Verdict::kSuppressed ? 2u : 99u);
    if (r.verdict == Verdict::kBounced) {
      EXPECT_EQ(r.enhanced, "5.6.0");
      EXPECT_FALSE(r.text.empty());
    }
  }
}

TEST_F(SiteTableTest, AReturnPathOfTheRecipientWins) {
  start_peer();
  start_table();
  auto work = make_work(path_to(peer->port()), 1);
  queue::Recipient recipient = work->chunk.recipients().front();
  recipient.return_path = "bounce+1@example.com";
  queue::ChunkBuilder builder;
  builder.add(recipient);
  work->chunk = std::move(*queue::Chunk::decode(builder.encode()));
  table->accept(std::move(work));
  ASSERT_TRUE(wait_for_works(1));
  ASSERT_EQ(peer->mails.size(), 1u);
  EXPECT_EQ(peer->mails[0].from, "bounce+1@example.com");
}

TEST_F(SiteTableTest, ProgressIsHandedOverWhileWorkGoesOn) {
  start_peer();
  auto path = path_to(peer->port(), 1);
  path->limits.rate = 4;  // a burst of four, then it waits
  start_table();
  table->accept(make_work(path, 6));
  ASSERT_TRUE(run_until(loop, [&] { return desk.progress > 0; }));
  EXPECT_GT(desk.settled, 0u);
  EXPECT_TRUE(desk.back.empty());
  const auto sites = table->snapshot();
  ASSERT_EQ(sites.size(), 1u);
  EXPECT_EQ(sites[0].limited_by, "rate (4/s, test)");
}

TEST_F(SiteTableTest, ResolvesHostsAndPrefersTheBest) {
  start_peer();
  dns::AddressAnswer here;
  here.addresses = {*net::Endpoint::from_ip("127.0.0.1", 0)};
  resolver.addresses_of["mx1.example.net"] = here;
  start_table();
  auto path = path_to(peer->port(), 1);
  path->routed = false;
  path->hosts = {{10, "mx1.example.net"}, {20, "mx2.example.net"}};
  table->accept(make_work(path, 5));
  ASSERT_TRUE(wait_for_works(1));
  EXPECT_EQ(desk.count(Verdict::kDelivered), 5u);
  EXPECT_EQ(desk.records[0].host, "mx1.example.net");
}

TEST_F(SiteTableTest, ARouteMayNameAHostOfTheOperatingSystem) {
  start_peer();
  start_table();
  auto path = path_to(peer->port(), 1);
  path->hosts = {{0, "localhost"}};  // perhaps ::1 first, where nobody listens
  table->accept(make_work(path, 5));
  ASSERT_TRUE(wait_for_works(1));
  EXPECT_EQ(desk.count(Verdict::kDelivered), 5u);
  EXPECT_EQ(resolver.asked, 0u);
}

TEST_F(SiteTableTest, WorkThatGetsNowhereGoesBackWithARest) {
  start_peer();
  settings.idle_return = std::chrono::milliseconds(50);
  start_table();
  auto path = path_to(peer->port(), 1);
  path->limits.rate = 0.01;
  table->accept(make_work(path, 3));
  ASSERT_TRUE(wait_for_works(1));
  EXPECT_EQ(desk.count(Verdict::kDelivered), 1u);
  EXPECT_EQ(desk.back[0]->waiting, 2u);
  EXPECT_EQ(desk.back[0]->rest_ms, 5000);
}

TEST_F(SiteTableTest, ManyPathsShareFewConnections) {
  start_peer();
  start_table();
  size_t works = 0;
  for (int i = 0; i < 40; ++i) {
    auto path = path_to(peer->port(), 3);
    path->key = "path " + std::to_string(i);
    table->accept(make_work(path, i == 0 ? 250 : 3));
    ++works;
  }
  ASSERT_TRUE(wait_for_works(works));
  EXPECT_EQ(peer->mails.size(), 250u + 39 * 3);
  EXPECT_TRUE(nobody_twice());
  EXPECT_LE(peer->most_open, 3u);
}

TEST_F(SiteTableTest, TransactionalPathTakesTheOnlyConnection) {
  start_peer();
  start_table();
  const auto bulk = path_to(peer->port(), 1);
  auto urgent = path_to(peer->port(), 1);
  urgent->key = "another path of the same site";
  std::unique_ptr<Work> work = make_work(urgent, 1, queue::Lane::kTransactional);
  const std::string rcpt(work->chunk.recipients().front().address);
  size_t seen = 0;
  peer->on_mail = [&] {
    if (peer->mails.size() < 5 || !work) return;
    seen = peer->mails.size();
    table->accept(std::move(work));
  };
  table->accept(make_work(bulk, 250));
  ASSERT_TRUE(wait_for_works(2));
  size_t place = 0;
  while (peer->mails[place].rcpt != rcpt) ++place;
  EXPECT_LE(place, seen + 4);
  EXPECT_EQ(peer->most_open, 1u);
  EXPECT_EQ(peer->mails.size(), 251u);
}

}  // namespace
}  // namespace volley::delivery
