#include "engine/cli/last_words.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

namespace volley::cli {
namespace {

Summary half_way() {
  Summary s;
  s.campaign.id = "november";
  s.campaign.state = queue::CampaignState::kRunning;
  s.counts.accepted = 10;
  s.counts.delivered = 4;
  s.counts.queued = 6;
  s.read = 10;
  return s;
}

[[noreturn]] void hang() {
  for (;;) pause();
}

// The words go to standard error, which is what a death test can read.
class LastWordsDeathTest : public ::testing::Test {
 protected:
  void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

TEST_F(LastWordsDeathTest, ACommandThatHangsHasThemSaidForIt) {
  EXPECT_EXIT(
      {
        watch_interrupts();
        LastWords words(true, stderr);
        words.know(half_way());
        raise(SIGINT);
        raise(SIGINT);
        hang();
      },
      testing::ExitedWithCode(75),
      R"("state":"running","reason":"interrupted: these are the last known counts","read":10,"accepted":10,.*"delivered":4,)"
      R"(.*"queued":6,)");
}

TEST_F(LastWordsDeathTest, WhatWasSaidIsNotSaidAgain) {
  EXPECT_EXIT(
      {
        watch_interrupts();
        LastWords words(true, stderr);
        words.know(half_way());
        raise(SIGINT);
        Summary paused = half_way();
        paused.campaign.state = queue::CampaignState::kPaused;
        if (!words.say(paused, 74)) _exit(1);
        raise(SIGINT);
        hang();
      },
      testing::ExitedWithCode(74), "^\\{\"id\":\"november\",\"state\":\"paused\"[^\n]*\n$");
}

TEST_F(LastWordsDeathTest, BeforeTheImportNothingIsOwed) {
  EXPECT_EXIT(
      {
        watch_interrupts();
        LastWords words(true, stderr);
        raise(SIGINT);
        raise(SIGINT);
        hang();
      },
      testing::ExitedWithCode(75), "^$");
}

TEST_F(LastWordsDeathTest, ACommandThatEndsByItselfIsLetThrough) {
  EXPECT_EXIT(
      {
        watch_interrupts();
        {
          LastWords words(false, stderr);
          words.know(half_way());
          raise(SIGINT);
          raise(SIGINT);
          if (!words.say(half_way(), 75)) _exit(1);
        }
        _exit(3);
      },
      testing::ExitedWithCode(3), "campaign november: running");
}

TEST(LastWords, WhatCannotBeWrittenIsAnError) {
  std::FILE* full = std::fopen("/dev/full", "w");
  ASSERT_NE(full, nullptr);
  LastWords words(true, full);
  EXPECT_EQ(words.say(half_way(), 0).error().code, Errc::kIo);
  std::fclose(full);
}

}  // namespace
}  // namespace volley::cli
