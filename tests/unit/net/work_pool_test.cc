#include "base/net/work_pool.h"

#include <atomic>
#include <thread>

#include "tests/unit/net/net_fixture.h"

namespace volley::net {
namespace {

TEST(WorkPool, WorkElsewhereDoneHere) {
  Loop loop;
  const auto here = std::this_thread::get_id();
  std::thread::id worked_on, done_on;
  int result = 0;
  WorkPool::submit(
      loop,
      [&] {
        worked_on = std::this_thread::get_id();
        result = 42;
      },
      [&] { done_on = std::this_thread::get_id(); });
  ASSERT_TRUE(run_until(loop, [&] { return done_on != std::thread::id(); }));
  EXPECT_EQ(done_on, here);
  EXPECT_NE(worked_on, here);
  EXPECT_EQ(result, 42);
}

TEST(WorkPool, DestroyingTheLoopWaitsAndDropsTheAnswers) {
  std::atomic<int> worked{0};
  int answered = 0;
  {
    Loop loop;
    for (int i = 0; i < 100; ++i) {
      WorkPool::submit(
          loop, [&] { ++worked; }, [&] { ++answered; });
    }
  }
  EXPECT_EQ(worked, 100);
  EXPECT_EQ(answered, 0);
}

TEST(WorkPool, DoneMaySubmitAgain) {
  Loop loop;
  int rounds = 0;
  std::function<void()> again = [&] {
    if (++rounds < 5)
      WorkPool::submit(
          loop, [] {}, again);
  };
  WorkPool::submit(
      loop, [] {}, again);
  ASSERT_TRUE(run_until(loop, [&] { return rounds == 5; }));
}

}  // namespace
}  // namespace volley::net
