// Who asks while others wait: one fetch a domain, in order, so many at once.
#include "tests/unit/delivery/sts_fetcher_fixture.h"

namespace volley::delivery {
namespace {

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

}  // namespace
}  // namespace volley::delivery
