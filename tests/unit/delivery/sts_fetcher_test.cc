#include "engine/delivery/sts_fetcher.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <optional>
#include <thread>

#include "base/files.h"
#include "tests/unit/delivery/https_site.h"
#include "tests/unit/delivery/test_ca.h"
#include "tests/unit/dns/fake_server.h"

namespace volley::delivery {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Manner = HttpsSite::Manner;

const std::string kPolicy =
    "version: STSv1\r\nmode: enforce\r\nmx: *.example.com\r\nmax_age: 86400\r\n";

std::string http(const std::string& body, const std::string& type = "text/plain",
                 const std::string& status = "200 OK") {
  return "HTTP/1.1 " + status + "\r\nContent-Type: " + type +
         "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

const net::Endpoint kHere = net::Endpoint::v4({127, 0, 0, 1}, 0);

// What ended, in this order.
struct Ended {
  std::string domain;
  StsOutcome outcome;
};

class StsFetcherTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    ca_ = std::make_unique<TestCa>();
    ca_file_ = testing::TempDir() + "volley-ca-XXXXXX";
    const int fd = ::mkstemp(ca_file_.data());
    ASSERT_GE(fd, 0);
    ::close(fd);
    ASSERT_TRUE(write_file_atomically(ca_file_, ca_->certificate_pem()));
  }
  static void TearDownTestSuite() {
    ::unlink(ca_file_.c_str());
    ca_.reset();
  }

  StsFetcherTest() {
    TestCertificate wanted{.names = {"mta-sts.example.com", "*.example.net"}};
    for (int i = 0; i < 30; ++i)
      wanted.names.push_back("mta-sts.d" + std::to_string(i) + ".example");
    serve(ca_->issue(wanted));
  }
  ~StsFetcherTest() override {
    fetcher_.reset();  // before the loop its answers are posted to
    site_.reset();
  }

  void serve(const net::TlsIdentity& identity) {
    site_.reset();
    site_ = std::make_unique<HttpsSite>(loop_, identity);
    site_->reply = http(kPolicy);
    settings_.port = site_->port();
    settings_.ca_file = ca_file_;
    settings_.system_cas = false;
    settings_.dns.servers = {
        net::Endpoint::v4({127, 0, 0, 1}, 9)};  // not asked unless a test says so
    settings_.dns.allow_private = true;
    settings_.hosts = {{"mta-sts.example.com", kHere}};
  }
  void start() {
    auto made = StsFetcher::start(settings_);
    ASSERT_TRUE(made) << made.error().message;
    fetcher_ = std::move(*made);
  }
  bool ask(const std::string& domain) {
    return fetcher_->fetch(domain, [this, domain](const StsOutcome& outcome) {
      EXPECT_NE(std::this_thread::get_id(), test_thread_);
      loop_.post([this, domain, outcome] { ended_.push_back({domain, outcome}); });
    });
  }
  void turn_until(const std::function<bool()>& done) {
    while (!done()) loop_.run_once(true);
  }
  void serve_all(int domains) {
    start();
    for (int i = 0; i < domains; ++i) EXPECT_TRUE(ask("d" + std::to_string(i) + ".example"));
    turn_until([&] { return ended_.size() == static_cast<size_t>(domains); });
    for (const Ended& e : ended_)
      EXPECT_EQ(e.outcome.failure, StsFailure::kNone) << e.outcome.detail;
  }
  StsOutcome fetch(const std::string& domain = "example.com") {
    if (!fetcher_) start();
    const size_t before = ended_.size();
    EXPECT_TRUE(ask(domain));
    turn_until([&] { return ended_.size() > before; });
    EXPECT_EQ(fetcher_->pending(), 0u);
    return ended_.back().outcome;
  }
  void expect_failure(StsFailure failure, const std::string& words) {
    const StsOutcome outcome = fetch();
    EXPECT_EQ(outcome.failure, failure) << outcome.detail;
    EXPECT_NE(outcome.detail.find(words), std::string::npos) << outcome.detail;
    EXPECT_TRUE(outcome.detail.starts_with("https://mta-sts.example.com/.well-known/mta-sts.txt: "))
        << outcome.detail;
  }

  static std::unique_ptr<TestCa> ca_;
  static std::string ca_file_;
  const std::thread::id test_thread_ = std::this_thread::get_id();
  net::Loop loop_;
  std::unique_ptr<HttpsSite> site_;
  StsFetcherSettings settings_;
  std::unique_ptr<StsFetcher> fetcher_;
  std::vector<Ended> ended_;
};

std::unique_ptr<TestCa> StsFetcherTest::ca_;
std::string StsFetcherTest::ca_file_;

TEST_F(StsFetcherTest, Policy) {
  const StsOutcome outcome = fetch();
  ASSERT_EQ(outcome.failure, StsFailure::kNone) << outcome.detail;
  EXPECT_EQ(outcome.policy, (StsPolicy{StsMode::kEnforce, {"*.example.com"}, seconds(86400)}));
  ASSERT_EQ(site_->requests.size(), 1u);
  EXPECT_EQ(site_->requests[0],
            "GET /.well-known/mta-sts.txt HTTP/1.1\r\nHost: mta-sts.example.com:" +
                std::to_string(site_->port()) +
                "\r\nUser-Agent: volley\r\nAccept: text/plain\r\n"
                "Connection: close\r\n\r\n");
}

TEST_F(StsFetcherTest, AnyCaseAndChunks) {
  site_->reply =
      "HTTP/1.1 200 OK\r\ncontent-type: Text/Plain; charset=utf-8\r\n"
      "transfer-encoding: chunked\r\n\r\n" +
      std::string("10\r\nversion: STSv1\r\n\r\n") + "1c\r\nmode: none\r\nmax_age: 86400\r\n\r\n" +
      "0\r\n\r\n";
  const StsOutcome outcome = fetch("EXAMPLE.com.");
  EXPECT_EQ(outcome.failure, StsFailure::kNone) << outcome.detail;
  EXPECT_EQ(outcome.policy.mode, StsMode::kNone);
}

TEST_F(StsFetcherTest, WildcardCertificate) {
  settings_.hosts = {{"mta-sts.example.net", kHere}};
  EXPECT_EQ(fetch("example.net").failure, StsFailure::kNone);
}

TEST_F(StsFetcherTest, CertificateOfAnotherName) {
  for (const char* name : {"example.com", "mta-sts.example.org", "*.mta-sts.example.com"}) {
    fetcher_.reset();
    serve(ca_->issue({.names = {name}}));
    expect_failure(StsFailure::kWebPkiInvalid, "ostname mismatch");
    EXPECT_TRUE(site_->requests.empty()) << "nothing is asked of somebody else";
  }
}

TEST_F(StsFetcherTest, TheCommonNameIsNoName) {
  serve(ca_->issue({.names = {}, .common_name = "mta-sts.example.com"}));
  expect_failure(StsFailure::kWebPkiInvalid, "ostname mismatch");
}

TEST_F(StsFetcherTest, ExpiredCertificate) {
  serve(ca_->issue({.names = {"mta-sts.example.com"}, .from_days = -30, .to_days = -1}));
  expect_failure(StsFailure::kWebPkiInvalid, "expired");
}

TEST_F(StsFetcherTest, CertificateOfTheFuture) {
  serve(ca_->issue({.names = {"mta-sts.example.com"}, .from_days = 1, .to_days = 30}));
  expect_failure(StsFailure::kWebPkiInvalid, "not yet valid");
}

TEST_F(StsFetcherTest, SelfSignedCertificate) {
  serve(*net::make_self_signed("mta-sts.example.com"));
  expect_failure(StsFailure::kWebPkiInvalid, "self-signed");
}

TEST_F(StsFetcherTest, CertificateOfAnUnknownCa) {
  serve(TestCa().issue({.names = {"mta-sts.example.com"}}));
  expect_failure(StsFailure::kWebPkiInvalid, "certificate");
  EXPECT_TRUE(site_->requests.empty());
}

TEST_F(StsFetcherTest, TrustBesidesTheSystems) {
  settings_.system_cas = true;
  EXPECT_EQ(fetch().failure, StsFailure::kNone);
  fetcher_.reset();
  settings_.ca_file.clear();
  expect_failure(StsFailure::kWebPkiInvalid, "certificate");
}

TEST_F(StsFetcherTest, NoTls) {
  site_->manner = Manner::kNoTls;
  expect_failure(StsFailure::kWebPkiInvalid, "TLS");
}

TEST_F(StsFetcherTest, RedirectsAreNotFollowed) {
  for (const char* status : {"301 Moved Permanently", "302 Found", "307 Temporary Redirect"}) {
    site_->reply =
        "HTTP/1.1 " + std::string(status) +
        "\r\nLocation: https://mta-sts.example.com/policy.txt\r\nContent-Length: 0\r\n\r\n";
    const size_t before = site_->requests.size();
    expect_failure(StsFailure::kFetchError, "HTTP 30");
    EXPECT_EQ(site_->requests.size(), before + 1);
  }
}

TEST_F(StsFetcherTest, OtherStatuses) {
  for (const char* status :
       {"404 Not Found", "500 Oops", "204 No Content", "206 Partial Content"}) {
    site_->reply = http(kPolicy, "text/plain", status);
    expect_failure(StsFailure::kFetchError, "HTTP " + std::string(status, 3));
  }
}

TEST_F(StsFetcherTest, OnlyTextPlain) {
  for (const char* type : {"text/html", "application/octet-stream", "text/plain2", ""}) {
    site_->reply = http(kPolicy, type);
    expect_failure(StsFailure::kPolicyInvalid, "not text/plain");
  }
}

TEST_F(StsFetcherTest, InvalidPolicy) {
  site_->reply = http("<html>our site has moved</html>");
  expect_failure(StsFailure::kPolicyInvalid, "MTA-STS policy");
}

TEST_F(StsFetcherTest, SizeOfThePolicy) {
  std::string large = kPolicy + std::string(kMaxStsPolicy - kPolicy.size(), '\n');
  site_->reply = http(large);
  EXPECT_EQ(fetch().failure, StsFailure::kNone);
  site_->reply = http(large + "\n");
  expect_failure(StsFailure::kFetchError, "more than 65536 bytes");
}

TEST_F(StsFetcherTest, HeadersWithoutEnd) {
  site_->manner = Manner::kDrip;
  site_->reply = "HTTP/1.1 100 Continue\r\nX: " + std::string(3000, 'x') + "\r\n\r\n";
  expect_failure(StsFailure::kFetchError, "more than 32 KiB of headers");
}

TEST_F(StsFetcherTest, ReplyThatIsCut) {
  for (const std::string& reply : {std::string(), std::string("HTTP/1.1 200 OK\r\n"),
                                   http(kPolicy).substr(0, http(kPolicy).size() - 1)}) {
    site_->reply = reply;
    expect_failure(StsFailure::kFetchError, "ended too soon");
  }
}

TEST_F(StsFetcherTest, NoHttp) {
  site_->reply = "220 mail.example.com ESMTP\r\n";
  expect_failure(StsFailure::kFetchError, "not an HTTP reply");
}

TEST_F(StsFetcherTest, SlowServersEndAtTheTimeLimit) {
  settings_.timeout = milliseconds(300);
  for (Manner manner : {Manner::kMute, Manner::kSilent, Manner::kDrip}) {
    site_->manner = manner;
    site_->reply = "x";  // a byte now and then
    expect_failure(StsFailure::kFetchError, "not done in time");
  }
}

TEST_F(StsFetcherTest, NobodyThere) {
  settings_.port = 1;
  expect_failure(StsFailure::kFetchError, "refused");
}

TEST_F(StsFetcherTest, PrivateAddressesAreRefused) {
  settings_.dns.allow_private = false;
  expect_failure(StsFailure::kFetchError, "private or loopback");
  EXPECT_EQ(site_->connections, 0u);
}

// By DNS.
class StsFetcherDnsTest : public StsFetcherTest {
 protected:
  StsFetcherDnsTest()
      : server_([](const dns::FakeQuestion& q) {
          dns::Packet p(q.name, q.type);
          if (q.name == "mta-sts.gone.example") {
            return dns::Packet(q.name, q.type, dns::Packet::kReply | 3).opt();
          }
          if (q.name == "mta-sts.broken.example") {
            return dns::Packet(q.name, q.type, dns::Packet::kReply | 2).opt();
          }
          for (char last : {'\x01', '\x02', '\x03'}) {
            if (q.type == 1) {
              p.record(dns::Packet::kAnswer, q.name, 1, 300, std::string("\x7f\0\0", 3) + last);
            }
          }
          return p.opt();
        }) {
    settings_.hosts.clear();
    settings_.dns.servers = {server_.address()};
  }
  dns::FakeServer server_;
};

TEST_F(StsFetcherDnsTest, EveryAddressIsTried) {
  // Two of the three addresses refuse; which is first is chance.
  const StsOutcome outcome = fetch();
  EXPECT_EQ(outcome.failure, StsFailure::kNone) << outcome.detail;
  EXPECT_EQ(site_->connections, 1u);
}

TEST_F(StsFetcherDnsTest, PrivateAddressesAreRefused) {
  settings_.dns.allow_private = false;
  expect_failure(StsFailure::kFetchError, "private or loopback");
  EXPECT_EQ(site_->connections, 0u);
}

TEST_F(StsFetcherDnsTest, NamesThatDoNotResolve) {
  StsOutcome outcome = fetch("gone.example");
  EXPECT_EQ(outcome.failure, StsFailure::kFetchError);
  EXPECT_NE(outcome.detail.find("NXDOMAIN"), std::string::npos) << outcome.detail;
  outcome = fetch("broken.example");
  EXPECT_EQ(outcome.failure, StsFailure::kFetchError);
  EXPECT_NE(outcome.detail.find("SERVFAIL"), std::string::npos) << outcome.detail;
  for (const char* bad : {"", "a..example", "192.0.2.1", "a b.example", "example.com/../x"}) {
    outcome = fetch(bad);
    EXPECT_EQ(outcome.failure, StsFailure::kFetchError) << bad;
  }
  EXPECT_EQ(site_->connections, 0u);
}

// The queue.

TEST_F(StsFetcherTest, OneFetchForAllWhoAskMeanwhile) {
  site_->manner = Manner::kSilent;
  start();
  EXPECT_TRUE(ask("example.com"));
  turn_until([&] { return site_->requests.size() == 1; });
  for (const char* same : {"example.com", "Example.COM", "example.com."}) EXPECT_TRUE(ask(same));
  EXPECT_EQ(fetcher_->pending(), 1u);
  EXPECT_TRUE(ended_.empty());
  site_.reset();  // which ends the connection
  turn_until([&] { return ended_.size() == 4; });
  for (const Ended& e : ended_) EXPECT_EQ(e.outcome.failure, StsFailure::kFetchError);
  EXPECT_EQ(fetcher_->pending(), 0u);
}

TEST_F(StsFetcherTest, DomainsInTheOrderOfAsking) {
  settings_.parallel = 1;
  std::vector<std::string> domains;
  for (int i = 0; i < 20; ++i) {
    // Every third one is no name: it ends without a connection.
    domains.push_back("d" + std::to_string(i) + (i % 3 == 0 ? "..example" : ".example"));
    if (i % 3 != 0) settings_.hosts["mta-sts." + domains.back()] = kHere;
  }
  start();
  for (const std::string& domain : domains) EXPECT_TRUE(ask(domain));
  turn_until([&] { return ended_.size() == domains.size(); });
  for (size_t i = 0; i < domains.size(); ++i) {
    EXPECT_EQ(ended_[i].domain, domains[i]);
    EXPECT_EQ(ended_[i].outcome.failure, i % 3 == 0 ? StsFailure::kFetchError : StsFailure::kNone);
  }
}

TEST_F(StsFetcherTest, ManyThatEndWhileTheyStart) {
  settings_.parallel = 1;
  settings_.dns.allow_private = false;
  std::vector<std::string> domains;
  for (int i = 0; i < 5000; ++i) {
    domains.push_back("d" + std::to_string(i) + ".example");
    settings_.hosts["mta-sts." + domains.back()] = kHere;
  }
  start();
  for (const std::string& domain : domains) EXPECT_TRUE(ask(domain));
  turn_until([&] { return ended_.size() == domains.size(); });
  for (size_t i = 0; i < domains.size(); ++i) ASSERT_EQ(ended_[i].domain, domains[i]);
  EXPECT_EQ(fetcher_->pending(), 0u);
}

TEST_F(StsFetcherTest, AsManyAtOnceAsAllowed) {
  settings_.parallel = 2;
  for (int i = 0; i < 30; ++i) {
    settings_.hosts["mta-sts.d" + std::to_string(i) + ".example"] = kHere;
  }
  serve_all(30);
  EXPECT_LE(site_->most_open, 2u);
  // A silent server shows that there are two.
  site_->manner = Manner::kSilent;
  const size_t before = site_->connections;
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(ask("d" + std::to_string(i) + ".example"));
  turn_until([&] { return site_->connections == before + 2; });
}

TEST_F(StsFetcherTest, BoundedAndNotTakenForNoPolicy) {
  site_->manner = Manner::kMute;
  settings_.max_domains = 2;
  settings_.hosts["mta-sts.example.net"] = settings_.hosts["mta-sts.example.com"];
  start();
  EXPECT_TRUE(ask("example.com"));
  EXPECT_TRUE(ask("example.net"));
  EXPECT_FALSE(ask("example.org"));
  EXPECT_TRUE(ask("example.com")) << "costs nothing";
  EXPECT_EQ(fetcher_->pending(), 2u);
}

TEST_F(StsFetcherTest, DestroyedWithFetchesOut) {
  site_->manner = Manner::kSilent;
  settings_.parallel = 1;
  start();
  EXPECT_TRUE(ask("example.com"));
  EXPECT_TRUE(ask("example.net"));
  turn_until([&] { return site_->requests.size() == 1; });
  fetcher_.reset();
  loop_.run_once(false);
  EXPECT_TRUE(ended_.empty());
}

TEST_F(StsFetcherTest, WhatCannotStart) {
  settings_.ca_file = "/nonexistent.pem";
  auto made = StsFetcher::start(settings_);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, Errc::kNoInput);
  settings_.ca_file = ca_file_;
  settings_.dns.servers = {net::Endpoint::unix_socket("/run/dns")};
  made = StsFetcher::start(settings_);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, Errc::kConfig);
}

}  // namespace
}  // namespace volley::delivery
