#include "dns/cache.h"

#include <gtest/gtest.h>

namespace volley::dns {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

TEST(Ttl, Clamps) {
  EXPECT_EQ(clamp_positive_ttl(0), seconds(60));
  EXPECT_EQ(clamp_positive_ttl(3600), hours(1));
  EXPECT_EQ(clamp_positive_ttl(0xffffffff), hours(24));
  EXPECT_EQ(clamp_negative_ttl(std::nullopt), seconds(30));
  EXPECT_EQ(clamp_negative_ttl(1), seconds(30));
  EXPECT_EQ(clamp_negative_ttl(120), minutes(2));
  EXPECT_EQ(clamp_negative_ttl(86'400), minutes(15));
  EXPECT_EQ(failure_ttl(), seconds(10));
}

class TtlCacheTest : public testing::Test {
 protected:
  const TimePoint t0{hours(1)};
  TtlCache<int> cache{3};
};

TEST_F(TtlCacheTest, FindsUntilTheTimeIsOver) {
  cache.put("a", 1, seconds(10), t0);
  ASSERT_NE(cache.find("a", t0), nullptr);
  EXPECT_EQ(*cache.find("a", t0 + seconds(10) - Duration(1)), 1);
  EXPECT_EQ(cache.find("a", t0 + seconds(10)), nullptr);
  EXPECT_EQ(cache.size(), 0u) << "what is over is gone";
  EXPECT_EQ(cache.find("b", t0), nullptr);
}

TEST_F(TtlCacheTest, ReplacesValueAndTime) {
  cache.put("a", 1, seconds(10), t0);
  cache.put("a", 2, seconds(20), t0);
  EXPECT_EQ(cache.size(), 1u);
  ASSERT_NE(cache.find("a", t0 + seconds(15)), nullptr);
  EXPECT_EQ(*cache.find("a", t0 + seconds(15)), 2);
}

TEST_F(TtlCacheTest, LeastRecentlyUsedGoesFirst) {
  for (int i = 0; i < 3; ++i)
    cache.put(std::string(1, static_cast<char>('a' + i)), i, hours(1), t0);
  EXPECT_NE(cache.find("a", t0), nullptr);
  cache.put("d", 3, hours(1), t0);
  EXPECT_EQ(cache.size(), 3u);
  EXPECT_NE(cache.find("a", t0), nullptr);
  EXPECT_EQ(cache.find("b", t0), nullptr);
  EXPECT_NE(cache.find("c", t0), nullptr);
}

TEST(TtlCache, OfSizeNothing) {
  TtlCache<int> none(0);
  none.put("a", 1, hours(1), TimePoint{});
  EXPECT_EQ(none.find("a", TimePoint{}), nullptr);
}

}  // namespace
}  // namespace volley::dns
