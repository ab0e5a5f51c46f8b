#include "engine/message/mime.h"

#include <gtest/gtest.h>

#include "base/random.h"

namespace volley::message {
namespace {

std::string qp(std::string_view text) {
  std::string out;
  append_quoted_printable(text, out);
  return out;
}

std::string decode_qp(std::string_view text) {
  std::string out;
  auto hex = [](char c) { return c <= '9' ? c - '0' : c - 'A' + 10; };
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '=') {
      out += text[i];
    } else if (text[i + 1] == '\r') {
      i += 2;
    } else {
      out += static_cast<char>(hex(text[i + 1]) * 16 + hex(text[i + 2]));
      i += 2;
    }
  }
  return out;
}

void expect_safe_lines(std::string_view text, size_t limit) {
  size_t start = 0;
  while (start < text.size()) {
    size_t end = text.find("\r\n", start);
    if (end == std::string_view::npos) end = text.size();
    const std::string_view line = text.substr(start, end - start);
    EXPECT_LE(line.size(), limit) << line;
    EXPECT_EQ(line.find_first_of("\r\n"), std::string_view::npos);
    start = end + 2;
  }
}

TEST(QuotedPrintable, EncodesWhatMustBe) {
  EXPECT_EQ(qp("a=b\r\n"), "a=3Db\r\n");
  EXPECT_EQ(qp("é"), "=C3=A9");
  EXPECT_EQ(qp("end \r\ntab\t\r\n"), "end=20\r\ntab=09\r\n");
  EXPECT_EQ(qp(" "), "=20");
  EXPECT_EQ(qp(".\r\nFrom x\r\nFromage"), "=2E\r\n=46rom x\r\nFromage");
  EXPECT_EQ(qp(""), "");
}

TEST(QuotedPrintable, BreaksLongLinesSoftly) {
  const std::string line(76, 'x');
  EXPECT_EQ(qp(line), std::string(75, 'x') + "=\r\nx");
  EXPECT_EQ(qp(std::string(75, 'x')), std::string(75, 'x'));
  EXPECT_EQ(qp(std::string(75, 'x') + ".y"), std::string(75, 'x') + "=\r\n=2Ey");
}

TEST(QuotedPrintable, RoundTripsWhatever) {
  Random random(7);
  const std::string alphabet = " \t.=F-aZ\xC3\xA9~";
  for (int i = 0; i < 500; ++i) {
    std::string text;
    for (uint64_t n = random.below(400); n > 0; --n) {
      text +=
          random.below(20) == 0 ? "\r\n" : std::string(1, alphabet[random.below(alphabet.size())]);
    }
    const std::string coded = qp(text);
    ASSERT_EQ(decode_qp(coded), text);
    expect_safe_lines(coded, 76);
    for (size_t at = 0; (at = coded.find("\r\n", at)) != std::string::npos; ++at) {
      if (at == 0) continue;
      EXPECT_TRUE(coded[at - 1] != ' ' && coded[at - 1] != '\t');
      EXPECT_NE(coded[at + 2], '.');
    }
  }
}

TEST(Base64, MatchesRfc4648) {
  EXPECT_EQ(base64(""), "");
  EXPECT_EQ(base64("f"), "Zg==");
  EXPECT_EQ(base64("fo"), "Zm8=");
  EXPECT_EQ(base64("foobar"), "Zm9vYmFy");
  EXPECT_EQ(base64("\xFF\xFE\xFD"), "//79");
  std::string lines;
  append_base64_lines(std::string(58, 'a'), lines);
  EXPECT_EQ(lines.size(), 76u + 2 + 4 + 2);
  expect_safe_lines(lines, 76);
}

TEST(ChooseEncoding, TakesTheCheapestThatIsSafe) {
  using enum TransferEncoding;
  EXPECT_EQ(choose_encoding("plain\r\n"), k7bit);
  EXPECT_EQ(choose_encoding(""), k7bit);
  EXPECT_EQ(choose_encoding(std::string(997, 'x') + "\r\n"), k7bit);
  EXPECT_EQ(choose_encoding(std::string(999, 'x') + "\r\n"), kQuotedPrintable);
  EXPECT_EQ(choose_encoding("ok\r\nFrom here\r\n"), kQuotedPrintable);
  EXPECT_EQ(choose_encoding("--=_a_0000000000000001\r\n"), kQuotedPrintable);
  EXPECT_EQ(choose_encoding("caf\xC3\xA9 au lait\r\n"), kQuotedPrintable);
  EXPECT_EQ(choose_encoding("\xD0\x9F\xD1\x80\xD0\xB8\xD0\xB2\xD0\xB5\xD1\x82\r\n"), kBase64);
}

TEST(Crlf, LoneOnesAreMended) {
  EXPECT_EQ(to_crlf("a\nb\rc\r\nd\n\r"), "a\r\nb\r\nc\r\nd\r\n\r\n");
  for (const char* smuggled : {"\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r\n.\r", "\n.\r", "\r.\n",
                               "\r.\r\n", "\r\n.\r\r\n"}) {
    const std::string mended = to_crlf(smuggled);
    for (size_t i = 0; i < mended.size(); ++i) {
      if (mended[i] == '\n') {
        EXPECT_TRUE(i > 0 && mended[i - 1] == '\r');
      }
      if (mended[i] == '\r') {
        EXPECT_EQ(mended[i + 1], '\n');
      }
    }
  }
}

TEST(Utf8, FindsTheFirstBadByte) {
  EXPECT_EQ(find_invalid_utf8("gr\xC3\xBC\xC3\x9F"), std::string_view::npos);
  EXPECT_EQ(find_invalid_utf8("gr\xFC"), 2u);
  EXPECT_EQ(find_invalid_utf8("\xC0\xAF"), 0u);
  EXPECT_EQ(find_invalid_utf8("a\xED\xA0\x80"), 1u);
}

TEST(EncodedWords, StayShortAndWhole) {
  std::string text;
  for (int i = 0; i < 60; ++i)
    text +=
        "\xF0\x9F\x92\x8C"
        "a\xC3\xA9";
  std::string out;
  append_encoded_words(text, 9, out);
  size_t start = 0;
  bool first = true;
  while (start < out.size()) {
    size_t end = out.find("\r\n", start);
    if (end == std::string::npos) end = out.size();
    const std::string line = out.substr(start, end - start);
    EXPECT_LE(line.size() + (first ? 9 : 0), 76u);
    EXPECT_TRUE(line.ends_with("?=")) << line;
    first = false;
    start = end + 2;
  }
}

TEST(EncodedWords, InvalidBytesBecomeReplacementCharacters) {
  std::string out;
  append_encoded_words("a plain start\xFF", 0, out);
  EXPECT_EQ(out, "=?UTF-8?Q?a_plain_start=EF=BF=BD?=");
}

TEST(Parameters, QuotedOrContinued) {
  std::string out;
  append_parameter("filename", "a \"b\".pdf", out);
  EXPECT_EQ(out, ";\r\n filename=\"a \\\"b\\\".pdf\"");
  out.clear();
  append_parameter("filename", "\xC3\xA4.pdf", out);
  EXPECT_EQ(out, ";\r\n filename*=UTF-8''%C3%A4.pdf");
  out.clear();
  append_parameter("filename", std::string(200, 'n') + ".pdf", out);
  EXPECT_NE(out.find(";\r\n filename*0*=UTF-8''nn"), std::string::npos);
  EXPECT_NE(out.find(";\r\n filename*4*="), std::string::npos);
  expect_safe_lines(out, 78);
}

}  // namespace
}  // namespace volley::message
