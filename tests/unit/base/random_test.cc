#include "base/random.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>

namespace volley {
namespace {

TEST(Random, SeedDecides) {
  Random a(42), b(42), c(43);
  bool differs = false;
  for (int i = 0; i < 100; ++i) {
    const uint64_t x = a.next();
    EXPECT_EQ(x, b.next());
    differs = differs || x != c.next();
  }
  EXPECT_TRUE(differs);
}

TEST(Random, StaysInItsBounds) {
  Random random(1);
  std::array<int, 10> seen{};
  for (int i = 0; i < 10000; ++i) {
    const uint64_t n = random.below(10);
    ASSERT_LT(n, 10u);
    ++seen[n];
    const double u = random.unit();
    ASSERT_GE(u, 0.0);
    ASSERT_LT(u, 1.0);
  }
  EXPECT_GT(*std::min_element(seen.begin(), seen.end()), 800);
  EXPECT_EQ(random.below(1), 0u);
}

}  // namespace
}  // namespace volley
