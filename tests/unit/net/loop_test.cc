#include "base/net/loop.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "tests/unit/net/net_fixture.h"

namespace volley::net {
namespace {

struct Recorder {
  std::vector<std::string> lines;
};

struct Hook : TurnHook {
  Hook(Recorder& r, std::string n) : recorder(r), name(std::move(n)) {}
  void on_turn_end() override {
    recorder.lines.push_back(name);
    if (then) then();
  }
  Recorder& recorder;
  std::string name;
  std::function<void()> then;
};

struct Entry : FlushEntry {
  Entry(Recorder& r, std::string n) : recorder(r), name(std::move(n)) {}
  bool on_flush() override {
    recorder.lines.push_back("flush " + name);
    return static_cast<bool>(then);
  }
  void on_flushed() override {
    recorder.lines.push_back("flushed " + name);
    then();
  }
  Recorder& recorder;
  std::string name;
  std::function<void()> then;
};

TEST(Loop, JournalBeforeAnyFlush) {
  Loop loop;
  Recorder recorder;
  Hook journal(recorder, "journal"), flush(recorder, "flush hook");
  Entry a(recorder, "a"), b(recorder, "b");
  loop.add_turn_hook(Phase::kFlush, flush);
  loop.add_turn_hook(Phase::kJournal, journal);
  loop.post([&] {
    loop.request_flush(a);
    loop.request_flush(b);
    loop.request_flush(a);
    loop.stop();
  });
  loop.run_once(true);  // ends with a turn's end
  const auto first = std::find(recorder.lines.begin(), recorder.lines.end(), "flush a");
  ASSERT_NE(first, recorder.lines.end());
  ASSERT_GE(first - recorder.lines.begin(), 2);
  EXPECT_EQ(*(first - 2), "journal");
  EXPECT_EQ(*(first - 1), "flush hook");
  EXPECT_EQ(*(first + 1), "flush b");
  EXPECT_EQ(std::count(recorder.lines.begin(), recorder.lines.end(), "flush a"), 1);
  loop.remove_turn_hook(journal);
  loop.remove_turn_hook(flush);
}

TEST(Loop, WhatAFlushMakesDirtyWaitsForTheNextJournal) {
  Loop loop;
  Recorder recorder;
  Hook journal(recorder, "journal");
  Entry a(recorder, "a"), b(recorder, "b");
  loop.add_turn_hook(Phase::kJournal, journal);
  // b is waiting for its own on_flushed() when a makes it dirty again.
  b.then = [] {};
  a.then = [&] { loop.request_flush(b); };
  loop.request_flush(a);
  loop.request_flush(b);
  loop.run_once(false);
  loop.run_once(false);
  std::vector<std::string> seen;
  for (const std::string& line : recorder.lines) {
    if (line != "journal" || seen.empty() || seen.back() != "journal") seen.push_back(line);
  }
  const std::vector<std::string> expected{"journal",   "flush a", "flush b", "flushed a",
                                          "flushed b", "journal", "flush b", "flushed b"};
  seen.resize(std::min(seen.size(), expected.size()));
  EXPECT_EQ(seen, expected);
  loop.remove_turn_hook(journal);
}

TEST(Loop, DirtyLoopDoesNotBlock) {
  Loop loop;
  Recorder recorder;
  Entry a(recorder, "a");
  int left = 3;
  a.then = [&] {
    if (--left > 0) {
      loop.request_flush(a);
    } else {
      loop.stop();
    }
  };
  loop.request_flush(a);
  loop.run();  // would hang if a turn blocked
  EXPECT_EQ(left, 0);
}

TEST(Loop, EntryLeavesWhenDestroyed) {
  Loop loop;
  Recorder recorder;
  Entry a(recorder, "a");
  auto b = std::make_unique<Entry>(recorder, "b");
  b->then = [] {};
  a.then = [&] { b.reset(); };
  loop.request_flush(a);
  loop.request_flush(*b);
  loop.run_once(false);
  EXPECT_EQ(recorder.lines, (std::vector<std::string>{"flush a", "flush b", "flushed a"}));
}

TEST(Loop, HookMayRemoveItself) {
  Loop loop;
  Recorder recorder;
  Hook one(recorder, "one"), two(recorder, "two");
  one.then = [&] { loop.remove_turn_hook(one); };
  loop.add_turn_hook(Phase::kJournal, one);
  loop.add_turn_hook(Phase::kJournal, two);
  loop.run_once(false);
  loop.run_once(false);
  EXPECT_EQ(std::count(recorder.lines.begin(), recorder.lines.end(), "one"), 1);
  EXPECT_GE(std::count(recorder.lines.begin(), recorder.lines.end(), "two"), 2);
  loop.remove_turn_hook(two);
}

TEST(Loop, PostFromFourThreadsKeepsEachOnesOrder) {
  Loop loop;
  constexpr int kPosts = 5000;
  std::vector<int> next(4, 0);  // touched by the loop's thread only
  int total = 0;
  bool ordered = true;
  std::vector<std::thread> threads;
  for (size_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kPosts; ++i) {
        loop.post([&, t, i] {
          ordered = ordered && next[t] == i;
          ++next[t];
          if (++total == 4 * kPosts) loop.stop();
        });
      }
    });
  }
  loop.run();
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(total, 4 * kPosts);
  EXPECT_TRUE(ordered);
}

TEST(Loop, StopFromAnotherThreadAndBeforeRun) {
  Loop loop;
  std::thread stopper([&] { loop.stop(); });
  loop.run();
  stopper.join();
  loop.stop();
  loop.run();
}

TEST(Loop, PostedButNeverRunIsDestroyed) {
  auto token = std::make_shared<int>(1);
  {
    Loop loop;
    loop.post([token] { FAIL(); });
  }
  EXPECT_EQ(token.use_count(), 1);
}

TEST(Loop, NowStandsStillWithinATurnAndMovesBetween) {
  Loop loop;
  TimePoint first, second, later;
  loop.post([&] {
    first = loop.now();
    const TimePoint start = monotonic_now();
    while (monotonic_now() - start < std::chrono::milliseconds(2)) {
    }
    second = loop.now();
    loop.post([&] {
      later = loop.now();
      loop.stop();
    });
  });
  loop.run();
  EXPECT_EQ(first, second);
  EXPECT_GE(later - first, std::chrono::milliseconds(2));
}

TEST(Loop, ObserverCountsWorkAndNotWaiting) {
  Loop loop;
  Duration longest(0);
  int turns = 0;
  loop.set_turn_observer([&](Duration worked) {
    ++turns;
    longest = std::max(longest, worked);
  });
  Timer timer(loop, [&] {
    const TimePoint start = monotonic_now();
    while (monotonic_now() - start < std::chrono::milliseconds(5)) {
    }
    loop.post([&] { loop.stop(); });
  });
  timer.set_after(std::chrono::milliseconds(300));
  loop.run();
  EXPECT_GE(turns, 2);
  EXPECT_GE(longest, std::chrono::milliseconds(5));
  EXPECT_LT(longest, std::chrono::milliseconds(300)) << "waiting counted as work";
}

TEST(LoopDeathTest, LeakedHandleAborts) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        auto loop = std::make_unique<Loop>();
        auto* leaked = new Timer(*loop, [] {});
        leaked->set_after(std::chrono::hours(1));
        loop.reset();
      },
      "destroyed with open handles");
}

}  // namespace
}  // namespace volley::net
