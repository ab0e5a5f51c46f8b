// Plays tests/dialog/*.dlg, whole, byte by byte, and cut at every single offset. The rows they show are counted in
// tests/unit/delivery/delivery_dialog_test.cc, with those of delivery and DNS.
#include "dialog.h"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace volley::smtp::testing
