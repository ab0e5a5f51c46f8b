#include "base/fifo.h"

#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <string>

#include "base/random.h"

namespace volley {
namespace {

using Item = std::unique_ptr<std::string>;

Item item(int i) { return std::make_unique<std::string>("item " + std::to_string(i)); }

void expect_same(const Fifo<Item>& fifo, const std::deque<std::string>& model) {
  ASSERT_EQ(fifo.size(), model.size());
  ASSERT_EQ(fifo.empty(), model.empty());
  size_t i = 0;
  for (const Item& have : fifo) EXPECT_EQ(*have, model[i++]);
  if (model.empty()) return;
  EXPECT_EQ(*fifo.front(), model.front());
  EXPECT_EQ(*fifo.back(), model.back());
}

TEST(FifoTest, IsADequeToWhoeverUsesIt) {
  Random random(7);
  Fifo<Item> fifo;
  std::deque<std::string> model;
  for (int i = 0; i < 20'000; ++i) {
    const uint64_t what = random.below(100);
    if (what < 50) {
      fifo.push_back(item(i));
      model.push_back("item " + std::to_string(i));
    } else if (what < 90 && !model.empty()) {
      fifo.pop_front();
      model.pop_front();
    } else if (what < 98 && !model.empty()) {
      const auto at = static_cast<std::ptrdiff_t>(random.below(model.size()));
      fifo.erase(fifo.begin() + at);
      model.erase(model.begin() + at);
    } else if (what == 99 && random.below(10) == 0) {
      fifo.clear();
      model.clear();
    }
    ASSERT_NO_FATAL_FAILURE(expect_same(fifo, model));
  }
}

TEST(FifoTest, WhatIsPoppedIsGone) {
  Fifo<std::shared_ptr<int>> fifo;
  const auto first = std::make_shared<int>(1), second = std::make_shared<int>(2);
  fifo.push_back(first);
  fifo.push_back(second);
  fifo.pop_front();
  EXPECT_EQ(first.use_count(), 1);
  EXPECT_EQ(second.use_count(), 2);
}

// A connection that is never quite idle must not grow.
TEST(FifoTest, TakesNoMoreRoomThanThereWereAtOnce) {
  Fifo<int> fifo;
  for (int i = 0; i < 3; ++i) fifo.push_back(i);
  const int* first = &fifo.front();
  size_t moved = 0;
  for (int i = 3; i < 10'000; ++i) {
    fifo.pop_front();
    fifo.push_back(i);
    EXPECT_EQ(fifo.front(), i - 2);
    moved += &fifo.front() < first || &fifo.front() > first + 8;
  }
  EXPECT_LE(moved, 1);  // from the first, smaller room
  EXPECT_EQ(fifo.size(), 3u);
}

}  // namespace
}  // namespace volley
