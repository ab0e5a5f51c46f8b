// TLSA and TXT records through the resolver: asked once, cached, and a failure is never "there is none".
#include "tests/unit/dns/resolver_fake_fixture.h"

namespace volley::dns {
namespace {

using std::chrono::milliseconds;

TEST_F(FakeTest, TlsaAndTxtAreAskedOnceAndCached) {
  std::atomic<int> tlsa = 0, txt = 0;
  FakeServer server([&](const FakeQuestion& q) {
    if (q.type == kTlsa && q.name == "_25._tcp.mx.example.com") ++tlsa;
    if (q.type == kTxt && q.name == "_mta-sts.example.com") ++txt;
    return good(q);
  });
  auto r = resolver({server.address()});
  for (int i = 0; i < 10; ++i) {
    r->tlsa(i % 2 ? "MX.example.com." : "mx.example.com", 25, asker_);
    r->txt(i % 2 ? "_MTA-STS.example.com." : "_mta-sts.example.com", asker_);
  }
  asker_.turn_until([&] { return asker_.calls == 20; });
  TlsaAnswer a = asker_.tlsa(*r, "mx.example.com");
  EXPECT_EQ(a.records, (std::vector<TlsaRecord>{{3, 1, 1, "\xab"}}));
  EXPECT_EQ(a.ttl, std::chrono::minutes(5));
  TxtAnswer b = asker_.txt(*r, "_mta-sts.example.com");
  EXPECT_EQ(b.strings, std::vector<std::string>{"v=STSv1; id=1;"});
  EXPECT_EQ(tlsa, 1);
  EXPECT_EQ(txt, 1);
  EXPECT_EQ(server.questions(), 2);
  EXPECT_EQ(r->stats().cached, 2u);
  EXPECT_EQ(r->stats().cache_hits, 2u);
  // Another port is another name.
  asker_.tlsa(*r, "mx.example.com", 587);
  EXPECT_EQ(server.questions(), 3);
}

TEST_F(FakeTest, NoTlsaAndNoTxtAreAnswers) {
  for (unsigned code : {0u, kNxDomain}) {
    FakeServer server([&](const FakeQuestion& q) {
      return Packet(q.name, q.type, static_cast<uint16_t>(Packet::kReply | code))
          .soa("example.com", 900, 120)
          .opt();
    });
    Asker asker(loop_);
    auto r = resolver({server.address()});
    for (int i = 0; i < 2; ++i) {
      TlsaAnswer a = asker.tlsa(*r, "mx.example.com");
      EXPECT_TRUE(a.records.empty() && !a.failed) << code;
      EXPECT_EQ(a.ttl, std::chrono::minutes(2));
      TxtAnswer b = asker.txt(*r, "_mta-sts.example.com");
      EXPECT_TRUE(b.strings.empty() && !b.failed) << code;
      EXPECT_EQ(b.ttl, std::chrono::minutes(2));
    }
    EXPECT_EQ(server.questions(), 2) << "negative answers are cached";
  }
}

TEST_F(FakeTest, TlsaAndTxtFailuresAreNotNone) {
  FakeServer bad([](const FakeQuestion& q) -> std::optional<Packet> {
    if (q.name == "_25._tcp.broken.example" || q.name == "broken.example") {
      return Packet(q.name, q.type).record(Packet::kAnswer, q.name, q.type, 60, "\x09").opt();
    }
    if (q.name == "_25._tcp.silent.example" || q.name == "silent.example") return std::nullopt;
    return with_code(q, kServFail);
  });
  auto r = resolver({bad.address()}, milliseconds(500));
  for (const char* name : {"servfail.example", "broken.example", "silent.example"}) {
    TlsaAnswer a = asker_.tlsa(*r, name);
    EXPECT_TRUE(a.failed && a.records.empty() && !a.authenticated) << name;
    EXPECT_FALSE(a.detail.empty()) << name;
    TxtAnswer b = asker_.txt(*r, name);
    EXPECT_TRUE(b.failed && b.strings.empty()) << name;
    EXPECT_FALSE(b.detail.empty()) << name;
  }
}

TEST_F(FakeTest, TlsaAndTxtCanBeCancelled) {
  FakeServer server([](const FakeQuestion& q) { return good(q); });
  auto r = resolver({server.address()});
  QueryId tlsa = r->tlsa("mx.example.com", 25, asker_), txt = r->txt("example.com", asker_);
  r->cancel(tlsa);
  r->cancel(txt);
  asker_.tlsa(*r, "mx.example.com");
  asker_.txt(*r, "example.com");
  EXPECT_FALSE(asker_.tlsa_answers.contains(tlsa));
  EXPECT_FALSE(asker_.txt_answers.contains(txt));
  EXPECT_EQ(asker_.calls, 2);
}

TEST_F(FakeTest, TlsaAndTxtOfNamesDnsCannotHoldAreNotAsked) {
  FakeServer server([](const FakeQuestion& q) { return good(q); });
  auto r = resolver({server.address()});
  for (const char* name : {"a..example", "192.0.2.1"}) {
    TlsaAnswer a = asker_.tlsa(*r, name);
    EXPECT_TRUE(a.records.empty() && !a.failed) << name;
    TxtAnswer b = asker_.txt(*r, name);
    EXPECT_TRUE(b.strings.empty() && !b.failed) << name;
  }
  EXPECT_EQ(server.questions(), 0);
}

}  // namespace
}  // namespace volley::dns
