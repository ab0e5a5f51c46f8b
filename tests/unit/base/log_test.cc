#include "base/log.h"

#include <gtest/gtest.h>

namespace volley {
namespace {

class Log : public testing::Test {
 protected:
  ~Log() override { set_log_level(LogLevel::kInfo); }
};

TEST_F(Log, WritesLinesToStandardErrorByLevel) {
  set_log_level(LogLevel::kWarn);
  testing::internal::CaptureStderr();
  log_debug("hidden debug");
  log_info("hidden info");
  log_warn("shown {} warning");
  log_error("shown error");
  const std::string text = testing::internal::GetCapturedStderr();
  EXPECT_EQ(text.find("hidden"), std::string::npos);
  EXPECT_NE(text.find("warning shown {} warning\n"), std::string::npos) << text;
  EXPECT_NE(text.find("error shown error\n"), std::string::npos) << text;
}

TEST_F(Log, OffIsSilent) {
  set_log_level(LogLevel::kOff);
  testing::internal::CaptureStderr();
  log_error("nothing");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TEST_F(Log, LevelsByName) {
  LogLevel level = LogLevel::kInfo;
  EXPECT_TRUE(parse_log_level("debug", level));
  EXPECT_EQ(level, LogLevel::kDebug);
  EXPECT_TRUE(parse_log_level("off", level));
  EXPECT_EQ(level, LogLevel::kOff);
  EXPECT_FALSE(parse_log_level("loud", level));
  EXPECT_EQ(level, LogLevel::kOff);
}

TEST(Sanitize, LeavesNothingThatMovesTheCursor) {
  EXPECT_EQ(sanitize("250 ok"), "250 ok");
  EXPECT_EQ(sanitize("a\r\nb\tc\x1b[31m\x7f"), "a??b?c?[31m?");
  EXPECT_EQ(sanitize(std::string("a\0b", 3)), "a?b");
  EXPECT_EQ(sanitize("gr\xC3\xBC\xC3\x9F"), "gr\xC3\xBC\xC3\x9F");
  EXPECT_EQ(sanitize("bad \xC3 byte \xFF"), "bad ? byte ?");
  EXPECT_EQ(sanitize("c1 \xC2\x9B"), "c1 ?");
  EXPECT_EQ(sanitize("rtl \xE2\x80\xAE"), "rtl ?");
}

TEST(Sanitize, CapsWithoutCuttingACharacter) {
  EXPECT_EQ(sanitize("abcdef", 3), "abc");
  EXPECT_EQ(sanitize("ab\xC3\xBC", 3), "ab");
  EXPECT_EQ(sanitize("ab\xC3\xBC", 4), "ab\xC3\xBC");
  EXPECT_EQ(sanitize(std::string(2000, 'x')).size(), 1024u);
}

}  // namespace
}  // namespace volley
