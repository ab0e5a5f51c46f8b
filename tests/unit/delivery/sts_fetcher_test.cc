#include "engine/delivery/sts_fetcher.h"

#include "tests/unit/delivery/sts_fetcher_fixture.h"
#include "tests/unit/dns/fake_server.h"

namespace volley::delivery {
namespace {

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
