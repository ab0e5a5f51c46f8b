#include "dns/answer.h"

#include <gtest/gtest.h>

#include "tests/unit/dns/packet.h"

namespace volley::dns {
namespace {

constexpr unsigned kA = 1, kNs = 2, kMx = 15, kTxt = 16, kAaaa = 28, kTlsa = 52;
const std::string kAddress{"\xc0\x00\x02\x01", 4};

Answer parsed(const Packet& packet) {
  auto answer = parse_answer(packet.bytes);
  EXPECT_TRUE(answer) << answer.error().message;
  return answer ? *answer : Answer{};
}

TEST(ParseAnswer, MxWithSmallestTtl) {
  Packet p("Example.COM", kMx);
  p.mx("example.com", 600, 10, "MX1.example.net")
      .mx("example.com", 300, 20, "mx2.example.net")
      .opt();
  Answer a = parsed(p);
  EXPECT_EQ(a.rcode, 0u);
  ASSERT_EQ(a.mx.size(), 2u);
  EXPECT_EQ(a.mx[0].preference, 10);
  EXPECT_EQ(a.mx[0].name, "mx1.example.net");
  EXPECT_EQ(a.ttl, 300u);
  EXPECT_TRUE(a.has_edns);
  EXPECT_FALSE(a.authenticated);
  EXPECT_FALSE(a.referral);
}

TEST(ParseAnswer, NullMxIsTheRoot) {
  Answer a = parsed(Packet("example.com", kMx).mx("example.com", 60, 0, ""));
  ASSERT_EQ(a.mx.size(), 1u);
  EXPECT_EQ(a.mx[0].name, "");
}

TEST(ParseAnswer, FollowsCnamesInAnyOrder) {
  Packet p("www.example.com", kA);
  p.record(Packet::kAnswer, "c.example.net", kA, 900, kAddress);
  p.cname("b.example.net", 40, "c.example.net").cname("www.example.com", 500, "b.example.net");
  Answer a = parsed(p);
  ASSERT_EQ(a.a.size(), 1u);
  EXPECT_EQ(a.a[0], (std::array<uint8_t, 4>{192, 0, 2, 1}));
  EXPECT_EQ(a.ttl, 40u);
}

TEST(ParseAnswer, CnameLoopEnds) {
  Packet p("a.example", kA);
  p.cname("a.example", 1, "b.example").cname("b.example", 1, "a.example");
  EXPECT_TRUE(parsed(p).a.empty());
}

TEST(ParseAnswer, RecordsOfOtherNamesAndClassesAreIgnored) {
  Packet p("example.com", kA);
  p.record(Packet::kAnswer, "evil.example", kA, 900, kAddress);
  p.record(Packet::kAdditional, "example.com", kA, 900, kAddress);
  EXPECT_TRUE(parsed(p).a.empty());
}

TEST(ParseAnswer, Aaaa) {
  std::string v6(16, '\x01');
  Answer a =
      parsed(Packet("example.com", kAaaa).record(Packet::kAnswer, "example.com", kAaaa, 70, v6));
  ASSERT_EQ(a.aaaa.size(), 1u);
  EXPECT_EQ(a.aaaa[0][15], 1);
}

TEST(ParseAnswer, Txt) {
  Packet p("_mta-sts.example.com", kTxt);
  p.cname("_mta-sts.example.com", 500, "sts.example.net");
  p.txt("sts.example.net", 90, {"v=STSv1; ", "id=1;"}).txt("sts.example.net", 100, {""});
  Answer a = parsed(p);
  EXPECT_EQ(a.txt, (std::vector<std::string>{"v=STSv1; id=1;", ""}));
  EXPECT_EQ(a.ttl, 90u);
  EXPECT_EQ(a.owner, "sts.example.net");
}

TEST(ParseAnswer, TxtThatLiesAboutItsLength) {
  for (const std::string& data : {std::string(),
                                  std::string("\x02"
                                              "a"),
                                  std::string("\x01"
                                              "ab")}) {
    Packet p("example.com", kTxt);
    p.record(Packet::kAnswer, "example.com", kTxt, 90, data);
    EXPECT_FALSE(parse_answer(p.bytes)) << data.size();
  }
}

TEST(ParseAnswer, Tlsa) {
  Packet p("_25._tcp.mx.example.com", kTlsa);
  p.tlsa("_25._tcp.mx.example.com", 70, std::string("\x03\x01\x01\xab\xcd", 5));
  p.tlsa("_25._tcp.mx.example.com", 60, std::string("\xff\x00\x02", 3));
  Answer a = parsed(p);
  ASSERT_EQ(a.tlsa.size(), 2u);
  EXPECT_EQ(a.tlsa[0], (TlsaRecord{3, 1, 1, "\xab\xcd"}));
  EXPECT_EQ(a.tlsa[1], (TlsaRecord{255, 0, 2, ""}));
  EXPECT_EQ(a.ttl, 60u);
  EXPECT_EQ(a.owner, "_25._tcp.mx.example.com");
}

TEST(ParseAnswer, TlsaThatIsTooShort) {
  Packet p("example.com", kTlsa);
  p.tlsa("example.com", 60, std::string("\x03\x01", 2));
  EXPECT_FALSE(parse_answer(p.bytes));
}

TEST(ParseAnswer, NegativeTtlIsTheSmallerOfTwo) {
  Packet p("example.com", kMx, Packet::kReply | 3);
  p.soa("example.com", 900, 120);
  Answer a = parsed(p);
  EXPECT_EQ(a.rcode, 3u);
  EXPECT_EQ(a.negative_ttl, 120u);
  EXPECT_EQ(parsed(Packet("example.com", kMx).soa("example.com", 50, 120)).negative_ttl, 50u);
  EXPECT_EQ(parsed(Packet("example.com", kMx)).negative_ttl, std::nullopt);
}

TEST(ParseAnswer, TtlWithTheTopBitIsZero) {
  EXPECT_EQ(parsed(Packet("example.com", kMx).mx("example.com", 0x80000001, 1, "a.example")).ttl,
            0u);
}

TEST(ParseAnswer, AuthenticatedFlag) {
  EXPECT_TRUE(parsed(Packet("example.com", kMx, Packet::kReply | 0x20)).authenticated);
}

TEST(ParseAnswer, ReferralOfAServerThatDoesNotRecurse) {
  Packet p("example.com", kMx, 0x8000);
  p.record(Packet::kAuthority, "com", kNs, 60, Packet::encoded("ns.example"));
  EXPECT_TRUE(parsed(p).referral);
  // Recursion available: an empty answer is an empty answer.
  Packet q("example.com", kMx);
  q.record(Packet::kAuthority, "com", kNs, 60, Packet::encoded("ns.example"));
  EXPECT_FALSE(parsed(q).referral);
}

TEST(ParseAnswer, RefusesWhatIsNoReply) {
  Packet query("example.com", kMx, 0x0100);
  EXPECT_FALSE(parse_answer(query.bytes));
  EXPECT_FALSE(parse_answer({}));
  Packet wrong_size("example.com", kA);
  wrong_size.record(Packet::kAnswer, "example.com", kA, 60, "abc");
  EXPECT_FALSE(parse_answer(wrong_size.bytes));
  Packet lying("example.com", kMx);
  lying.bytes[Packet::kAnswer] = 0xff;
  auto answer = parse_answer(lying.bytes);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Errc::kProtocol);
}

TEST(ParseAnswer, CompressionLoopIsRefused) {
  Packet p("example.com", kMx);
  size_t at = p.bytes.size();
  p.record(Packet::kAnswer, "example.com", 15, 60, "");
  p.bytes.resize(at);
  p.u8(0xc0 | at >> 8).u8(at & 255);  // points to itself
  p.u16(15).u16(1).u32(60).u16(0);
  EXPECT_FALSE(parse_answer(p.bytes));
}

// Every prefix and every flipped byte is read without harm (the sanitizers watch).
TEST(ParseAnswer, SurvivesDamage) {
  Packet p("example.com", kMx);
  p.cname("example.com", 5, "b.example").mx("b.example", 600, 10, "mx1.example.net");
  p.txt("b.example", 60, {"v=STSv1; id=1;", "x"}).tlsa("b.example", 60, "\x03\x01\x01hash");
  p.soa("example.com", 900, 120).opt();
  for (size_t n = 0; n < p.bytes.size(); ++n) {
    std::vector<uint8_t> cut(p.bytes.begin(), p.bytes.begin() + static_cast<std::ptrdiff_t>(n));
    EXPECT_FALSE(parse_answer(cut)) << n;
  }
  for (size_t i = 0; i < p.bytes.size(); ++i) {
    for (unsigned v : {0x00u, 0x3fu, 0x7fu, 0xc0u, 0xffu}) {
      std::vector<uint8_t> damaged = p.bytes;
      damaged[i] = static_cast<uint8_t>(v);
      (void)parse_answer(damaged).ok();
    }
  }
}

}  // namespace
}  // namespace volley::dns
