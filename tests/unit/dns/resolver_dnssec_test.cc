// What DANE needs, against an unbound that validates zones this test has signed.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "tests/unit/dns/asker.h"
#include "tests/unit/dns/signed_zone.h"
#include "tests/unit/dns/unbound.h"

namespace volley::dns {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

const std::string kDigest = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

const std::string kSecure = R"(
@ MX 10 mx
@ MX 20 mx.insecure.example.
mx A 192.0.2.1
mx AAAA 2001:db8::1
_25._tcp.mx TLSA 3 1 1 )" + kDigest +
                            R"(
_25._tcp.mx TLSA 2 0 0 30820100
_26._tcp.mx CNAME _25._tcp.mx
_27._tcp.mx CNAME _25._tcp.mx.insecure.example.
_28._tcp.mx TXT "no TLSA"
only4 A 192.0.2.4
alias CNAME alias2
alias2 CNAME mx
out CNAME mx.insecure.example.
_mta-sts TXT "v=STSv1; " "id=20260101;"
_mta-sts TXT "something else"
child NS ns.child
ns.child A 192.0.2.54
)";
const std::string kPlain = R"(
@ MX 10 mx
mx A 192.0.2.2
_25._tcp.mx TLSA 3 1 1 )" + kDigest +
                           R"(
in CNAME mx.secure.example.
)";
const std::string kBogus = R"(
@ MX 10 mx
mx A 192.0.2.3
_25._tcp.mx TLSA 3 1 1 )" + kDigest +
                           R"(
)";

// What an attacker does to a signed zone.
void falsify(const std::string& path) {
  std::ifstream in(path);
  std::string text(std::istreambuf_iterator<char>(in), {});
  for (auto [from, to] : {std::pair<std::string, std::string>{"192.0.2.3", "192.0.2.9"},
                          {"TLSA\t3 1 1 00", "TLSA\t3 1 1 ff"},
                          {"MX\t10 mx.bogus", "MX\t11 mx.bogus"}}) {
    size_t at = text.find(from);
    ASSERT_NE(at, std::string::npos) << from;
    text.replace(at, from.size(), to);
  }
  std::ofstream(path) << text;
}

std::string auth_zone(const std::string& name, const std::string& file) {
  return "auth-zone:\n  name: \"" + name + ".\"\n  zonefile: \"" + file +
         "\"\n  for-downstream: no\n  for-upstream: yes\n  fallback-enabled: no\n";
}

class DnssecTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (!Unbound::installed() || !can_sign_zones()) return;
    directory_ = (std::filesystem::temp_directory_path() / "volley-zones-XXXXXX").string();
    ASSERT_NE(::mkdtemp(directory_.data()), nullptr);
    auto secure = sign_zone(directory_, "secure.example", kSecure);
    auto bogus = sign_zone(directory_, "bogus.example", kBogus);
    ASSERT_TRUE(secure && bogus);
    falsify(bogus->file);
    const std::string config =
        "  trust-anchor: \"" + secure->anchor + "\"\n  trust-anchor: \"" + bogus->anchor + "\"\n" +
        auth_zone("secure.example", secure->file) + auth_zone("bogus.example", bogus->file) +
        auth_zone("insecure.example", write_zone(directory_, "insecure.example", kPlain)) +
        auth_zone("child.secure.example", write_zone(directory_, "child.secure.example", kPlain));
    // Between choosing a free port and taking it somebody else may have it.
    for (int tries = 0; tries < 3 && !unbound_; ++tries) {
      unbound_ = Unbound::start(config, "validator iterator");
    }
  }
  static void TearDownTestSuite() {
    unbound_.reset();
    if (!directory_.empty()) std::filesystem::remove_all(directory_);
  }
  void SetUp() override {
    if (!Unbound::installed()) GTEST_SKIP() << "unbound is not installed: DNS IS NOT TESTED";
    if (!can_sign_zones()) GTEST_SKIP() << "ldnsutils is not installed: DNSSEC IS NOT TESTED";
    ASSERT_NE(unbound_, nullptr) << "unbound did not start";
    make(true);
  }
  void make(bool trust_ad) {
    Settings settings;
    settings.servers = {unbound_->address()};
    settings.trust_ad = trust_ad;
    settings.timeout = seconds(30);
    auto made = CaresResolver::create(loop_, settings, 1);
    ASSERT_TRUE(made) << made.error().message;
    resolver_ = std::move(*made);
  }
  MxAnswer mx(std::string_view domain) { return asker_.mx(*resolver_, domain); }
  AddressAnswer addresses(std::string_view host) { return asker_.addresses(*resolver_, host); }
  TlsaAnswer tlsa(std::string_view host, uint16_t port = 25) {
    return asker_.tlsa(*resolver_, host, port);
  }
  TxtAnswer txt(std::string_view name) { return asker_.txt(*resolver_, name); }

  static std::string directory_;
  static std::unique_ptr<Unbound> unbound_;
  net::Loop loop_;
  Asker asker_{loop_};
  std::unique_ptr<CaresResolver> resolver_;
};

std::string DnssecTest::directory_;
std::unique_ptr<Unbound> DnssecTest::unbound_;

TEST_F(DnssecTest, SecureFromMxToTlsa) {
  MxAnswer a = mx("secure.example");
  ASSERT_EQ(a.kind, MxKind::kHosts) << a.detail;
  EXPECT_EQ(a.hosts[0].name, "mx.secure.example");
  EXPECT_TRUE(a.authenticated);
  AddressAnswer b = addresses("mx.secure.example");
  EXPECT_EQ(b.addresses.size(), 2u);
  EXPECT_TRUE(b.authenticated);
  EXPECT_EQ(b.canonical, "mx.secure.example");
  TlsaAnswer c = tlsa("MX.secure.example.");
  EXPECT_TRUE(c.authenticated);
  EXPECT_FALSE(c.failed);
  EXPECT_EQ(c.ttl, minutes(5));
  ASSERT_EQ(c.records.size(), 2u);
  std::sort(c.records.begin(), c.records.end(),
            [](const TlsaRecord& x, const TlsaRecord& y) { return x.usage < y.usage; });
  EXPECT_EQ(c.records[0], (TlsaRecord{2, 0, 0, std::string("\x30\x82\x01\x00", 4)}));
  EXPECT_EQ(c.records[1].usage, 3);
  EXPECT_EQ(c.records[1].selector, 1);
  EXPECT_EQ(c.records[1].matching, 1);
  ASSERT_EQ(c.records[1].data.size(), 32u);
  EXPECT_EQ(c.records[1].data[31], 0x1f);
}

TEST_F(DnssecTest, OneSecureFamilyIsEnough) {
  AddressAnswer a = addresses("only4.secure.example");
  EXPECT_EQ(a.addresses.size(), 1u);
  EXPECT_TRUE(a.authenticated) << "that there is no AAAA is signed as well";
}

TEST_F(DnssecTest, WithoutTrustNothingIsAuthenticated) {
  make(false);
  EXPECT_FALSE(mx("secure.example").authenticated);
  EXPECT_FALSE(addresses("mx.secure.example").authenticated);
  TlsaAnswer a = tlsa("mx.secure.example");
  EXPECT_EQ(a.records.size(), 2u);
  EXPECT_FALSE(a.authenticated);
}

TEST_F(DnssecTest, AbsenceIsAuthenticatedToo) {
  TlsaAnswer nxdomain = tlsa("secure.example"), no_data = tlsa("mx.secure.example", 28);
  EXPECT_EQ(nxdomain.detail, "NXDOMAIN");
  EXPECT_EQ(no_data.detail, "no such record");
  for (const TlsaAnswer& a : {nxdomain, no_data}) {
    EXPECT_TRUE(a.records.empty());
    EXPECT_FALSE(a.failed);
    EXPECT_TRUE(a.authenticated);
    EXPECT_EQ(a.ttl, minutes(2)) << "the SOA's minimum";
  }
  MxAnswer implicit = mx("mx.secure.example");  // NODATA
  EXPECT_TRUE(implicit.implicit);
  EXPECT_TRUE(implicit.authenticated);
  MxAnswer gone = mx("nothing.secure.example");
  EXPECT_EQ(gone.kind, MxKind::kNxDomain);
  EXPECT_TRUE(gone.authenticated);
  AddressAnswer none = addresses("secure.example");
  EXPECT_TRUE(none.permanent);
  EXPECT_TRUE(none.authenticated);
}

TEST_F(DnssecTest, UnsignedZoneIsNotAuthenticated) {
  for (const std::string domain : {"insecure.example", "child.secure.example"}) {
    MxAnswer a = mx(domain);
    EXPECT_EQ(a.kind, MxKind::kHosts) << a.detail;
    EXPECT_FALSE(a.authenticated) << domain;
    AddressAnswer b = addresses("mx." + domain);
    EXPECT_EQ(b.addresses.size(), 1u) << b.detail;
    EXPECT_FALSE(b.authenticated) << domain;
    TlsaAnswer c = tlsa("mx." + domain);
    EXPECT_EQ(c.records.size(), 1u) << c.detail;
    EXPECT_FALSE(c.authenticated) << domain;
    EXPECT_FALSE(c.failed);
    EXPECT_FALSE(tlsa("nothing." + domain).authenticated) << domain;
  }
}

TEST_F(DnssecTest, BogusIsAFailureAndNotNone) {
  MxAnswer a = mx("bogus.example");
  EXPECT_EQ(a.kind, MxKind::kTempFail);
  EXPECT_FALSE(a.authenticated);
  AddressAnswer b = addresses("mx.bogus.example");
  EXPECT_TRUE(b.addresses.empty());
  EXPECT_FALSE(b.permanent);
  TlsaAnswer c = tlsa("mx.bogus.example");
  EXPECT_TRUE(c.failed);
  EXPECT_TRUE(c.records.empty());
  EXPECT_FALSE(c.authenticated);
  EXPECT_NE(c.detail.find("SERVFAIL"), std::string::npos) << c.detail;
  // The zone's other answers are good.
  EXPECT_TRUE(addresses("ns.bogus.example").authenticated);
}

TEST_F(DnssecTest, EveryAliasOnTheWayCounts) {
  AddressAnswer all = addresses("alias.secure.example");
  EXPECT_EQ(all.addresses.size(), 2u);
  EXPECT_TRUE(all.authenticated);
  EXPECT_EQ(all.canonical, "mx.secure.example");
  AddressAnswer leaves = addresses("out.secure.example");
  EXPECT_EQ(leaves.addresses.size(), 1u);
  EXPECT_FALSE(leaves.authenticated);
  EXPECT_EQ(leaves.canonical, "mx.insecure.example");
  AddressAnswer enters = addresses("in.insecure.example");
  EXPECT_EQ(enters.addresses.size(), 2u);
  EXPECT_FALSE(enters.authenticated);
  EXPECT_TRUE(tlsa("mx.secure.example", 26).authenticated);
  EXPECT_EQ(tlsa("mx.secure.example", 26).records.size(), 2u);
  EXPECT_FALSE(tlsa("mx.secure.example", 27).authenticated);
}

TEST_F(DnssecTest, TxtOfSeveralStrings) {
  TxtAnswer a = txt("_mta-sts.secure.example");
  std::sort(a.strings.begin(), a.strings.end());
  EXPECT_EQ(a.strings, (std::vector<std::string>{"something else", "v=STSv1; id=20260101;"}));
  EXPECT_FALSE(a.failed);
  TxtAnswer none = txt("_mta-sts.insecure.example");
  EXPECT_TRUE(none.strings.empty());
  EXPECT_FALSE(none.failed);
}

}  // namespace
}  // namespace volley::dns
