#include "engine/sink/reply_queue.h"

#include <gtest/gtest.h>

namespace volley::sink {
namespace {

using namespace std::chrono_literals;

constexpr TimePoint kStart{};

TEST(ReplyQueue, KeepsTheOrderWhateverTheTimes) {
  ReplyQueue queue;
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.due(), kNever);
  queue.push("a", kStart + 30ms);
  queue.push("b", kStart + 10ms);  // drawn shorter, but behind
  queue.push("", kStart);
  queue.push("c", kStart + 40ms);
  EXPECT_EQ(queue.due(), kStart + 30ms);
  EXPECT_EQ(queue.take(kStart + 29ms), "");
  EXPECT_EQ(queue.take(kStart + 30ms), "ab");
  EXPECT_EQ(queue.due(), kStart + 40ms);
  EXPECT_EQ(queue.take(kStart + 1s), "c");
  EXPECT_TRUE(queue.empty());
}

TEST(ReplyQueue, DripsAndWhatFollowsWaits) {
  ReplyQueue queue;
  queue.push_drip("abcde", kStart + 10ms, 2, 5ms);
  queue.push("f", kStart + 11ms);
  EXPECT_EQ(queue.take(kStart + 10ms), "ab");
  EXPECT_EQ(queue.take(kStart + 12ms), "");
  EXPECT_EQ(queue.due(), kStart + 15ms);
  EXPECT_EQ(queue.take(kStart + 15ms), "cd");
  EXPECT_EQ(queue.take(kStart + 20ms), "ef");
  queue.push_drip("ghi", kStart, 1, 5ms);
  EXPECT_EQ(queue.take(kStart + 7ms), "gh");  // a late timer makes up for it
}

}  // namespace
}  // namespace volley::sink
