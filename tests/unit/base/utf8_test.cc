#include "base/utf8.h"

#include <gtest/gtest.h>

namespace volley {
namespace {

TEST(Utf8, RoundTripAtTheEdges) {
  for (const char32_t c : {U'\0', U'a', U'\x7F', U'\x80', U'\x7FF', U'\x800', U'\xD7FF', U'\xE000',
                           U'\xFFFF', U'\x10000', U'\x10FFFF'}) {
    std::string text;
    append_utf8(text, c);
    size_t position = 0;
    EXPECT_EQ(next_code_point(text, position), c);
    EXPECT_EQ(position, text.size());
  }
}

TEST(Utf8, RefusesWhatRfc3629Refuses) {
  for (const char* bad :
       {"\x80", "\xC0\x80", "\xC1\xBF", "\xE0\x80\x80", "\xED\xA0\x80", "\xF0\x80\x80\x80",
        "\xF4\x90\x80\x80", "\xF8\x88\x80\x80\x80", "\xC3", "\xE2\x82", "\xC3(", "\xFF"}) {
    EXPECT_FALSE(is_valid_utf8(bad));
    size_t position = 0;
    EXPECT_EQ(next_code_point(bad, position), std::nullopt);
    EXPECT_EQ(position, 0u);
  }
  EXPECT_TRUE(is_valid_utf8("gr\xC3\xBC\xC3\x9F \xF0\x9F\x98\x80"));
  EXPECT_TRUE(is_ascii("abc"));
  EXPECT_FALSE(is_ascii("\xC3\xBC"));
}

TEST(AsciiLower, IsOfTheLettersAToZOnly) {
  EXPECT_EQ(ascii_lower("@AZ[`az{ 19-\xC3\x84\xC1"), "@az[`az{ 19-\xC3\x84\xC1");
  EXPECT_EQ(ascii_lower(""), "");
  static_assert(ascii_lower('Q') == 'q' && ascii_lower('q') == 'q' &&
                ascii_lower('\xC0') == '\xC0');
}

}  // namespace
}  // namespace volley
