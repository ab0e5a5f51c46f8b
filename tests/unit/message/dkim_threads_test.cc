#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "engine/message/dkim.h"

namespace volley::message {
namespace {

TEST(Sign, ManyThreadsWithOneKey) {
  const auto key = DkimKey::generate(DkimAlgorithm::kRsaSha256, 1024);
  ASSERT_TRUE(key.ok());
  const std::string expected = *key->sign("x:1");
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 50; ++i) EXPECT_EQ(*key->sign("x:1"), expected);
    });
  }
  for (auto& thread : threads) thread.join();
}

}  // namespace
}  // namespace volley::message
