#include "engine/delivery/router.h"

#include <gtest/gtest.h>

#include "tests/unit/delivery/sites_fixture.h"

namespace volley::delivery {
namespace {

struct Answers final : Router::Receiver {
  std::map<uint64_t, RouteAnswer> got;
  void on_route(uint64_t id, const RouteAnswer& answer) override { got[id] = answer; }
};

dns::MxAnswer mx_answer(dns::MxKind kind, std::vector<dns::MxHost> hosts = {},
                        std::string detail = {}) {
  dns::MxAnswer answer;
  answer.kind = kind;
  answer.hosts = std::move(hosts);
  answer.detail = std::move(detail);
  return answer;
}

struct RouterTest : ::testing::Test {
  net::Loop loop;
  FakeResolver resolver{loop};
  Settings settings;
  Answers answers;
  TimePoint now{std::chrono::hours(1)};
  std::unique_ptr<Router> router;
  uint64_t ids = 0;

  void start() {
    router = std::make_unique<Router>(loop, settings, resolver, nullptr, answers,
                                      [this] { return now; });
  }
  void hosts(const std::string& domain, std::vector<dns::MxHost> mx) {
    resolver.mx_of[domain] = mx_answer(dns::MxKind::kHosts, std::move(mx));
  }
  RouteAnswer ask(const std::string& domain) {
    const uint64_t id = ++ids;
    if (auto at_once = router->route(domain, id)) return *at_once;
    EXPECT_TRUE(run_until(loop, [&] { return answers.got.contains(id); }));
    return answers.got[id];
  }
};

TEST_F(RouterTest, AnExactRouteBeatsTheStar) {
  settings.routes = {*parse_route("*=127.0.0.1:2525"), *parse_route("example.com=127.0.0.1:2526")};
  start();
  const RouteAnswer star = ask("example.net");
  ASSERT_TRUE(star.path);
  EXPECT_EQ(star.path->site, "127.0.0.1:2525");
  EXPECT_TRUE(star.path->routed);
  EXPECT_EQ(star.path->limits.rate, 0);
  EXPECT_EQ(ask("example.org").path, star.path);
  EXPECT_EQ(ask("example.com").path->port, 2526);
  EXPECT_EQ(resolver.asked, 0u);
}

TEST_F(RouterTest, DomainsOfOneMxSetShareAPath) {
  hosts("example.com", {{10, "mx1.example.net"}, {20, "mx2.example.net"}});
  hosts("example.org", {{10, "mx1.example.net"}, {20, "mx2.example.net"}});
  hosts("example.net", {{20, "mx1.example.net"}, {10, "mx2.example.net"}});
  start();
  const auto one = ask("example.com").path;
  ASSERT_TRUE(one);
  EXPECT_EQ(one->site, "mx1.example.net,mx2.example.net");
  EXPECT_EQ(ask("example.org").path, one);
  const auto other = ask("example.net").path;
  EXPECT_NE(other, one);
  EXPECT_EQ(other->site, one->site);
  EXPECT_NE(other->key, one->key);
}

TEST_F(RouterTest, ProvidersAreRolledUp) {
  hosts("example.com", {{1, "aspmx.l.google.com"}});
  hosts("example.org", {{1, "mx.evilgoogle.com"}});
  start();
  EXPECT_EQ(ask("example.com").path->site, "google");
  EXPECT_EQ(ask("example.com").path->provider, "google");
  EXPECT_EQ(ask("example.org").path->site, "mx.evilgoogle.com");
}

TEST_F(RouterTest, WhatTheOperatorNamesIsASiteOfItsOwn) {
  hosts("example.com", {{1, "aspmx.l.google.com"}});
  hosts("example.org", {{1, "mx1.gateway.example.net"}});
  settings.sites.resize(2);
  settings.sites[0].match = "example.com";
  settings.sites[0].limits.connections = 1;
  settings.sites[1].match = ".gateway.example.net";
  settings.sites[1].limits.connections = 2;
  start();
  EXPECT_EQ(ask("example.com").path->site, "example.com");
  EXPECT_EQ(ask("example.com").path->limits.connections, 1u);
  EXPECT_EQ(ask("example.org").path->site, ".gateway.example.net");
}

TEST_F(RouterTest, RefusalsCarryTheirCodes) {
  resolver.mx_of["example.com"] = mx_answer(dns::MxKind::kNullMx);
  resolver.mx_of["example.org"] = mx_answer(dns::MxKind::kTempFail, {}, "SERVFAIL from 192.0.2.53");
  start();
  const RouteAnswer null = ask("example.com");
  EXPECT_TRUE(null.permanent);
  EXPECT_EQ(null.code, 556);
  EXPECT_EQ(null.enhanced, "5.1.10");
  const RouteAnswer failed = ask("example.org");
  EXPECT_FALSE(failed.permanent);
  EXPECT_EQ(failed.code, 451);
  EXPECT_EQ(failed.enhanced, "4.4.3");
  EXPECT_NE(failed.text.find("SERVFAIL"), std::string::npos);
}

TEST_F(RouterTest, NoSuchDomainNeedsASecondOpinion) {
  resolver.mx_of["example.com"] = mx_answer(dns::MxKind::kNxDomain);
  start();
  EXPECT_FALSE(ask("example.com").permanent);
  EXPECT_FALSE(ask("example.com").permanent);  // a moment later is no second opinion
  now += std::chrono::minutes(5);
  const RouteAnswer second = ask("example.com");
  EXPECT_TRUE(second.permanent);
  EXPECT_EQ(second.enhanced, "5.1.2");
  hosts("example.com", {{1, "mx.example.com"}});
  EXPECT_TRUE(ask("example.com").path);
  resolver.mx_of["example.com"] = mx_answer(dns::MxKind::kNxDomain);
  EXPECT_FALSE(ask("example.com").permanent);
}

TEST_F(RouterTest, TheSameAnswerOutOfTheCacheIsNoSecondOpinion) {
  dns::MxAnswer none = mx_answer(dns::MxKind::kNxDomain);
  none.ttl = std::chrono::minutes(15);
  resolver.mx_of["example.com"] = none;
  start();
  EXPECT_FALSE(ask("example.com").permanent);
  now += std::chrono::minutes(14);
  EXPECT_FALSE(ask("example.com").permanent);
  now += std::chrono::minutes(1);
  EXPECT_TRUE(ask("example.com").permanent);
}

TEST_F(RouterTest, ADomainThatRotatesItsExchangersIsOneSiteInTheEnd) {
  start();
  std::set<std::string> sites;
  for (int i = 0; i < 20; ++i) {
    hosts("example.com", {{10, "mx" + std::to_string(i) + ".example.net"}});
    const auto path = ask("example.com").path;
    ASSERT_TRUE(path);
    EXPECT_EQ(path->hosts[0].name, "mx" + std::to_string(i) + ".example.net");
    sites.insert(path->site);
    now += std::chrono::minutes(1);
  }
  EXPECT_EQ(sites.size(), 5u);
  EXPECT_TRUE(sites.contains("*.example.net"));
  // One that was there before keeps its name; others have nothing to do with it; a day later it is forgotten.
  hosts("example.com", {{10, "mx2.example.net"}});
  EXPECT_EQ(ask("example.com").path->site, "mx2.example.net");
  hosts("example.org", {{10, "mx19.example.net"}});
  EXPECT_EQ(ask("example.org").path->site, "mx19.example.net");
  now += std::chrono::hours(24);
  hosts("example.com", {{10, "mx19.example.net"}});
  EXPECT_EQ(ask("example.com").path->site, "mx19.example.net");
}

TEST_F(RouterTest, DomainsThatRotateAmongTheSameHostsAreOneSite) {
  start();
  std::set<std::string> sites;
  for (const std::string domain : {"one.example.com", "two.example.com", "three.example.com"}) {
    for (int i = 0; i < 4; ++i) {
      hosts(domain, {{10, std::to_string(i) + ".in.example.net"}});
      EXPECT_EQ(ask(domain).path->site, std::to_string(i) + ".in.example.net");
    }
    for (int i = 4; i < 9; ++i) {
      hosts(domain, {{10, std::to_string(i) + ".in.example.net"}, {20, "7.in.example.net"}});
      sites.insert(ask(domain).path->site);
    }
  }
  EXPECT_EQ(sites, std::set<std::string>{"*.in.example.net"});
  // Hosts that are further away widen it, and stay so.
  hosts("one.example.com", {{10, "9.in.example.net"}, {20, "spare.out.example.net"}});
  EXPECT_EQ(ask("one.example.com").path->site, "*.example.net");
  hosts("one.example.com", {{10, "10.in.example.net"}});
  EXPECT_EQ(ask("one.example.com").path->site, "*.example.net");
}

TEST_F(RouterTest, ADomainWhoseExchangersShareNothingIsASiteItself) {
  start();
  std::string site;
  for (const char* host : {"a.example.co.uk", "b.example.co.uk", "mx.elsewhere.co.uk",
                           "c.example.co.uk", "d.example.co.uk"}) {
    hosts("example.com", {{10, host}});
    site = ask("example.com").path->site;
  }
  EXPECT_EQ(site, "example.com");
}

TEST(SharedSuffix, IsOfWholeLabels) {
  EXPECT_EQ(shared_suffix("mx1.example.net", "mx2.example.net"), "example.net");
  EXPECT_EQ(shared_suffix("a.in.example.net", "b.in.example.net"), "in.example.net");
  EXPECT_EQ(shared_suffix("mx.example.net", "mx.example.net"), "mx.example.net");
  EXPECT_EQ(shared_suffix("mx.example.net", "example.net"), "example.net");
  EXPECT_EQ(shared_suffix("example.net", "mx.example.net"), "example.net");
  EXPECT_EQ(shared_suffix("mx.myexample.net", "mx.example.net"), "");
  EXPECT_EQ(shared_suffix("mx.example.net", "mx.example.org"), "");
  EXPECT_EQ(shared_suffix("", "mx.example.org"), "");
}

TEST(SharedSuffix, IsNoRegistrys) {
  EXPECT_EQ(shared_suffix("mx.example.co.uk", "mx.example2.co.uk"), "");
  EXPECT_EQ(shared_suffix("mx.one.com.au", "mx.two.com.au"), "");
  EXPECT_EQ(shared_suffix("mx1.one.com.au", "mx2.one.com.au"), "one.com.au");
  EXPECT_EQ(shared_suffix("mx1.four.net", "mx2.four.net"), "four.net");
  EXPECT_EQ(shared_suffix("mx1.gmx.net", "mx2.gmx.net"), "gmx.net");
}

TEST_F(RouterTest, ProvidersAndTheOperatorsSitesDoNotRotate) {
  settings.sites.resize(1);
  settings.sites[0].match = ".gateway.example.net";
  start();
  for (int i = 0; i < 10; ++i) {
    hosts("example.com", {{10, "alt" + std::to_string(i) + ".aspmx.l.google.com"}});
    EXPECT_EQ(ask("example.com").path->site, "google");
    hosts("example.org", {{10, "mx" + std::to_string(i) + ".gateway.example.net"}});
    EXPECT_EQ(ask("example.org").path->site, ".gateway.example.net");
  }
}

// What the desk says about each domain; a fetch ends when the test says so.
struct FakeDesk final : StsDesk {
  std::map<std::string, StsDecision> says;
  std::vector<std::pair<std::string, std::function<void()>>> fetches;
  bool full = false;

  StsDecision decide(const std::string& domain, const dns::TxtAnswer&) override {
    return says[domain];
  }
  bool fetch(const std::string& domain, const std::string&, std::function<void()> done) override {
    if (!full) fetches.emplace_back(domain, std::move(done));
    return !full;
  }
};

struct RouterPolicyTest : RouterTest {
  FakeDesk desk;
  RouterPolicyTest() {
    hosts("example.com", {{10, "mx1.example.net"}, {20, "mx2.example.org"}});
    router =
        std::make_unique<Router>(loop, settings, resolver, &desk, answers, [this] { return now; });
  }
  static StsDecision policy(StsVerdict verdict, std::vector<std::string> mx) {
    StsDecision decision;
    decision.verdict = verdict;
    auto made = std::make_shared<StsPolicy>();
    made->mx = std::move(mx);
    decision.policy = made;
    return decision;
  }
};

TEST_F(RouterPolicyTest, OnlyHostsThatThePolicyNames) {
  desk.says["example.com"] = policy(StsVerdict::kEnforce, {"*.example.net"});
  const auto path = ask("example.com").path;
  ASSERT_TRUE(path);
  ASSERT_EQ(path->hosts.size(), 1u);
  EXPECT_EQ(path->hosts[0].name, "mx1.example.net");
  EXPECT_EQ(path->sts, StsVerdict::kEnforce);
}

TEST_F(RouterPolicyTest, NoneOfThemIsTemporary) {
  desk.says["example.com"] = policy(StsVerdict::kEnforce, {"mail.example.com"});
  const RouteAnswer answer = ask("example.com");
  EXPECT_FALSE(answer.path);
  EXPECT_FALSE(answer.permanent);
  EXPECT_EQ(answer.enhanced, "4.7.5");
}

TEST_F(RouterPolicyTest, ATestedPolicyKeepsAllHostsOnAPathOfTheirOwn) {
  hosts("example.org", {{10, "mx1.example.net"}, {20, "mx2.example.org"}});
  desk.says["example.com"] = policy(StsVerdict::kTesting, {"mail.example.com"});
  const auto tested = ask("example.com").path, plain = ask("example.org").path;
  ASSERT_TRUE(tested && plain);
  EXPECT_EQ(tested->hosts.size(), 2u);
  EXPECT_EQ(tested->sts, StsVerdict::kTesting);
  EXPECT_NE(tested, plain);
  EXPECT_EQ(tested->site, plain->site);  // limits hang on the site
}

TEST_F(RouterPolicyTest, WaitsForTheFetchThatDecides) {
  desk.says["example.com"].verdict = StsVerdict::kWait;
  desk.says["example.com"].fetch = true;
  EXPECT_FALSE(router->route("example.com", 1));
  ASSERT_TRUE(run_until(loop, [&] { return !desk.fetches.empty(); }));
  EXPECT_FALSE(router->route("example.com", 2));
  EXPECT_TRUE(answers.got.empty());
  desk.says["example.com"] = policy(StsVerdict::kEnforce, {"mx1.example.net"});
  desk.fetches[0].second();
  ASSERT_TRUE(run_until(loop, [&] { return answers.got.size() == 2; }));
  EXPECT_EQ(answers.got[1].path->hosts.size(), 1u);
  EXPECT_EQ(desk.fetches.size(), 1u);
}

TEST_F(RouterPolicyTest, AFetchThatEndsAfterTheRouterIsForgotten) {
  desk.says["example.com"].verdict = StsVerdict::kWait;
  desk.says["example.com"].fetch = true;
  EXPECT_FALSE(router->route("example.com", 1));
  ASSERT_TRUE(run_until(loop, [&] { return !desk.fetches.empty(); }));
  router.reset();
  desk.fetches[0].second();
  loop.run_once(false);
  EXPECT_TRUE(answers.got.empty());
}

TEST_F(RouterPolicyTest, TooManyFetchesAreATemporaryAnswer) {
  desk.full = true;
  desk.says["example.com"].verdict = StsVerdict::kWait;
  desk.says["example.com"].fetch = true;
  const RouteAnswer answer = ask("example.com");
  EXPECT_FALSE(answer.path);
  EXPECT_FALSE(answer.permanent);
}

TEST_F(RouterTest, ARelayTakesWhatNoRouteTakes) {
  settings.routes = {*parse_route("example.com=127.0.0.1:2526")};
  settings.relay.emplace();
  settings.relay->host = "smtp.example.net";
  settings.relay->login = std::make_shared<RelayLogin>(std::make_shared<smtp::Credentials>(), "");
  settings.relay->limits.daily = 50'000;
  settings.relay->limits.rate = 14;
  start();
  EXPECT_EQ(ask("example.com").path->port, 2526);
  const auto relay = ask("example.org").path;
  ASSERT_TRUE(relay);
  EXPECT_EQ(relay->site, kRelaySite);
  EXPECT_EQ(relay->port, 587);
  EXPECT_EQ(relay->limits.daily, 50'000u);
  EXPECT_EQ(relay->limits.rate, 14);
  EXPECT_EQ(relay->limits.tls, TlsPolicy::kVerified);
  EXPECT_FALSE(relay->auth_in_clear);
  EXPECT_EQ(ask("example.net").path, relay);
  EXPECT_EQ(resolver.asked, 0u);
}

TEST_F(RouterTest, ManyAskOnceAndADeadRouterIsNotAnswered) {
  hosts("example.com", {{1, "mx.example.com"}});
  start();
  for (uint64_t id = 1; id <= 10; ++id) EXPECT_FALSE(router->route("example.com", id));
  EXPECT_EQ(resolver.asked, 1u);
  ASSERT_TRUE(run_until(loop, [&] { return answers.got.size() == 10; }));
  (void)router->route("example.com", 11);
  router.reset();
  loop.run_once(false);
  EXPECT_TRUE(resolver.quiet());
}

}  // namespace
}  // namespace volley::delivery
