// A policy fetcher, and an HTTPS site of a CA that it trusts.
//
// Ownership  The fixture owns loop, site and fetcher. Thread: the test's; answers are posted to its loop.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/files.h"
#include "engine/delivery/sts_fetcher.h"
#include "tests/unit/delivery/https_site.h"
#include "tests/unit/delivery/test_ca.h"

namespace volley::delivery {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Manner = HttpsSite::Manner;

inline const std::string kPolicy =
    "version: STSv1\r\nmode: enforce\r\nmx: *.example.com\r\nmax_age: 86400\r\n";

inline std::string http(const std::string& body, const std::string& type = "text/plain",
                        const std::string& status = "200 OK") {
  return "HTTP/1.1 " + status + "\r\nContent-Type: " + type +
         "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

inline const net::Endpoint kHere = net::Endpoint::v4({127, 0, 0, 1}, 0);

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

  inline static std::unique_ptr<TestCa> ca_;
  inline static std::string ca_file_;
  const std::thread::id test_thread_ = std::this_thread::get_id();
  net::Loop loop_;
  std::unique_ptr<HttpsSite> site_;
  StsFetcherSettings settings_;
  std::unique_ptr<StsFetcher> fetcher_;
  std::vector<Ended> ended_;
};

}  // namespace volley::delivery
