#include "base/net/timer.h"

#include "tests/unit/net/net_fixture.h"

namespace volley::net {
namespace {

using namespace std::chrono_literals;

TEST(Timer, NeverEarlyAndInOrder) {
  Loop loop;
  std::vector<int> order;
  bool early = false;
  const TimePoint start = loop.now();
  Timer b(loop, [&] {
    early = early || loop.now() < start + 3700us;
    order.push_back(2);
  });
  Timer a(loop, [&] {
    early = early || loop.now() < start + 1300us;
    order.push_back(1);
  });
  b.set(start + 3700us);
  a.set(start + 1300us);
  EXPECT_TRUE(a.armed());
  EXPECT_EQ(a.when(), start + 1300us);
  ASSERT_TRUE(run_until(loop, [&] { return order.size() == 2; }));
  EXPECT_EQ(order, (std::vector<int>{1, 2}));
  EXPECT_FALSE(early);
  EXPECT_FALSE(a.armed());
}

TEST(Timer, AClockThatSkipsSetsOffWhatWasDue) {
  Loop loop;
  std::vector<int> order;
  Timer later(loop, [&] { order.push_back(3); });
  Timer second(loop, [&] { order.push_back(2); });
  Timer first(loop, [&] { order.push_back(1); });
  const TimePoint start = loop.now();
  later.set(start + 3h);
  second.set(start + 20min);
  first.set(start + 10min);
  loop.skip(15min);
  EXPECT_GE(loop.now(), start + 15min);
  ASSERT_TRUE(run_until(loop, [&] { return !order.empty(); }));
  EXPECT_EQ(order, (std::vector<int>{1}));
  loop.skip(5min);
  ASSERT_TRUE(run_until(loop, [&] { return order.size() == 2; }));
  EXPECT_EQ(order, (std::vector<int>{1, 2}));
  EXPECT_TRUE(later.armed());
}

TEST(Timer, SetAgainInItsOwnCallback) {
  Loop loop;
  int fired = 0;
  std::unique_ptr<Timer> timer;
  timer = std::make_unique<Timer>(loop, [&] {
    if (++fired < 5) timer->set(loop.now() - 1s);  // the past: soon, and not for ever in this turn
  });
  timer->set_after(0ns);
  ASSERT_TRUE(run_until(loop, [&] { return fired == 5; }));
  EXPECT_FALSE(timer->armed());
}

TEST(Timer, DestroyedInItsOwnCallback) {
  Loop loop;
  std::unique_ptr<Timer> timer;
  const auto token = std::make_shared<int>(0);
  bool fired = false;
  timer = std::make_unique<Timer>(loop, [&, token] {
    timer.reset();
    fired = *token == 0;  // the callback's own state is still there
  });
  timer->set_after(1ms);
  ASSERT_TRUE(run_until(loop, [&] { return fired; }));
}

TEST(Timer, CancelAndReplace) {
  Loop loop;
  int a_fired = 0, b_fired = 0;
  Timer a(loop, [&] { ++a_fired; });
  Timer b(loop, [&] { ++b_fired; });
  a.set_after(1ms);
  a.cancel();
  b.set_after(1h);
  b.set_after(2ms);
  ASSERT_TRUE(run_until(loop, [&] { return b_fired == 1; }));
  EXPECT_EQ(a_fired, 0);
  b.set_after(1ms);
  b.set(kNever);
  EXPECT_FALSE(b.armed());
  EXPECT_EQ(b.when(), kNever);
}

TEST(Timer, OneDestroysAnotherThatIsDue) {
  Loop loop;
  auto fired = std::make_unique<int>(0);
  std::unique_ptr<Timer> a, b;
  a = std::make_unique<Timer>(loop, [&] { ++*fired, b.reset(); });
  b = std::make_unique<Timer>(loop, [&] { ++*fired, a.reset(); });
  const TimePoint when = loop.now() + 1ms;
  a->set(when);
  b->set(when);
  ASSERT_TRUE(run_until(loop, [&] { return *fired > 0; }));
  idle_turns(loop);
  EXPECT_EQ(*fired, 1);
}

}  // namespace
}  // namespace volley::net
