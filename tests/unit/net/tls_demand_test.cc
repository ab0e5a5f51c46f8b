#include "base/net/tls_demand.h"

#include <openssl/sha.h>
#include <unistd.h>

#include <functional>

#include "base/files.h"
#include "base/hash.h"
#include "tests/unit/net/tls_chain.h"
#include "tests/unit/net/tls_pair.h"

namespace volley::net {
namespace {

using Kind = TlsDemand::Kind;
using std::chrono::hours;

constexpr const char* kHost = "mx.example.com";
// A server that would do anything: who is choosy here is the client.
constexpr TlsServerOptions kAnyVersion = {TlsVersion::kTls10, TlsVersion::kTls13};

// The certificates every demand is tried against.
struct World {
  WallTime now = wall_now();
  Certificate root = make_certificate({.common_name = "Root", .is_ca = true});
  Certificate middle = make_certificate({.common_name = "Middle", .is_ca = true}, &root);
  Certificate other_root = make_certificate({.common_name = "Other Root", .is_ca = true});
  Certificate good = make_certificate({.dns = {kHost}}, &middle);
  Certificate wrong_name = make_certificate({.dns = {"mx.example.net"}}, &middle);
  Certificate expired = make_certificate(
      {.dns = {kHost}, .not_before = now - hours(48), .not_after = now - hours(1)}, &middle);
  Certificate early = make_certificate(
      {.dns = {kHost}, .not_before = now + hours(1), .not_after = now + hours(48)}, &middle);
  Certificate self_signed = make_certificate({.dns = {kHost}});
  Certificate untrusted = make_certificate({.dns = {kHost}}, &other_root);
  Certificate wildcard = make_certificate({.dns = {"*.example.com"}}, &middle);
  Certificate ip = make_certificate({.ips = {"192.0.2.25", "2001:db8::25"}}, &middle);
  Certificate only_cn = make_certificate({.common_name = kHost}, &middle);
  Certificate small_key = make_certificate({.dns = {kHost}, .rsa_bits = 1024}, &middle);
};

TlsaRecord tlsa(uint8_t usage, uint8_t selector, uint8_t matching, const Certificate& of) {
  const std::string bytes = selector == 0 ? of.der() : of.spki_der();
  if (matching == 0) return {usage, selector, matching, bytes};
  const auto* data = reinterpret_cast<const unsigned char*>(bytes.data());
  unsigned char hash[SHA512_DIGEST_LENGTH];
  if (matching == 1) SHA256(data, bytes.size(), hash);
  if (matching == 2) SHA512(data, bytes.size(), hash);
  return {usage, selector, matching,
          std::string(reinterpret_cast<const char*>(hash), matching == 1 ? 32 : 64)};
}

class TlsDemandTest : public testing::Test {
 protected:
  static World& world() {
    static World made;
    return made;
  }
  TlsDemandTest() { client_ = make_client(world().root); }

  static std::unique_ptr<TlsContext> make_client(const Certificate& trusted) {
    std::string path = testing::TempDir() + "volley-ca-XXXXXX";
    const int fd = ::mkstemp(path.data());
    EXPECT_GE(fd, 0);
    ::close(fd);
    EXPECT_TRUE(write_file_atomically(path, trusted.pem()));
    auto made = TlsContext::client({.ca_file = path, .system_cas = false});
    ::unlink(path.c_str());
    EXPECT_TRUE(made) << made.error().message;
    return std::move(made).value();
  }

  struct Found {
    bool ready;
    TlsInfo info;  // when ready
    TlsFailure failure;
    std::string error;
  };
  Found meet(const Certificate& leaf, const TlsDemand& demand,
             const std::vector<Certificate>& intermediates = {world().middle},
             const TlsServerOptions& options = kAnyVersion, const std::string& host = kHost) {
    auto server = TlsContext::server(identity_of(leaf, intermediates), options);
    EXPECT_TRUE(server);
    // A key of its own: every handshake here is a full one.
    const TlsPair pair(
        *client_,
        {.server_name = host, .demand = demand, .session_key = std::to_string(++meetings_)},
        **server);
    Found found{
        pair.client.ready, {}, pair.client.session->failure(), pair.client.session->error()};
    if (found.ready) found.info = pair.client.session->info();
    EXPECT_EQ(found.ready && found.info.verified, found.ready && found.info.how != TlsTrust::kNone);
    return found;
  }
  TlsFailure refusal(const Certificate& leaf, const TlsDemand& demand,
                     const std::vector<Certificate>& intermediates = {world().middle}) {
    const Found found = meet(leaf, demand, intermediates);
    EXPECT_FALSE(found.ready);
    EXPECT_NE(found.error.find("certificate refused"), std::string::npos) << found.error;
    // Told and not enforced, the same comes out, and the connection stands.
    TlsDemand testing = demand;
    testing.enforce = false;
    const Found told = meet(leaf, testing, intermediates);
    EXPECT_TRUE(told.ready) << told.error;
    EXPECT_FALSE(told.info.verified);
    EXPECT_EQ(told.info.failure, found.failure);
    EXPECT_NE(found.error.find(told.info.verify_error), std::string::npos);
    EXPECT_FALSE(told.info.verify_error.empty());
    return found.failure;
  }
  TlsTrust trust(const Certificate& leaf, const TlsDemand& demand,
                 const std::vector<Certificate>& intermediates = {world().middle}) {
    const Found found = meet(leaf, demand, intermediates);
    EXPECT_TRUE(found.ready) << found.error;
    EXPECT_EQ(found.info.verify_error, "");
    EXPECT_EQ(found.info.failure, TlsFailure::kNone);
    return found.info.how;
  }
  Status refused_at_once(const TlsDemand& demand, const std::string& host = kHost) {
    auto made = TlsSession::make(*client_, {.server_name = host, .demand = demand});
    return made ? Status() : Status(made.error());
  }

  World& w = world();
  std::unique_ptr<TlsContext> client_;
  int meetings_ = 0;
};

const TlsDemand kPkix{.kind = Kind::kPkix};
TlsDemand dane(std::vector<TlsaRecord> records) {
  return {.kind = Kind::kDane, .tlsa = std::move(records)};
}

// ---- nothing demanded

TEST_F(TlsDemandTest, NoneTakesAnybody) {
  for (const Certificate* leaf : {&w.good, &w.wrong_name, &w.expired, &w.early, &w.self_signed,
                                  &w.untrusted, &w.wildcard, &w.ip, &w.only_cn, &w.small_key}) {
    EXPECT_EQ(trust(*leaf, {}), TlsTrust::kNone);
    EXPECT_EQ(trust(*leaf, {.min_version = TlsVersion::kTls12}, {}), TlsTrust::kNone);
  }
}

// ---- PKIX

TEST_F(TlsDemandTest, PkixTakesAChainAndAName) {
  const Found found = meet(w.good, kPkix);
  ASSERT_TRUE(found.ready) << found.error;
  EXPECT_EQ(found.info.how, TlsTrust::kPkix);
  EXPECT_TRUE(found.info.verified);
  EXPECT_EQ(found.info.matched_name, kHost);
}

TEST_F(TlsDemandTest, PkixTellsWhatIsWrong) {
  EXPECT_EQ(refusal(w.wrong_name, kPkix), TlsFailure::kCertificateHostMismatch);
  EXPECT_EQ(refusal(w.ip, kPkix), TlsFailure::kCertificateHostMismatch);
  EXPECT_EQ(refusal(w.expired, kPkix), TlsFailure::kCertificateExpired);
  EXPECT_EQ(refusal(w.early, kPkix), TlsFailure::kCertificateUnfit);
  EXPECT_EQ(refusal(w.self_signed, kPkix), TlsFailure::kCertificateNotTrusted);
  EXPECT_EQ(refusal(w.untrusted, kPkix), TlsFailure::kCertificateNotTrusted);
  EXPECT_EQ(refusal(w.good, kPkix, {}), TlsFailure::kCertificateNotTrusted)
      << "the intermediate is missing";
  EXPECT_EQ(refusal(w.only_cn, kPkix), TlsFailure::kCertificateHostMismatch)
      << "a common name is not a subjectAltName";
}

TEST_F(TlsDemandTest, PkixRefusesAKeyThatAnybodyMayHaveBroken) {
  const Found found = meet(w.small_key, kPkix);
  EXPECT_FALSE(found.ready);
  EXPECT_EQ(found.failure, TlsFailure::kCertificateUnfit);
}

TEST_F(TlsDemandTest, OneOfTheNamesIsEnough) {
  TlsDemand demand{.kind = Kind::kPkix, .names = {"example.org", "mx.example.net"}};
  const Found found = meet(w.wrong_name, demand);
  ASSERT_TRUE(found.ready) << found.error;
  EXPECT_EQ(found.info.matched_name, "mx.example.net");
  EXPECT_EQ(refusal(w.good, demand), TlsFailure::kCertificateHostMismatch)
      << "the server's name is not among them";
}

TEST_F(TlsDemandTest, WildcardsStandForOneWholeLabel) {
  const Found found = meet(w.wildcard, kPkix);
  ASSERT_TRUE(found.ready) << found.error;
  EXPECT_EQ(found.info.matched_name, "*.example.com");
  for (const char* name : {"example.com", "a.mx.example.com", "mx.example.net"}) {
    EXPECT_EQ(refusal(w.wildcard, {.kind = Kind::kPkix, .names = {name}}),
              TlsFailure::kCertificateHostMismatch)
        << name;
  }
  const Certificate partial = make_certificate({.dns = {"m*.example.com"}}, &w.middle);
  EXPECT_EQ(refusal(partial, kPkix), TlsFailure::kCertificateHostMismatch);
}

TEST_F(TlsDemandTest, AddressesAreNamesToo) {
  for (const char* ip : {"192.0.2.25", "2001:db8::25"}) {
    const Found found = meet(w.ip, kPkix, {w.middle}, kAnyVersion, ip);
    EXPECT_TRUE(found.ready) << found.error;
    EXPECT_EQ(found.info.how, TlsTrust::kPkix);
    EXPECT_EQ(trust(w.ip, {.kind = Kind::kPkix, .names = {ip}}), TlsTrust::kPkix);
  }
  EXPECT_EQ(refusal(w.ip, {.kind = Kind::kPkix, .names = {"192.0.2.26"}}),
            TlsFailure::kCertificateHostMismatch);
  EXPECT_EQ(refusal(w.good, {.kind = Kind::kPkix, .names = {"192.0.2.25"}}),
            TlsFailure::kCertificateHostMismatch);
}

TEST_F(TlsDemandTest, NamesThatMeanSomethingElseAreNotTaken) {
  for (const std::string& name : {std::string(), std::string(".example.com"),
                                  std::string("mx.example.com\0.example.net", 27)}) {
    EXPECT_FALSE(refused_at_once({.kind = Kind::kPkix, .names = {name}})) << name;
    EXPECT_FALSE(refused_at_once({.kind = Kind::kPkix, .names = {kHost, name}})) << name;
  }
  EXPECT_FALSE(refused_at_once(kPkix, "")) << "nothing to compare with";
  EXPECT_FALSE(refused_at_once({.kind = Kind::kPkix, .names = {kHost, "192.0.2.25"}}));
  EXPECT_FALSE(refused_at_once({.kind = Kind::kPkix, .names = {"192.0.2.25", kHost}}));
  EXPECT_TRUE(refused_at_once({.kind = Kind::kPkix, .names = {kHost}}));
}

TEST_F(TlsDemandTest, WithoutCasOfItsOwnTheSystemsAreAsked) {
  client_ = std::move(TlsContext::client({})).value();
  EXPECT_EQ(refusal(w.good, kPkix), TlsFailure::kCertificateNotTrusted);
}

// ---- DANE

TEST_F(TlsDemandTest, DaneUsage3LooksAtTheCertificateOnly) {
  for (const Certificate* leaf :
       {&w.good, &w.wrong_name, &w.expired, &w.early, &w.self_signed, &w.untrusted, &w.ip}) {
    EXPECT_EQ(trust(*leaf, dane({tlsa(3, 1, 1, *leaf)})), TlsTrust::kDaneEe);
    EXPECT_EQ(trust(*leaf, dane({tlsa(3, 0, 1, *leaf)})), TlsTrust::kDaneEe);
    EXPECT_EQ(trust(*leaf, dane({tlsa(3, 1, 2, *leaf)}), {}), TlsTrust::kDaneEe);
  }
  EXPECT_EQ(trust(w.good, dane({tlsa(3, 0, 0, w.good)})), TlsTrust::kDaneEe);
  EXPECT_EQ(trust(w.good, dane({tlsa(3, 1, 0, w.good)})), TlsTrust::kDaneEe);
}

TEST_F(TlsDemandTest, DaneUsage2WantsAChainANameAndDates) {
  const std::vector<Certificate> all = {w.middle, w.root};
  for (const TlsaRecord& record :
       {tlsa(2, 0, 1, w.root), tlsa(2, 1, 2, w.root), tlsa(2, 1, 1, w.root),
        tlsa(2, 0, 1, w.middle), tlsa(2, 1, 2, w.middle)}) {
    const Found found = meet(w.good, dane({record}), all);
    ASSERT_TRUE(found.ready) << found.error;
    EXPECT_EQ(found.info.how, TlsTrust::kDaneTa);
    EXPECT_EQ(found.info.matched_name, kHost);
    EXPECT_EQ(trust(w.wildcard, dane({record}), all), TlsTrust::kDaneTa);
    EXPECT_EQ(trust(w.only_cn, dane({record}), all), TlsTrust::kDaneTa) << "RFC 7672: CN will do";
    EXPECT_EQ(refusal(w.wrong_name, dane({record}), all), TlsFailure::kCertificateHostMismatch);
    EXPECT_EQ(refusal(w.expired, dane({record}), all), TlsFailure::kCertificateExpired);
    EXPECT_EQ(refusal(w.self_signed, dane({record}), all), TlsFailure::kTlsaInvalid);
    EXPECT_EQ(refusal(w.untrusted, dane({record}), all), TlsFailure::kTlsaInvalid);
  }
  // An anchor that the server does not send is enough when the record holds it whole.
  EXPECT_EQ(trust(w.good, dane({tlsa(2, 0, 0, w.root)})), TlsTrust::kDaneTa);
  EXPECT_EQ(refusal(w.good, dane({tlsa(2, 0, 1, w.root)})), TlsFailure::kTlsaInvalid);
  TlsDemand next_hop = dane({tlsa(2, 0, 1, w.root)});
  next_hop.names = {"example.org", "mx.example.net"};
  EXPECT_EQ(trust(w.wrong_name, next_hop, all), TlsTrust::kDaneTa);
}

TEST_F(TlsDemandTest, DaneDoesNotAskTheCas) {
  EXPECT_EQ(refusal(w.good, dane({tlsa(3, 1, 1, w.self_signed)})), TlsFailure::kTlsaInvalid);
  EXPECT_EQ(refusal(w.good, dane({tlsa(3, 1, 1, w.middle)})), TlsFailure::kTlsaInvalid)
      << "usage 3 is for the server's own certificate";
}

TEST_F(TlsDemandTest, DaneTakesAnyRecordThatMatches) {
  const TlsaRecord right = tlsa(3, 1, 1, w.good), wrong = tlsa(3, 1, 1, w.wildcard);
  EXPECT_EQ(trust(w.good, dane({wrong, right})), TlsTrust::kDaneEe);
  EXPECT_EQ(trust(w.good, dane({tlsa(2, 0, 1, w.root), right})), TlsTrust::kDaneEe);
  EXPECT_EQ(trust(w.good, dane({tlsa(2, 0, 1, w.root), wrong}), {w.middle, w.root}),
            TlsTrust::kDaneTa);
  EXPECT_EQ(refusal(w.good, dane({wrong, tlsa(2, 0, 1, w.other_root)})), TlsFailure::kTlsaInvalid);
}

TEST_F(TlsDemandTest, UnusableRecordsAreLeftOut) {
  const std::string hash(32, 'h');
  const std::vector<TlsaRecord> unusable = {
      tlsa(0, 0, 1, w.root),
      tlsa(1, 1, 1, w.good),
      {4, 1, 1, hash},
      {3, 2, 1, hash},
      {3, 1, 3, hash},
      {3, 1, 1, hash.substr(1)},
      {3, 1, 2, hash},
      {3, 1, 1, ""},
      {3, 0, 0, "no certificate"},
      {2, 1, 0, ""},
      {3, 0, 0, w.good.der() + "x"},
      {2, 0, 0, w.good.spki_der()},
  };
  for (const TlsaRecord& record : unusable) {
    EXPECT_FALSE(is_usable(record))
        << int{record.usage} << int{record.selector} << int{record.matching};
    const Status alone = refused_at_once(dane({record}));
    ASSERT_FALSE(alone);
    EXPECT_EQ(alone.error().code, Errc::kData);
    EXPECT_EQ(trust(w.good, dane({record, tlsa(3, 1, 1, w.good)})), TlsTrust::kDaneEe);
    EXPECT_EQ(refusal(w.good, dane({record, tlsa(3, 1, 1, w.root)})), TlsFailure::kTlsaInvalid);
  }
  EXPECT_FALSE(refused_at_once(dane({})));
  for (uint8_t usage : {2, 3}) {
    for (uint8_t selector : {0, 1}) {
      for (uint8_t matching : {0, 1, 2}) {
        EXPECT_TRUE(is_usable(tlsa(usage, selector, matching, w.good)));
      }
    }
  }
}

// ---- versions

TEST_F(TlsDemandTest, OldVersionsAreBetterThanClearTextAndNotMore) {
  const std::vector<TlsServerOptions> old = {{TlsVersion::kTls10, TlsVersion::kTls10},
                                             {TlsVersion::kTls11, TlsVersion::kTls11}};
  const Certificate rsa = make_certificate({.dns = {kHost}, .rsa_bits = 1024}, &w.middle);
  for (const TlsServerOptions& options : old) {
    for (const Certificate* leaf : {static_cast<const Certificate*>(&w.good), &rsa}) {
      const Found plain = meet(*leaf, {}, {w.middle}, options);
      ASSERT_TRUE(plain.ready) << plain.error;
      EXPECT_EQ(plain.info.version,
                options.max_version == TlsVersion::kTls10 ? "TLSv1" : "TLSv1.1");
      EXPECT_TRUE(meet(*leaf, {.kind = Kind::kPkix, .enforce = false}, {w.middle}, options).ready);
    }
    for (const TlsDemand& demand :
         {TlsDemand{.min_version = TlsVersion::kTls12}, kPkix, dane({tlsa(3, 1, 1, w.good)})}) {
      const Found found = meet(w.good, demand, {w.middle}, options);
      EXPECT_FALSE(found.ready);
      EXPECT_EQ(found.failure, TlsFailure::kValidationFailure);
      EXPECT_FALSE(found.error.empty());
    }
  }
  TlsDemand lenient = kPkix;
  lenient.min_version = TlsVersion::kTls10;
  EXPECT_EQ(meet(w.good, lenient, {w.middle}, old[0]).info.how, TlsTrust::kPkix);
  const TlsServerOptions only_12 = {TlsVersion::kTls12, TlsVersion::kTls12};
  EXPECT_TRUE(meet(w.good, kPkix, {w.middle}, only_12).ready);
  EXPECT_FALSE(meet(w.good, {.min_version = TlsVersion::kTls13}, {w.middle}, only_12).ready);
}

TEST(TlsFailureWords, AreThoseOfRfc8460) {
  EXPECT_EQ(str(TlsFailure::kNone), "");
  EXPECT_EQ(str(TlsFailure::kCertificateHostMismatch), "certificate-host-mismatch");
  EXPECT_EQ(str(TlsFailure::kCertificateExpired), "certificate-expired");
  EXPECT_EQ(str(TlsFailure::kCertificateNotTrusted), "certificate-not-trusted");
  EXPECT_EQ(str(TlsFailure::kTlsaInvalid), "tlsa-invalid");
  EXPECT_EQ(str(TlsFailure::kCertificateUnfit), "validation-failure");
  EXPECT_EQ(str(TlsFailure::kValidationFailure), "validation-failure");
}

TEST(TlsFailureWords, TellACertificateFromAHandshake) {
  for (const auto failure : {TlsFailure::kCertificateHostMismatch, TlsFailure::kCertificateExpired,
                             TlsFailure::kCertificateNotTrusted, TlsFailure::kCertificateUnfit}) {
    EXPECT_TRUE(of_certificate(failure)) << str(failure);
  }
  for (const auto failure :
       {TlsFailure::kNone, TlsFailure::kTlsaInvalid, TlsFailure::kValidationFailure}) {
    EXPECT_FALSE(of_certificate(failure)) << str(failure);
  }
}

}  // namespace
}  // namespace volley::net
