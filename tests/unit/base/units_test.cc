#include "base/units.h"

#include <gtest/gtest.h>

namespace volley {
namespace {

using namespace std::chrono_literals;

TEST(Units, Durations) {
  EXPECT_EQ(*parse_duration("15m"), 15min);
  EXPECT_EQ(*parse_duration("1h30m"), 90min);
  EXPECT_EQ(*parse_duration("1h 30m"), 90min);
  EXPECT_EQ(*parse_duration("250ms"), 250ms);
  EXPECT_EQ(*parse_duration("1.5s"), 1500ms);
  EXPECT_EQ(*parse_duration("72h"), 72h);
  EXPECT_EQ(*parse_duration("2d"), 48h);
  EXPECT_EQ(*parse_duration("0"), 0ns);
  EXPECT_EQ(*parse_duration("0s"), 0ns);
  for (const char* bad : {"", "5", "m", "-5m", "5 parsecs", "5M", "30m1h", "5m5m", "1e3s", "..s",
                          "1.2.3s", "99999999999999d", "nan s", "5m x"}) {
    const auto parsed = parse_duration(bad);
    EXPECT_FALSE(parsed) << bad;
    if (!parsed) {
      EXPECT_EQ(parsed.error().code, Errc::kConfig);
    }
  }
}

TEST(Units, Sizes) {
  EXPECT_EQ(*parse_size("64MB"), 64000000u);
  EXPECT_EQ(*parse_size("64 MiB"), 67108864u);
  EXPECT_EQ(*parse_size("1KiB"), 1024u);
  EXPECT_EQ(*parse_size("1.5KB"), 1500u);
  EXPECT_EQ(*parse_size("7B"), 7u);
  for (const char* bad : {"", "64", "64mb", "-1KB", "KB", "99999999999GB", "1KBx"}) {
    EXPECT_FALSE(parse_size(bad)) << bad;
  }
}

TEST(Units, Rates) {
  EXPECT_DOUBLE_EQ(*parse_rate("100/s"), 100);
  EXPECT_DOUBLE_EQ(*parse_rate("50/m"), 50.0 / 60);
  EXPECT_DOUBLE_EQ(*parse_rate("1000/h"), 1000.0 / 3600);
  EXPECT_DOUBLE_EQ(*parse_rate("20000/d"), 20000.0 / 86400);
  EXPECT_DOUBLE_EQ(*parse_rate("0.5/s"), 0.5);
  for (const char* bad : {"", "100", "100/", "/s", "100/w", "-1/s", "100/s/s"}) {
    EXPECT_FALSE(parse_rate(bad)) << bad;
  }
}

TEST(Units, Fractions) {
  EXPECT_DOUBLE_EQ(*parse_fraction("5%"), 0.05);
  EXPECT_DOUBLE_EQ(*parse_fraction("0.05"), 0.05);
  EXPECT_DOUBLE_EQ(*parse_fraction("100%"), 1);
  EXPECT_DOUBLE_EQ(*parse_fraction("0"), 0);
  for (const char* bad : {"", "%", "5", "101%", "-1%", "5%%", "five"}) {
    EXPECT_FALSE(parse_fraction(bad)) << bad;
  }
}

TEST(Units, FormatsForPeople) {
  EXPECT_EQ(format_duration(0ns), "0ms");
  EXPECT_EQ(format_duration(12ms), "12ms");
  EXPECT_EQ(format_duration(999900us), "1.0s");
  EXPECT_EQ(format_duration(4200ms), "4.2s");
  EXPECT_EQ(format_duration(42s), "42s");
  EXPECT_EQ(format_duration(59900ms), "1m 0s");
  EXPECT_EQ(format_duration(63min), "1h 3m");
  EXPECT_EQ(format_duration(50h), "2d 2h");
  EXPECT_EQ(format_duration(-5s), "-5.0s");
  EXPECT_EQ(format_count(0), "0");
  EXPECT_EQ(format_count(999), "999");
  EXPECT_EQ(format_count(1234567), "1,234,567");
}

TEST(Units, FormatsRates) {
  EXPECT_EQ(format_rate(0), "0.0/s");
  EXPECT_EQ(format_rate(0.26), "0.3/s");
  EXPECT_EQ(format_rate(9.94), "9.9/s");
  EXPECT_EQ(format_rate(9.96), "10/s");
  EXPECT_EQ(format_rate(1234.5), "1,235/s");
}

}  // namespace
}  // namespace volley
