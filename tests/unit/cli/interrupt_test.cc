#include "engine/cli/interrupt.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <thread>

namespace volley::cli {
namespace {

// Each in a process of its own: what a signal has changed stays.
class InterruptDeathTest : public ::testing::Test {
 protected:
  void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

TEST_F(InterruptDeathTest, TheFirstSignalAsksTheSecondEnds) {
  EXPECT_EXIT(
      {
        watch_interrupts();
        raise(SIGINT);
        if (!interrupted() || interrupted_twice()) _exit(1);
        raise(SIGTERM);
        _exit(2);
      },
      testing::ExitedWithCode(75), "");
}

TEST_F(InterruptDeathTest, WhoWaitsForTheSecondGetsIt) {
  EXPECT_EXIT(
      {
        watch_interrupts();
        SecondInterrupt second;
        raise(SIGINT);
        raise(SIGINT);
        _exit(second.wait() && interrupted_twice() ? 0 : 1);
      },
      testing::ExitedWithCode(0), "");
}

TEST_F(InterruptDeathTest, TheThirdEndsItAllTheSame) {
  EXPECT_EXIT(
      {
        watch_interrupts();
        SecondInterrupt second;
        for (int i = 0; i < 3; ++i) raise(SIGHUP);
        _exit(2);
      },
      testing::ExitedWithCode(75), "");
}

TEST_F(InterruptDeathTest, AWaitCanBeCancelled) {
  EXPECT_EXIT(
      {
        watch_interrupts();
        SecondInterrupt second;
        raise(SIGINT);
        bool came = true;
        std::thread waiting([&] { came = second.wait(); });
        second.cancel();
        waiting.join();
        _exit(came ? 1 : 0);
      },
      testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace volley::cli
