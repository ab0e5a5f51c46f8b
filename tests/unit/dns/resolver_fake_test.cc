// What no well-behaved server does, and what needs an exact count of questions.
#include <gtest/gtest.h>

#include <set>

#include "metrics/registry.h"
#include "tests/unit/dns/resolver_fake_fixture.h"
#include "tests/unit/dns/unbound.h"

namespace volley::dns {
namespace {

using std::chrono::milliseconds;

TEST_F(FakeTest, EdnsIsAsked) {
  std::atomic<bool> edns = false;
  FakeServer server([&](const FakeQuestion& q) {
    edns = q.edns;
    return good(q);
  });
  auto r = resolver({server.address()});
  EXPECT_EQ(asker_.mx(*r, "example.com").kind, MxKind::kHosts);
  EXPECT_TRUE(edns);
}

TEST_F(FakeTest, OneFormErrDoesNotEndEdnsForGood) {
  std::atomic<int> with = 0, without = 0;
  FakeServer server([&](const FakeQuestion& q) -> std::optional<Packet> {
    ++(q.edns ? with : without);
    // The first question meets a broken middle box.
    if (q.number == 1) return Packet(q.name, q.type, Packet::kReply | kFormErr);
    return good(q);
  });
  auto r = resolver({server.address()});
  EXPECT_EQ(asker_.mx(*r, "one.example").kind, MxKind::kHosts);
  EXPECT_EQ(without, 1) << "asked again without, as RFC 6891 wants";
  EXPECT_EQ(asker_.mx(*r, "two.example").kind, MxKind::kHosts);
  EXPECT_EQ(asker_.mx(*r, "three.example").kind, MxKind::kHosts);
  EXPECT_EQ(without, 1);
  EXPECT_EQ(with, 3);
}

TEST_F(FakeTest, ServfailAndRefusedGoToTheNextServer) {
  for (unsigned code : {kServFail, kRefused, kFormErr}) {
    FakeServer bad([&](const FakeQuestion& q) { return with_code(q, code); });
    FakeServer fine([](const FakeQuestion& q) { return good(q); });
    Asker asker(loop_);
    auto r = resolver({bad.address(), fine.address()});
    EXPECT_EQ(asker.mx(*r, "example.com").kind, MxKind::kHosts) << code;
    EXPECT_EQ(bad.questions(), 1);
    EXPECT_EQ(asker.mx(*r, "example.net").kind, MxKind::kHosts);
    EXPECT_EQ(bad.questions(), 1) << "the server that worked is asked first from now on";
    EXPECT_EQ(r->stats().failures, 0u);
  }
}

TEST_F(FakeTest, ClosedServerGoesToTheNext) {
  FakeServer fine([](const FakeQuestion& q) { return good(q); });
  auto closed = net::Endpoint::v4({127, 0, 0, 1}, free_udp_port());
  auto r = resolver({closed, fine.address()});
  EXPECT_EQ(asker_.mx(*r, "example.com").kind, MxKind::kHosts);
}

TEST_F(FakeTest, ServfailEverywhereIsTemporaryAndCachedBriefly) {
  FakeServer bad([](const FakeQuestion& q) { return with_code(q, kServFail); });
  auto r = resolver({bad.address()});
  MxAnswer a = asker_.mx(*r, "example.com");
  EXPECT_EQ(a.kind, MxKind::kTempFail);
  EXPECT_EQ(a.detail, "SERVFAIL from " + bad.address().str());
  EXPECT_EQ(bad.questions(), 2) << "asked twice";
  EXPECT_EQ(asker_.mx(*r, "example.com").kind, MxKind::kTempFail);
  EXPECT_EQ(bad.questions(), 2);
  EXPECT_EQ(r->stats().failures, 1u);
}

TEST_F(FakeTest, CountsQuestionsHitsFailuresAndTimes) {
  using metrics::Metric;
  metrics::Registry registry;
  metrics::Shard& counts = registry.new_shard();
  FakeServer server([](const FakeQuestion& q) {
    return q.name == "bad.example" ? with_code(q, kServFail) : good(q);
  });
  Settings settings;
  settings.servers = {server.address()};
  auto r = CaresResolver::create(loop_, settings, 1, &counts);
  ASSERT_TRUE(r) << r.error().message;
  asker_.mx(**r, "good.example");
  asker_.mx(**r, "good.example");
  asker_.mx(**r, "bad.example");
  EXPECT_EQ(counts[Metric::kDnsQueries].get(), 3u) << "the bad one twice";
  EXPECT_EQ(counts[Metric::kDnsCacheHits].get(), 1u);
  EXPECT_EQ(counts[Metric::kDnsFailures].get(), 1u);
  uint64_t times = 0;
  for (size_t i = 0; i <= metrics::HistogramCells::kBuckets; ++i) {
    times += counts[metrics::Histogram::kDnsTime].bucket(i);
  }
  EXPECT_EQ(times, 2u) << "not those from the cache";
}

TEST_F(FakeTest, NxDomainIsBelievedAtOnce) {
  FakeServer first([](const FakeQuestion& q) { return with_code(q, kNxDomain); });
  FakeServer second([](const FakeQuestion& q) { return good(q); });
  auto r = resolver({first.address(), second.address()});
  EXPECT_EQ(asker_.mx(*r, "example.com").kind, MxKind::kNxDomain);
  EXPECT_EQ(second.questions(), 0);
}

TEST_F(FakeTest, ServerThatDoesNotRecurseIsNoAnswer) {
  FakeServer lame([](const FakeQuestion& q) {
    Packet p(q.name, q.type, 0x8000);
    p.record(Packet::kAuthority, "com", 2, 60, Packet::encoded("ns.example"));
    return p.opt();
  });
  auto r = resolver({lame.address()});
  MxAnswer a = asker_.mx(*r, "example.com");
  EXPECT_EQ(a.kind, MxKind::kTempFail);
  EXPECT_NE(a.detail.find("recursive"), std::string::npos);
}

TEST_F(FakeTest, BrokenReplyIsAFailure) {
  FakeServer broken([](const FakeQuestion& q) {
    Packet p(q.name, q.type);
    p.record(Packet::kAnswer, q.name, q.type, 60, "\x01");
    return p.opt();
  });
  auto r = resolver({broken.address()});
  EXPECT_EQ(asker_.mx(*r, "example.com").kind, MxKind::kTempFail);
}

TEST_F(FakeTest, SilentServerEndsAtTheDeadline) {
  FakeServer silent([](const FakeQuestion&) { return std::nullopt; });
  auto r = resolver({silent.address()}, milliseconds(60));
  MxAnswer a = asker_.mx(*r, "example.com");
  EXPECT_EQ(a.kind, MxKind::kTempFail);
  EXPECT_FALSE(a.detail.empty());
  // Even what waits for its turn.
  auto narrow = resolver({silent.address()}, milliseconds(60), 1);
  narrow->mx("one.example", asker_);
  EXPECT_EQ(asker_.mx(*narrow, "two.example").kind, MxKind::kTempFail);
}

TEST_F(FakeTest, SingleFlight) {
  FakeServer server([](const FakeQuestion& q) { return good(q); });
  auto r = resolver({server.address()});
  std::set<QueryId> ids;
  for (int i = 0; i < 50; ++i) ids.insert(r->mx(i % 2 ? "Example.com." : "example.com", asker_));
  EXPECT_EQ(ids.size(), 50u);
  asker_.turn_until([&] { return asker_.calls == 50; });
  EXPECT_EQ(server.questions(), 1);
  EXPECT_EQ(asker_.mx_answers.size(), 50u);
}

TEST_F(FakeTest, NoMoreThanTheCapAtOnce) {
  std::atomic<int> seen = 0;
  FakeServer server([&](const FakeQuestion& q) {
    ++seen;
    return good(q);
  });
  auto r = resolver({server.address()}, std::chrono::seconds(20), 3);
  for (int i = 0; i < 40; ++i) r->mx("d" + std::to_string(i) + ".example", asker_);
  uint64_t most = 0;
  while (asker_.calls < 40) {
    loop_.run_once(true);
    most = std::max(most, r->stats().in_flight);
  }
  EXPECT_LE(most, 3u);
  EXPECT_EQ(server.questions(), 40);
  EXPECT_EQ(r->stats().in_flight, 0u);
  EXPECT_EQ(r->stats().queries, 40u);
}

TEST_F(FakeTest, CancelledQueriesAreNotAnswered) {
  FakeServer server([](const FakeQuestion& q) { return good(q); });
  auto r = resolver({server.address()});
  QueryId gone = r->mx("example.com", asker_);
  r->cancel(gone);
  r->cancel(gone);
  r->cancel(987'654);
  EXPECT_EQ(asker_.mx(*r, "example.com").kind, MxKind::kHosts);
  EXPECT_FALSE(asker_.mx_answers.contains(gone));
  // Cancelled when the answer is there but not told yet.
  QueryId cached = r->mx("example.com", asker_);
  r->cancel(cached);
  EXPECT_EQ(asker_.mx(*r, "example.com").kind, MxKind::kHosts);
  EXPECT_FALSE(asker_.mx_answers.contains(cached));
}

TEST_F(FakeTest, CancelFromInsideAnAnswer) {
  FakeServer server([](const FakeQuestion& q) { return good(q); });
  auto r = resolver({server.address()});
  QueryId first = r->mx("example.com", asker_), second = r->mx("example.com", asker_);
  asker_.on_answer = [&] { r->cancel(second); };
  asker_.turn_until([&] { return asker_.mx_answers.contains(first); });
  asker_.on_answer = nullptr;
  asker_.mx(*r, "example.com");
  EXPECT_FALSE(asker_.mx_answers.contains(second));
}

TEST_F(FakeTest, AskingFromInsideAnAnswer) {
  FakeServer server([](const FakeQuestion& q) { return good(q); });
  auto r = resolver({server.address()});
  int more = 3;
  asker_.on_answer = [&] {
    if (more-- > 0) r->mx("example.com", asker_);
  };
  r->mx("example.com", asker_);
  asker_.turn_until([&] { return asker_.calls == 4; });
  EXPECT_EQ(server.questions(), 1);
}

TEST_F(FakeTest, DestroyedFromInsideAnAnswer) {
  FakeServer server([](const FakeQuestion& q) { return good(q); });
  auto r = resolver({server.address()});
  asker_.on_answer = [&] { r.reset(); };
  r->mx("example.com", asker_);
  r->mx("example.com", asker_);
  r->addresses("mx.example.com", asker_);
  asker_.turn_until([&] { return asker_.calls == 1; });
  EXPECT_EQ(r, nullptr);
}

TEST_F(FakeTest, DestroyedWithQuestionsOut) {
  FakeServer silent([](const FakeQuestion&) { return std::nullopt; });
  auto r = resolver({silent.address()});
  r->mx("example.com", asker_);
  r->addresses("example.com", asker_);
  asker_.turn_until([&] { return silent.questions() == 3; });
  r.reset();
  loop_.run_once(false);
  EXPECT_EQ(asker_.calls, 0);
}

TEST_F(FakeTest, NamesDnsCannotHoldAreNotAsked) {
  FakeServer server([](const FakeQuestion& q) { return good(q); });
  auto r = resolver({server.address()});
  const std::string names[] = {"a..example", std::string(64, 'a') + ".example", "", "192.0.2.1"};
  for (const std::string& name : names) {
    EXPECT_EQ(asker_.mx(*r, name).kind, MxKind::kNxDomain) << name;
    AddressAnswer a = asker_.addresses(*r, name);
    EXPECT_TRUE(a.permanent && a.addresses.empty()) << name;
  }
  EXPECT_EQ(server.questions(), 0);
}

TEST_F(FakeTest, WithoutIpv6OnlyAIsAsked) {
  FakeServer server([](const FakeQuestion& q) { return good(q); });
  Settings settings;
  settings.servers = {server.address()};
  settings.ipv6 = false;
  auto r = CaresResolver::create(loop_, settings, 1);
  ASSERT_TRUE(r);
  EXPECT_EQ(asker_.addresses(**r, "mx.example.com").addresses.size(), 1u);
  EXPECT_EQ(server.questions(), 1);
}

Packet with_ad(Packet packet) {
  packet.bytes[3] |= 0x20;
  return packet;
}

TEST_F(FakeTest, AdIsAskedForAndBelievedOnlyFromATrustedServer) {
  for (bool trusted : {false, true}) {
    std::atomic<int> with = 0, without = 0;
    FakeServer server([&](const FakeQuestion& q) {
      ++(q.ad ? with : without);
      return with_ad(good(q));
    });
    Settings settings;
    settings.servers = {server.address()};
    settings.trust_ad = trusted;
    Asker asker(loop_);
    auto r = CaresResolver::create(loop_, settings, 1);
    ASSERT_TRUE(r);
    EXPECT_EQ(asker.mx(**r, "example.com").authenticated, trusted);
    EXPECT_EQ(asker.addresses(**r, "mx.example.com").authenticated, trusted);
    EXPECT_EQ(asker.tlsa(**r, "mx.example.com").authenticated, trusted);
    // From the cache as well.
    EXPECT_EQ(asker.mx(**r, "example.com").authenticated, trusted);
    EXPECT_EQ(asker.addresses(**r, "mx.example.com").authenticated, trusted);
    EXPECT_EQ(asker.tlsa(**r, "mx.example.com").authenticated, trusted);
    EXPECT_EQ(with, trusted ? 4 : 0);
    EXPECT_EQ(without, trusted ? 0 : 4);
  }
}

TEST_F(FakeTest, TrustDoesNotInventTheBit) {
  FakeServer server([](const FakeQuestion& q) { return good(q); });
  Settings settings;
  settings.servers = {server.address()};
  settings.trust_ad = true;
  auto r = CaresResolver::create(loop_, settings, 1);
  ASSERT_TRUE(r);
  EXPECT_FALSE(asker_.mx(**r, "example.com").authenticated);
  EXPECT_FALSE(asker_.tlsa(**r, "example.com").authenticated);
}

TEST(IsLoopback, OnlyWhenAllAreHere) {
  const auto here = net::Endpoint::v4({127, 0, 0, 53}, 53),
             there = net::Endpoint::v4({192, 0, 2, 1}, 53);
  const net::Endpoint six = *net::Endpoint::from_ip("::1", 0),
                      other = *net::Endpoint::from_ip("2001:db8::1", 53);
  auto loopback = [](std::vector<net::Endpoint> servers) { return is_loopback(servers); };
  EXPECT_TRUE(loopback({here}));
  EXPECT_TRUE(loopback({here, six}));
  EXPECT_FALSE(loopback({}));
  EXPECT_FALSE(loopback({here, there}));
  EXPECT_FALSE(loopback({other}));
  EXPECT_FALSE(loopback({net::Endpoint::v4({10, 0, 0, 1}, 53)})) << "private is not this machine";
  EXPECT_FALSE(loopback({net::Endpoint::unix_socket("/run/dns")}));
}

TEST_F(FakeTest, ServerMustBeAnAddress) {
  Settings settings;
  settings.servers = {net::Endpoint::unix_socket("/run/dns")};
  auto r = CaresResolver::create(loop_, settings, 1);
  ASSERT_FALSE(r);
  EXPECT_EQ(r.error().code, Errc::kConfig);
}

}  // namespace
}  // namespace volley::dns
