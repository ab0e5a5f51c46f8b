// Plays tests/dialog/delivery/*.dlg, and counts the rows of the table of broken receivers (tests/dialog/README.md) that scripts
// and cases show.
#include "tests/unit/delivery/delivery_dialog.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>

namespace volley::delivery::testing {
namespace {

using smtp::testing::Dialog;

constexpr int kRows = 122;

class DeliveryDialogTest : public ::testing::TestWithParam<Dialog> {};

TEST_P(DeliveryDialogTest, Plays) { EXPECT_EQ(play(GetParam()), ""); }

INSTANTIATE_TEST_SUITE_P(Files, DeliveryDialogTest,
                         ::testing::ValuesIn(smtp::testing::load_dialogs(VOLLEY_DIALOG_DIR
                                                                         "/delivery")),
                         [](const auto& test) {
                           std::string name = test.param.name;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

Dialog script(std::vector<std::string> lines) { return {"", "", {}, std::move(lines)}; }

// A player that is content with anything would show nothing.
TEST(DeliveryDialogPlayer, SaysWhatIsWrong) {
  const std::vector<std::string> sent{"dns example.com mx mx.example.com",
                                      "dns mx.example.com a 127.0.0.2", "host 127.0.0.2 takes",
                                      "send example.com 2"};
  const auto with = [&](const std::string& line) {
    std::vector<std::string> lines = sent;
    lines.push_back(line);
    return play(script(lines));
  };
  EXPECT_EQ(with("? 2 delivered 250"), "");
  EXPECT_NE(with("? 1 delivered 250"), "");
  EXPECT_NE(with("? 2 bounced"), "");
  EXPECT_NE(with("? 2 delivered 550"), "");
  EXPECT_NE(with("? waits 1"), "");
  EXPECT_NE(with("? paused 15"), "");
  EXPECT_NE(with("? campaign paused"), "");
  EXPECT_NE(with("? connections 127.0.0.2 2"), "");
  EXPECT_NE(with("? asked mx example.com 0"), "");
  EXPECT_NE(with("? hosts 2"), "");
  EXPECT_NE(with("? limited rate"), "");
  EXPECT_NE(with("? what"), "");
  EXPECT_NE(with("nonsense"), "");
  EXPECT_NE(play(script(sent)), "");
}

TEST(DialogRows, AllAreShown) {
  std::set<int> rows = ShowsRow::all();
  for (const char* directory : {VOLLEY_DIALOG_DIR, VOLLEY_DIALOG_DIR "/delivery"}) {
    const auto dialogs = smtp::testing::load_dialogs(directory);
    EXPECT_FALSE(dialogs.empty()) << directory;
    for (const Dialog& dialog : dialogs) {
      EXPECT_FALSE(dialog.lines.empty()) << dialog.path;
      rows.insert(dialog.rows.begin(), dialog.rows.end());
    }
  }
  std::cout << rows.size() << " of " << kRows << "\n";
  for (int row = 1; row <= kRows; ++row) EXPECT_TRUE(rows.contains(row)) << "row " << row;
  EXPECT_EQ(rows.size(), static_cast<size_t>(kRows)) << "a row that the table does not have";
}

}  // namespace
}  // namespace volley::delivery::testing
