#include "base/line_scan.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace volley {
namespace {

struct Found {
  LineScan scan;
  std::vector<size_t> lines;
};

template <typename Scan>
Found look(Scan scan, std::string_view text) {
  Found found;
  found.scan = scan(text, [&](size_t at) { found.lines.push_back(at); });
  return found;
}

// By the definition, without any cleverness.
Found by_definition(const std::string& text) {
  Found found;
  size_t begin = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const char before = i == 0 ? 'x' : text[i - 1], after = i + 1 < text.size() ? text[i + 1] : 'x';
    if (i == begin) found.lines.push_back(i);
    if (text[i] == 0) found.scan.nul = true;
    if (static_cast<unsigned char>(text[i]) >= 0x80) ++found.scan.eight_bit;
    if (text[i] == '\r' && after != '\n') found.scan.bare_cr = true;
    if (text[i] == '\n' && before != '\r') found.scan.bare_lf = true;
    if (text[i] == '\n' || i + 1 == text.size()) {
      size_t length = i - begin;
      if (text[i] != '\n') ++length;
      if (text[i] == '\n' && before == '\r') --length;
      found.scan.longest = std::max(found.scan.longest, length);
      begin = i + 1;
    }
  }
  return found;
}

void expect_same(const Found& a, const Found& b, const std::string& text) {
  EXPECT_EQ(a.scan.nul, b.scan.nul) << ::testing::PrintToString(text);
  EXPECT_EQ(a.scan.eight_bit, b.scan.eight_bit) << ::testing::PrintToString(text);
  EXPECT_EQ(a.scan.bare_cr, b.scan.bare_cr) << ::testing::PrintToString(text);
  EXPECT_EQ(a.scan.bare_lf, b.scan.bare_lf) << ::testing::PrintToString(text);
  EXPECT_EQ(a.scan.longest, b.scan.longest) << ::testing::PrintToString(text);
  EXPECT_EQ(a.lines, b.lines) << ::testing::PrintToString(text);
}

TEST(LineScan, IsWhatItsDefinitionSays) {
  std::mt19937 random(1);
  const std::string_view alphabet("ab.\r\n\r\n\0\xC3\xA9 ", 12);
  const auto fast = [](std::string_view t, auto f) { return scan_lines(t, f); };
  const auto plain = [](std::string_view t, auto f) { return scan_lines_plainly(t, f); };
  for (int i = 0; i < 20000; ++i) {
    std::string text(random() % 300, 'x');
    const bool dense = random() % 2 == 0;
    for (char& c : text) {
      if (dense || random() % 8 == 0) c = alphabet[random() % alphabet.size()];
    }
    const Found expected = by_definition(text);
    expect_same(look(fast, text), expected, text);
    expect_same(look(plain, text), expected, text);
    if (::testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace volley
