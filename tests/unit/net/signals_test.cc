#include "base/net/signals.h"

#include <unistd.h>

#include <csignal>

#include "tests/unit/net/net_fixture.h"

namespace volley::net {
namespace {

TEST(Signals, CalledOnTheLoop) {
  Loop loop;
  std::vector<int> seen;
  SignalWatcher watcher(loop, {SIGHUP, SIGUSR1}, [&](int number) { seen.push_back(number); });
  ::kill(::getpid(), SIGHUP);
  ASSERT_TRUE(run_until(loop, [&] { return seen.size() == 1; }));
  ::kill(::getpid(), SIGUSR1);
  ASSERT_TRUE(run_until(loop, [&] { return seen.size() == 2; }));
  EXPECT_EQ(seen, (std::vector<int>{SIGHUP, SIGUSR1}));
}

TEST(Signals, DestroyedInItsCallback) {
  Loop loop;
  std::unique_ptr<SignalWatcher> watcher;
  int calls = 0;
  // A second watcher keeps the signal from ending the process once the first has gone.
  SignalWatcher keeper(loop, {SIGUSR1}, [](int) {});
  watcher = std::make_unique<SignalWatcher>(loop, std::initializer_list<int>{SIGUSR1}, [&](int) {
    watcher.reset();
    ++calls;
  });
  ::kill(::getpid(), SIGUSR1);
  ASSERT_TRUE(run_until(loop, [&] { return calls == 1; }));
  ::kill(::getpid(), SIGUSR1);
  idle_turns(loop, 10);
  EXPECT_EQ(calls, 1);
}

TEST(Signals, BrokenPipeIsOnlyAnError) {
  ignore_sigpipe();
  int pipe[2];
  ASSERT_EQ(::pipe(pipe), 0);
  ::close(pipe[0]);
  EXPECT_EQ(::write(pipe[1], "x", 1), -1);
  EXPECT_EQ(errno, EPIPE);
  ::close(pipe[1]);
}

}  // namespace
}  // namespace volley::net
