#include "base/nearest.h"

#include <gtest/gtest.h>

namespace volley {
namespace {

std::string_view nearest(std::string_view word) {
  Nearest out(word);
  for (const std::string_view known : {"google", "outlook", "gmx", "qq"}) out.consider(known);
  return out.best();
}

TEST(Nearest, FindsWhatWasMeant) {
  EXPECT_EQ(nearest("gogle"), "google");
  EXPECT_EQ(nearest("outlok"), "outlook");
  EXPECT_EQ(nearest("gmxx"), "gmx");
}

TEST(Nearest, WhatIsFarIsNotGuessed) {
  EXPECT_EQ(nearest("mail"), "");
  EXPECT_EQ(nearest("ab"), "") << "all of a short word replaced is no misspelling";
  EXPECT_EQ(nearest(""), "");
}

}  // namespace
}  // namespace volley
