// Limits, retries, routes, hosts, lanes of numbers: everything pure about pace.
#include "engine/delivery/limits.h"

#include <gtest/gtest.h>

#include "engine/delivery/hosts.h"
#include "engine/delivery/retry.h"
#include "engine/delivery/router.h"

namespace volley::delivery {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

const TimePoint kStart{std::chrono::hours(1)};

TEST(TokenBucket, PacesOverALongTime) {
  TokenBucket bucket;
  bucket.set_rate(10, kStart);
  size_t sent = 0;
  for (TimePoint now = kStart; now < kStart + seconds(100); now += milliseconds(7)) {
    while (bucket.take(now)) ++sent;
  }
  EXPECT_GE(sent, 1000u);
  EXPECT_LE(sent, 1010u);  // the burst of one second
}

TEST(TokenBucket, SaysWhenTheNextOneComes) {
  TokenBucket bucket;
  bucket.set_rate(0.5, kStart);
  EXPECT_TRUE(bucket.take(kStart));
  EXPECT_FALSE(bucket.take(kStart));
  const TimePoint next = bucket.next(kStart);
  EXPECT_GE(next, kStart + seconds(2));
  EXPECT_LT(next, kStart + seconds(2) + milliseconds(1));
  EXPECT_FALSE(bucket.available(next - milliseconds(1)));
  EXPECT_TRUE(bucket.take(next));
}

TEST(TokenBucket, WithoutARateNeverBinds) {
  TokenBucket bucket;
  for (int i = 0; i < 10000; ++i) EXPECT_TRUE(bucket.take(kStart));
  EXPECT_EQ(bucket.next(kStart), kStart);
}

TEST(TokenBucket, ASlowerRateCutsWhatWasSaved) {
  TokenBucket bucket;
  bucket.set_rate(100, kStart);
  bucket.set_rate(1, kStart);
  EXPECT_TRUE(bucket.take(kStart));
  EXPECT_FALSE(bucket.take(kStart));
}

TEST(Limits, SharesAddUp) {
  for (const uint32_t total : {1u, 7u, 16u, 33u}) {
    for (const unsigned shares : {1u, 2u, 5u}) {
      uint32_t sum = 0;
      for (unsigned rank = 0; rank < shares; ++rank) sum += limit_share(total, shares, rank);
      EXPECT_EQ(sum, total);
    }
  }
}

TEST(Limits, OnlyLargeSitesWithoutARateAreSpread) {
  EffectiveLimits limits;
  limits.connections = 16;
  EXPECT_EQ(share_count(limits, 2), 2u);
  EXPECT_EQ(share_count(limits, 4), 1u);
  limits.rate = 1;
  EXPECT_EQ(share_count(limits, 2), 1u);
  limits.rate = 0;
  limits.connections = 1;
  EXPECT_EQ(share_count(limits, 2), 1u);
}

TEST(Limits, EachLayerOverridesTheOneBefore) {
  Settings settings;
  const std::vector<dns::MxHost> google{{1, "aspmx.l.google.com"}};
  EXPECT_EQ(effective_limits(settings, "google", "example.com", google, false).connections_from,
            "provider google");
  settings.sites.resize(4);
  settings.sites[0].match = "default";
  settings.sites[0].limits.connections = 3;
  settings.sites[1].match = "google";
  settings.sites[1].limits.connections = 4;
  settings.sites[2].match = ".google.com";
  settings.sites[2].limits.messages_per_connection = 7;
  settings.sites[3].match = "example.com";
  settings.sites[3].limits.rate = 2;
  EffectiveLimits limits = effective_limits(settings, "google", "example.com", google, false);
  EXPECT_EQ(limits.connections, 4u);
  EXPECT_EQ(limits.connections_from, "[site.\"google\"]");
  EXPECT_EQ(limits.messages_per_connection, 7u);
  EXPECT_EQ(limits.rate, 2.0);
  EXPECT_EQ(limits.rate_from, "[site.\"example.com\"]");
  limits = effective_limits(settings, "", "example.org", {{1, "mx.example.org"}}, false);
  EXPECT_EQ(limits.connections, 3u);
  EXPECT_EQ(limits.rate, kDefaultRate);
  settings.connections_cap = 2;
  limits = effective_limits(settings, "google", "example.com", google, false);
  EXPECT_EQ(limits.connections, 2u);
  EXPECT_EQ(limits.connections_from, "--connections");
}

TEST(Limits, ARouteHasNoRate) {
  const EffectiveLimits limits = effective_limits({}, "", "", {{0, "127.0.0.1"}}, true);
  EXPECT_EQ(limits.rate, 0);
  EXPECT_EQ(limits.connections_from, "static route");
}

TEST(Limits, ARoutesAddressHasASection) {
  Settings settings;
  settings.sites.resize(2);
  settings.sites[0].match = "127.0.0.1";
  settings.sites[0].limits.connections = 3;
  settings.sites[1].match = "2001:db8::1";
  settings.sites[1].limits.connections = 4;
  const auto routed = [&](const char* host) {
    return effective_limits(settings, "", "", {{0, host}}, true);
  };
  EXPECT_EQ(routed("127.0.0.1").connections, 3u);
  EXPECT_EQ(routed("127.0.0.1").connections_from, "[site.\"127.0.0.1\"]");
  EXPECT_EQ(routed("2001:db8:0::1").connections, 4u) << "whatever way it is written";
  EXPECT_EQ(routed("127.0.0.2").connections_from, "static route");
}

TEST(Limits, SuffixesMatchAtLabelsOnly) {
  EXPECT_TRUE(has_suffix("mx.example.net", ".example.net"));
  EXPECT_TRUE(has_suffix("example.net", ".example.net"));
  EXPECT_FALSE(has_suffix("evilexample.net", ".example.net"));
  EXPECT_FALSE(has_suffix("mx.example.net", "example.net"));
}

TEST(Retry, DoublesUpToTheLongest) {
  Random random(1);
  const queue::RetryPolicy policy{60'000, 600'000, 86'400'000};
  for (const auto& [attempt, plain] : std::vector<std::pair<uint32_t, int64_t>>{
           {1, 60'000}, {2, 120'000}, {4, 480'000}, {5, 600'000}, {90, 600'000}}) {
    for (int i = 0; i < 50; ++i) {
      const int64_t delay = retry_delay_ms(policy, attempt, {}, random);
      EXPECT_GE(delay, plain * 85 / 100);
      EXPECT_LE(delay, plain * 115 / 100);
    }
  }
}

TEST(Retry, AHintRaisesButNotBeyondTheLongest) {
  Random random(1);
  const queue::RetryPolicy policy{60'000, 600'000, 86'400'000};
  EXPECT_EQ(retry_delay_ms(policy, 1, minutes(8), random), 480'000);
  EXPECT_EQ(retry_delay_ms(policy, 1, std::chrono::hours(5), random), 600'000);
  EXPECT_LE(greylist_delay_ms(policy, {}, random), 69'000);
}

TEST(Retry, InDoubtWaitsHalfAnHourUnlessTheUserIsInAHurry) {
  Random random(1);
  EXPECT_EQ(in_doubt_delay_ms({}, 1, random), 30 * 60'000);
  EXPECT_EQ(in_doubt_delay_ms({1000, 2000, 60'000}, 1, random), 6000);
  EXPECT_GE(in_doubt_delay_ms({3'600'000, 7'200'000, 86'400'000}, 1, random), 3'060'000);
}

TEST(Retry, ConnectionsBackOffToAMinute) {
  Random random(1);
  for (int i = 0; i < 20; ++i) {
    EXPECT_LE(connect_backoff(1, random), milliseconds(1150));
    EXPECT_GE(connect_backoff(40, random), seconds(51));
    EXPECT_LE(connect_backoff(40, random), seconds(69));
  }
}

TEST(Routes, AreReadAndWritten) {
  const auto route = parse_route("*=127.0.0.1:2525");
  ASSERT_TRUE(route.ok());
  EXPECT_EQ(route->domain, "*");
  EXPECT_EQ(route->port, 2525);
  const auto v6 = parse_route("Example.COM=[2001:db8::1]:25");
  ASSERT_TRUE(v6.ok());
  EXPECT_EQ(v6->host, "2001:db8::1");
  EXPECT_EQ(v6->str(), "example.com=[2001:db8::1]:25");
  for (const char* bad :
       {"", "a", "*=", "*=host", "*=host:", "*=host:0", "*=host:65536", "*=host:2x", "=h:1",
        "*=[host]:1", "*=2001:db8::1:25", "*=ho st:25", "*=[::1]"}) {
    EXPECT_FALSE(parse_route(bad).ok()) << bad;
  }
}

TEST(Hosts, AreForgottenWhenNobodyUsesThem) {
  Hosts hosts;
  Random random(1);
  auto host = hosts.find("mx.example.net", 25);
  EXPECT_EQ(host->key, "mx.example.net:25");
  EXPECT_EQ(hosts.find("mx.example.net", 25), host);
  EXPECT_NE(hosts.find("mx.example.net", 26), host);
  host->failed(kStart, random);
  EXPECT_TRUE(host->bad(kStart));
  host.reset();
  hosts.forget_stale(kStart);
  EXPECT_EQ(hosts.size(), 1u);
  hosts.forget_stale(kStart + std::chrono::hours(1));
  EXPECT_EQ(hosts.size(), 0u);
}

}  // namespace
}  // namespace volley::delivery
