#include "engine/smtp/reply.h"

#include <gtest/gtest.h>

namespace volley::smtp {
namespace {

using Progress = ReplyParser::Progress;

// All replies in `bytes`, fed in pieces of `step`.
std::vector<Reply> parse_all(std::string_view bytes, size_t step, bool* bad = nullptr) {
  ReplyParser parser;
  std::vector<Reply> out;
  for (size_t at = 0; at < bytes.size(); at += step) {
    std::string_view piece = bytes.substr(at, step);
    while (!piece.empty()) {
      size_t used = 0;
      const Progress progress = parser.parse(piece, used);
      piece.remove_prefix(used);
      if (progress == Progress::kBad) {
        if (bad) *bad = true;
        return out;
      }
      if (progress == Progress::kReply) out.push_back(parser.take());
    }
  }
  return out;
}

TEST(Reply, EverySplit) {
  constexpr std::string_view kBytes =
      "220 mx\r\n250-a\r\n250-b\n250 c\r\n250\r\n550 5.1.1 no\r\n354 \r\n";
  for (size_t step = 1; step <= kBytes.size(); ++step) {
    const auto replies = parse_all(kBytes, step);
    ASSERT_EQ(replies.size(), 5u) << step;
    EXPECT_EQ(replies[0].str(), "220 mx");
    EXPECT_EQ(replies[1].text, "a b c");
    EXPECT_EQ(replies[2].code, 250);
    EXPECT_EQ(replies[2].text, "");
    ASSERT_TRUE(replies[3].enhanced);
    EXPECT_EQ(replies[3].enhanced->str(), "5.1.1");
    EXPECT_EQ(replies[3].text, "no");
    EXPECT_EQ(replies[4].code, 354);
  }
}

TEST(Reply, EnhancedCodeNeedsTheSameClass) {
  auto replies = parse_all("451 5.1.1 later\r\n550-5.7.1 a\r\n550 5.7.1 b\r\n", 100);
  EXPECT_FALSE(replies.at(0).enhanced);
  EXPECT_EQ(replies[0].text, "5.1.1 later");
  EXPECT_EQ(replies[1].str(), "550 5.7.1 a b");
}

TEST(Reply, LastLinesCodeCountsAndConflictsAreSeen) {
  auto replies = parse_all("250-a\r\n251 b\r\n250-a\r\n550-b\r\n250 c\r\n450-a\r\n550 b\r\n", 100);
  EXPECT_EQ(replies.at(0).code, 251);
  EXPECT_FALSE(replies[0].conflict);
  EXPECT_EQ(replies[1].code, 550);
  EXPECT_TRUE(replies[1].conflict);
  EXPECT_EQ(replies[2].code, 550);
  EXPECT_TRUE(replies[2].conflict);
}

TEST(Reply, NotReplies) {
  for (const char* text : {"600 x\r\n", "099 x\r\n", "25\r\n", "2500 x\r\n", "OK\r\n", "\r\n",
                           "250x\r\n", "2 5 0\r\n", "\x16\x03\x01"}) {
    for (size_t step : {1, 100}) {
      bool bad = false;
      parse_all(text, step, &bad);
      EXPECT_TRUE(bad) << text;
    }
  }
}

TEST(Reply, Caps) {
  bool bad = false;
  auto replies = parse_all("250 " + std::string(60000, 'x') + "\r\n", 1000, &bad);
  ASSERT_FALSE(bad);
  EXPECT_EQ(replies.at(0).text.size(), 1024u);
  parse_all("250 " + std::string(66000, 'x'), 1000, &bad);
  EXPECT_TRUE(bad);
  std::string lines;
  for (int i = 0; i < 511; ++i) lines += "250-x\r\n";
  bad = false;
  EXPECT_EQ(parse_all(lines + "250 x\r\n", 4096, &bad).size(), 1u);
  EXPECT_FALSE(bad);
  parse_all(lines + "250-x\r\n250 x\r\n", 4096, &bad);
  EXPECT_TRUE(bad);
}

TEST(Reply, TextIsSanitised) {
  auto replies = parse_all(std::string_view("250 a\0b\x1b[31m\x07\r\n", 15), 100);
  ASSERT_EQ(replies.size(), 1u);
  for (const char c : replies[0].text) EXPECT_GE(c, 0x20);
}

TEST(Reply, LongTextKeepsBothEnds) {
  std::string bytes;
  for (int i = 0; i < 100; ++i) bytes += "550-filler filler filler filler\r\n";
  bytes += "550 https://example.net/case?c=r1234\r\n";
  const auto replies = parse_all(bytes, 4096);
  EXPECT_NE(replies.at(0).text.find("c=r1234"), std::string::npos);
  EXPECT_LE(replies[0].text.size(), 1024u);
}

}  // namespace
}  // namespace volley::smtp
