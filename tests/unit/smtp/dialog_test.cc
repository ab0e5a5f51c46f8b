// Plays tests/dialog/*.dlg, whole, byte by byte, and cut at every single offset.
#include "dialog.h"

#include <gtest/gtest.h>

#include <iostream>
#include <set>

namespace volley::smtp::testing {
namespace {

std::vector<Dialog> all() { return load_dialogs(std::string(VOLLEY_DIALOG_DIR)); }

class DialogTest : public ::testing::TestWithParam<Dialog> {};

TEST_P(DialogTest, Whole) { EXPECT_EQ(run(GetParam(), 0), ""); }

TEST_P(DialogTest, ByteByByte) { EXPECT_EQ(run(GetParam(), kEveryByte), ""); }

TEST_P(DialogTest, CutAtEveryOffset) {
  const size_t bytes = server_bytes(GetParam());
  // Long floods are cut at prime strides: each offset would take minutes and show nothing new.
  const size_t stride = bytes > 4000 ? 997 : 1;
  for (size_t at = 1; at < bytes; at += stride) {
    ASSERT_EQ(run(GetParam(), at), "") << "cut at " << at;
  }
}

INSTANTIATE_TEST_SUITE_P(Files, DialogTest, ::testing::ValuesIn(all()), [](const auto& test) {
  std::string name = test.param.name;
  for (char& c : name) {
    if (c == '-') c = '_';
  }
  return name;
});

// Rows of the table that are not the core's: the driver's connection (1), TLS internals (43), AUTH (44 to 47), bounces that
// come later (87), rules and policy (108 to 110), DNS (111 and up).
bool decided_elsewhere(int row) {
  return row == 1 || (row >= 43 && row <= 47) || row == 87 || row >= 108;
}

TEST(DialogRows, AllOfTheCoreAreShown) {
  std::set<int> rows;
  for (const Dialog& dialog : all()) {
    EXPECT_FALSE(dialog.lines.empty()) << dialog.name;
    rows.insert(dialog.rows.begin(), dialog.rows.end());
  }
  std::cout << rows.size() << " of 122\n";
  for (int row = 1; row <= 122; ++row) {
    EXPECT_TRUE(rows.contains(row) || decided_elsewhere(row)) << "row " << row;
  }
}

}  // namespace
}  // namespace volley::smtp::testing
