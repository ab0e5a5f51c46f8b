// The resolver against a real unbound on loopback.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "tests/unit/dns/asker.h"
#include "tests/unit/dns/fake_server.h"
#include "tests/unit/dns/unbound.h"

namespace volley::dns {
namespace {

using Family = net::Endpoint::Family;
using std::chrono::minutes;
using std::chrono::seconds;

// Where unbound asks for what is below forward.example.
std::optional<Packet> forwarded(const FakeQuestion& q) {
  if (q.name == "broken.forward.example") return Packet(q.name, q.type, Packet::kReply | 5);
  Packet p(q.name, q.type);
  const std::string real = "real.forward.example";
  if (q.name == "alias.forward.example") p.cname(q.name, 90, real);
  if (q.type == 1) {
    p.record(Packet::kAnswer, real, 1, 300, std::string("\xc0\x00\x02\x04", 4));
  } else {
    p.soa("forward.example", 300, 300);
  }
  return p;
}

std::string records(uint16_t forward_port) {
  std::string out = R"(
  local-zone: "example.com." static
  local-data: "example.com. 3600 IN SOA ns.example.com. root.example.com. 1 2 3 4 120"
  local-data: "example.com. 3600 IN MX 20 mx3.example.com."
  local-data: "example.com. 600 IN MX 10 mx1.example.com."
  local-data: "example.com. 600 IN MX 10 MX2.example.com."
  local-data: "mx1.example.com. 300 IN A 192.0.2.1"
  local-data: "mx1.example.com. 300 IN A 192.0.2.2"
  local-data: "mx1.example.com. 300 IN AAAA 2001:db8::1"
  local-data: "mx2.example.com. 5 IN A 192.0.2.3"
  local-data: "inside.example.com. 300 IN A 10.1.2.3"
  local-data: "inside.example.com. 300 IN AAAA ::1"
  local-data: "mixed.example.com. 300 IN A 127.0.0.1"
  local-data: "mixed.example.com. 300 IN A 192.0.2.9"
  local-data: "onlya.example.com. 300 IN A 192.0.2.4"
  local-data: "text.example.com. 300 IN TXT 'nothing else'"
  local-data: "null.example.com. 300 IN MX 0 ."
  local-data: "literal.example.com. 300 IN MX 0 192.0.2.1."
  local-zone: "refused.example." always_refuse
  local-zone: "gone.example." always_nxdomain
)";
  // More than fits into 1232 bytes: truncated over UDP, asked again over TCP.
  for (int i = 0; i < 60; ++i) {
    std::string n = std::to_string(i);
    out += "  local-data: \"big.example.com. 300 IN MX " + n +
           " a-rather-long-name-for-a-mail-exchanger-number-" + n + ".example.com.\"\n";
    out += "  local-data: \"many.example.com. 300 IN A 192.0.2." + n + "\"\n";
  }
  out += "forward-zone:\n  name: \"forward.example.\"\n  forward-addr: 127.0.0.1@" +
         std::to_string(forward_port) + "\n";
  return out;
}

class UnboundTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (!Unbound::installed()) return;
    upstream_ = std::make_unique<FakeServer>(forwarded);
    // Between choosing a free port and taking it somebody else may have it.
    for (int tries = 0; tries < 3 && !unbound_; ++tries) {
      unbound_ = Unbound::start(records(upstream_->address().port()));
    }
  }
  static void TearDownTestSuite() {
    unbound_.reset();
    upstream_.reset();
  }
  void SetUp() override {
    if (!Unbound::installed()) GTEST_SKIP() << "unbound is not installed: DNS IS NOT TESTED";
    ASSERT_NE(unbound_, nullptr) << "unbound did not start";
    make();
  }
  void make(bool allow_private = false, uint64_t seed = 1) {
    Settings settings;
    settings.servers = {unbound_->address()};
    settings.allow_private = allow_private;
    settings.timeout = seconds(30);
    auto made = CaresResolver::create(loop_, settings, seed);
    ASSERT_TRUE(made) << made.error().message;
    resolver_ = std::move(*made);
  }
  MxAnswer mx(std::string_view domain) { return asker_.mx(*resolver_, domain); }
  AddressAnswer addresses(std::string_view host) { return asker_.addresses(*resolver_, host); }

  static std::unique_ptr<FakeServer> upstream_;
  static std::unique_ptr<Unbound> unbound_;
  net::Loop loop_;
  Asker asker_{loop_};
  std::unique_ptr<CaresResolver> resolver_;
};

std::unique_ptr<FakeServer> UnboundTest::upstream_;
std::unique_ptr<Unbound> UnboundTest::unbound_;

TEST_F(UnboundTest, MxInOrder) {
  MxAnswer a = mx("Example.COM");
  ASSERT_EQ(a.kind, MxKind::kHosts) << a.detail;
  ASSERT_EQ(a.hosts.size(), 3u);
  EXPECT_EQ(a.hosts[2].name, "mx3.example.com");
  EXPECT_EQ(std::set<std::string>({a.hosts[0].name, a.hosts[1].name}),
            std::set<std::string>({"mx1.example.com", "mx2.example.com"}));
  EXPECT_EQ(a.ttl, minutes(10));
}

TEST_F(UnboundTest, EqualPreferencesAreShuffledForCachedAnswersToo) {
  std::set<std::string> first;
  for (int i = 0; i < 40; ++i) first.insert(mx("example.com").hosts[0].name);
  EXPECT_EQ(first.size(), 2u);
  Stats stats = resolver_->stats();
  EXPECT_EQ(stats.queries, 1u);
  EXPECT_EQ(stats.cache_hits, 39u);
  EXPECT_EQ(stats.cached, 1u);
  EXPECT_EQ(stats.in_flight, 0u);
}

TEST_F(UnboundTest, NoMxIsTheNameItself) {
  MxAnswer a = mx("onlya.example.com");
  ASSERT_EQ(a.kind, MxKind::kHosts);
  EXPECT_TRUE(a.implicit);
  EXPECT_EQ(a.hosts[0].name, "onlya.example.com");
  EXPECT_EQ(a.ttl, minutes(2)) << "the SOA's minimum";
}

TEST_F(UnboundTest, NullMx) { EXPECT_EQ(mx("null.example.com").kind, MxKind::kNullMx); }

TEST_F(UnboundTest, NxDomain) {
  MxAnswer a = mx("nothing.example.com");
  EXPECT_EQ(a.kind, MxKind::kNxDomain);
  EXPECT_EQ(a.ttl, minutes(2));
  EXPECT_EQ(mx("gone.example").kind, MxKind::kNxDomain);
  uint64_t asked = resolver_->stats().queries;
  EXPECT_EQ(mx("gone.example").kind, MxKind::kNxDomain);
  EXPECT_EQ(resolver_->stats().queries, asked) << "negative answers are cached";
}

TEST_F(UnboundTest, RefusedAndServfailAreTemporary) {
  MxAnswer refused = mx("refused.example");
  EXPECT_EQ(refused.kind, MxKind::kTempFail);
  EXPECT_NE(refused.detail.find("REFUSED from 127.0.0.1"), std::string::npos) << refused.detail;
  MxAnswer broken = mx("broken.forward.example");
  EXPECT_EQ(broken.kind, MxKind::kTempFail);
  EXPECT_NE(broken.detail.find("SERVFAIL"), std::string::npos) << broken.detail;
  AddressAnswer a = addresses("broken.forward.example");
  EXPECT_TRUE(a.addresses.empty());
  EXPECT_FALSE(a.permanent);
}

TEST_F(UnboundTest, MxThatIsALiteralIsNotUsable) {
  EXPECT_EQ(mx("literal.example.com").kind, MxKind::kTempFail);
}

TEST_F(UnboundTest, AddressesOfBothFamilies) {
  AddressAnswer a = addresses("mx1.example.com.");
  ASSERT_EQ(a.addresses.size(), 3u);
  EXPECT_EQ(a.addresses[0].str(), "[2001:db8::1]:0");
  EXPECT_EQ(a.addresses[1].family(), Family::kV4);
  EXPECT_FALSE(a.refused_private);
}

TEST_F(UnboundTest, ShortTtlLastsAMinute) {
  EXPECT_EQ(addresses("mx2.example.com").ttl, minutes(1));
}

TEST_F(UnboundTest, NoAddressIsPermanent) {
  AddressAnswer none = addresses("text.example.com");
  EXPECT_TRUE(none.permanent);
  EXPECT_EQ(none.detail, "no address record");
  AddressAnswer gone = addresses("nothing.example.com");
  EXPECT_TRUE(gone.permanent);
  EXPECT_EQ(gone.detail, "NXDOMAIN");
}

TEST_F(UnboundTest, PrivateAddressesAreRefused) {
  AddressAnswer inside = addresses("inside.example.com");
  EXPECT_TRUE(inside.addresses.empty());
  EXPECT_TRUE(inside.refused_private);
  EXPECT_FALSE(inside.permanent);
  AddressAnswer mixed = addresses("mixed.example.com");
  ASSERT_EQ(mixed.addresses.size(), 1u);
  EXPECT_EQ(mixed.addresses[0].host(), "192.0.2.9");
  EXPECT_TRUE(mixed.refused_private);
}

TEST_F(UnboundTest, PrivateAddressesMayBeAllowed) {
  make(true);
  EXPECT_EQ(addresses("inside.example.com").addresses.size(), 2u);
}

TEST_F(UnboundTest, CnameIsTolerated) {
  AddressAnswer a = addresses("alias.forward.example");
  ASSERT_EQ(a.addresses.size(), 1u) << a.detail;
  EXPECT_EQ(a.addresses[0].host(), "192.0.2.4");
  EXPECT_EQ(a.ttl, seconds(90)) << "the alias is part of the answer";
}

TEST_F(UnboundTest, LargeAnswersComeOverTcpAndAreCut) {
  MxAnswer a = mx("big.example.com");
  ASSERT_EQ(a.kind, MxKind::kHosts) << a.detail;
  ASSERT_EQ(a.hosts.size(), kMaxMxHosts);
  for (size_t i = 0; i < kMaxMxHosts; ++i) EXPECT_EQ(a.hosts[i].preference, i);
  EXPECT_EQ(addresses("many.example.com").addresses.size(), kMaxAddresses);
}

TEST_F(UnboundTest, ManyAtOnce) {
  std::vector<QueryId> ids;
  for (int i = 0; i < 300; ++i) {
    ids.push_back(resolver_->mx("d" + std::to_string(i) + ".gone.example", asker_));
  }
  asker_.turn_until([&] { return asker_.calls == 300; });
  for (QueryId id : ids) EXPECT_EQ(asker_.mx_answers[id].kind, MxKind::kNxDomain);
}

TEST_F(UnboundTest, UnreachableServerFailsFastAndTemporarily) {
  Settings settings;
  settings.servers = {net::Endpoint::v4({127, 0, 0, 1}, free_udp_port())};
  auto lonely = CaresResolver::create(loop_, settings, 1);
  ASSERT_TRUE(lonely);
  MxAnswer a = asker_.mx(**lonely, "example.com");
  EXPECT_EQ(a.kind, MxKind::kTempFail);
  EXPECT_NE(a.detail.find(settings.servers[0].str()), std::string::npos) << a.detail;
  AddressAnswer b = asker_.addresses(**lonely, "example.com");
  EXPECT_FALSE(b.permanent);
}

}  // namespace
}  // namespace volley::dns
