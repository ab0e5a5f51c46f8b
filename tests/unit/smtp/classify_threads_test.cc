#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "engine/smtp/classify.h"

namespace volley::smtp {
namespace {

// Compiled for whoever comes first; the others wait for it.
TEST(Classify, ManyThreadsMayBeTheFirst) {
  const Classifier classifier;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (const char* provider : {"", "google", "yahoo"}) {
        Reply reply;
        reply.code = 550;
        reply.text = "5.1.1 no such user";
        EXPECT_TRUE(classifier.classify(reply, Stage::kRcpt, provider).bounce()) << provider;
      }
    });
  }
  for (auto& thread : threads) thread.join();
}

}  // namespace
}  // namespace volley::smtp
