#include "base/result.h"

#include <gtest/gtest.h>

#include <memory>

namespace volley {
namespace {

Result<std::unique_ptr<int>> make(bool ok) {
  if (!ok) return Error{Errc::kData, "no"};
  return std::make_unique<int>(7);
}

TEST(Result, ValueOrError) {
  auto good = make(true);
  ASSERT_TRUE(good);
  EXPECT_EQ(**good, 7);
  const std::unique_ptr<int> moved = std::move(good).value();
  EXPECT_EQ(*moved, 7);
  const auto bad = make(false);
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().code, Errc::kData);
  EXPECT_EQ(bad.error().message, "no");
}

TEST(Result, StatusOfNothing) {
  const Status ok;
  EXPECT_TRUE(ok);
  const Status bad = Error{Errc::kIo, "disk full"};
  EXPECT_FALSE(bad);
  EXPECT_EQ(bad.error().message, "disk full");
}

}  // namespace
}  // namespace volley
