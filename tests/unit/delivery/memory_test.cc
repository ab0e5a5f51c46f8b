#include "engine/delivery/memory.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <string>

#include "engine/delivery/hosts.h"

namespace volley::delivery {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

const WallTime kNow = from_ms(1'700'000'000'000);
const std::string kHost = "mx.example.net:25";
const std::string kSite = "relay";

TEST(HostMemory, EachFactHasItsTerm) {
  HostMemory memory;
  EXPECT_TRUE(memory.learn(kHost, smtp::kNoPipelining | smtp::kNoTls, kNow));
  EXPECT_FALSE(memory.learn(kHost, smtp::kNoPipelining, kNow));
  EXPECT_EQ(memory.facts(kHost, kNow).quirks, smtp::kNoPipelining | smtp::kNoTls);
  EXPECT_EQ(memory.facts(kHost, kNow + hours(2)).quirks, smtp::kNoPipelining);
  EXPECT_EQ(memory.facts(kHost, kNow + hours(200)).quirks, 0);
  EXPECT_EQ(memory.facts("mx.example.org:25", kNow).quirks, 0);
  EXPECT_TRUE(memory.learn(kHost, smtp::kNoTls, kNow + hours(2)));  // news again
}

TEST(HostMemory, ClosedTwiceAfterTheSameNumberIsALimit) {
  HostMemory memory;
  memory.closed_after(kHost, 20, kNow);
  EXPECT_EQ(memory.facts(kHost, kNow).messages, 0u);
  memory.closed_after(kHost, 7, kNow);
  memory.closed_after(kHost, 20, kNow);
  EXPECT_EQ(memory.facts(kHost, kNow).messages, 0u);
  memory.closed_after(kHost, 20, kNow);
  EXPECT_EQ(memory.facts(kHost, kNow).messages, 20u);
  EXPECT_EQ(memory.facts(kHost, kNow + hours(25)).messages, 0u);
}

TEST(HostMemory, TheSmallestNumberOfRecipientsCounts) {
  HostMemory memory;
  memory.takes_recipients(kHost, 50, kNow);
  memory.takes_recipients(kHost, 10, kNow);
  memory.takes_recipients(kHost, 30, kNow);
  memory.takes_recipients(kHost, 0, kNow);
  EXPECT_EQ(memory.facts(kHost, kNow).recipients, 10u);
}

TEST(HostMemory, ATarpitIsRememberedForAnHour) {
  HostMemory memory, after;
  EXPECT_TRUE(memory.tarpit(kHost, kNow));
  EXPECT_FALSE(memory.tarpit(kHost, kNow + minutes(30)));
  EXPECT_TRUE(memory.facts(kHost, kNow + minutes(89)).tarpit);
  EXPECT_FALSE(memory.facts(kHost, kNow + minutes(90)).tarpit);
  ASSERT_TRUE(after.load(memory.to_json(kNow + minutes(31)), kNow + minutes(31)).ok());
  EXPECT_TRUE(after.facts(kHost, kNow + minutes(89)).tarpit);
}

TEST(Host, IsATarpitOnAverage) {
  using std::chrono::seconds;
  Host host;
  EXPECT_FALSE(host.is_tarpit(seconds(300), 1));
  EXPECT_FALSE(host.is_tarpit(seconds(300), 1));  // two may be two spells of bad weather
  EXPECT_TRUE(host.is_tarpit(seconds(1), 1));
  EXPECT_TRUE(host.is_tarpit(seconds(1), 20));  // 602 s for 23
  EXPECT_FALSE(host.is_tarpit(seconds(1), 30));
  for (int i = 0; i < 9; ++i) EXPECT_FALSE(host.is_tarpit(seconds(21), 1)) << i;
  for (int i = 0; i < 60; ++i) (void)host.is_tarpit(seconds(21), 1);
  EXPECT_TRUE(host.is_tarpit(seconds(21), 1));  // what was long ago counts no more
}

TEST(HostMemory, AProofIsTakenBack) {
  HostMemory memory;
  memory.proven(kHost, kNow);
  EXPECT_TRUE(memory.facts(kHost, kNow).proven);
  EXPECT_FALSE(memory.facts(kHost, kNow + hours(24 * 8)).proven);
  memory.disproven(kHost);
  EXPECT_FALSE(memory.facts(kHost, kNow).proven);
}

TEST(HostMemory, IsTheSameAfterARestart) {
  HostMemory memory, again;
  memory.learn(kHost, smtp::kNeedsRset | smtp::kNoChunking, kNow);
  memory.closed_after(kHost, 20, kNow);
  memory.closed_after(kHost, 20, kNow);
  memory.takes_recipients(kHost, 10, kNow);
  memory.proven("mx.example.org:25", kNow);
  memory.learn("over.example.org:25", smtp::kNoTls, kNow - hours(3));
  ASSERT_TRUE(again.load(memory.to_json(kNow), kNow).ok());
  EXPECT_EQ(again.size(), 2u);
  const HostFacts facts = again.facts(kHost, kNow);
  EXPECT_EQ(facts.quirks, smtp::kNeedsRset | smtp::kNoChunking);
  EXPECT_EQ(facts.messages, 20u);
  EXPECT_EQ(facts.recipients, 10u);
  EXPECT_TRUE(again.facts("mx.example.org:25", kNow).proven);
}

TEST(HostMemory, AClockThatWasSetBackDoesNotMakeItLastForever) {
  HostMemory memory, again;
  memory.learn(kHost, smtp::kNoTls, kNow + hours(24 * 365));
  ASSERT_TRUE(again.load(memory.to_json(kNow), kNow).ok());
  EXPECT_EQ(again.facts(kHost, kNow).quirks, smtp::kNoTls);
  EXPECT_EQ(again.facts(kHost, kNow + hours(2)).quirks, 0);
}

TEST(HostMemory, NonsenseIsPassedOver) {
  HostMemory memory;
  EXPECT_FALSE(memory.load("[]", kNow).ok());
  EXPECT_FALSE(memory.load("{", kNow).ok());
  ASSERT_TRUE(memory
                  .load(R"({"a":1,"b":{"no_tls":7},"c":{"no_tls":{"until":"x"}},
                            "d":{"messages":{"limit":"many","until":9999999999999}}})",
                        kNow)
                  .ok());
  EXPECT_EQ(memory.size(), 0u);
}

TEST(DailyQuota, CountsTheLastTwentyFourHours) {
  DailyQuota quota;
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(quota.take(kSite, 3, kNow));
  EXPECT_FALSE(quota.take(kSite, 3, kNow));
  EXPECT_EQ(quota.used(kSite, kNow), 3u);
  EXPECT_TRUE(quota.take("another", 3, kNow));
  EXPECT_FALSE(quota.take(kSite, 3, kNow + hours(23)));
  const WallTime next = quota.next(kSite, 3, kNow);
  EXPECT_GT(next, kNow + hours(24));
  EXPECT_LE(next, kNow + hours(25));
  EXPECT_FALSE(quota.take(kSite, 3, next - minutes(1)));
  EXPECT_TRUE(quota.take(kSite, 3, next));
  EXPECT_EQ(quota.next(kSite, 3, next), next);
  EXPECT_EQ(quota.used(kSite, next + hours(100)), 0u);
}

TEST(DailyQuota, WhatWasNotSentIsGivenBack) {
  DailyQuota quota;
  EXPECT_TRUE(quota.take(kSite, 1, kNow));
  EXPECT_FALSE(quota.take(kSite, 1, kNow));
  quota.give_back(kSite, kNow);
  quota.give_back(kSite, kNow);
  EXPECT_TRUE(quota.take(kSite, 1, kNow));
  EXPECT_FALSE(quota.take(kSite, 1, kNow));
}

TEST(DailyQuota, AClockSetBackGivesNothingAway) {
  DailyQuota quota;
  EXPECT_TRUE(quota.take(kSite, 1, kNow));
  EXPECT_FALSE(quota.take(kSite, 1, kNow - hours(48)));
}

TEST(DailyQuota, IsTheSameAfterARestart) {
  DailyQuota quota, again;
  EXPECT_FALSE(quota.changed());
  quota.take(kSite, 10, kNow);
  quota.take(kSite, 10, kNow + hours(1));
  EXPECT_TRUE(quota.changed());
  ASSERT_TRUE(again.load(quota.to_json()).ok());
  EXPECT_FALSE(quota.changed());
  EXPECT_EQ(again.used(kSite, kNow + hours(1)), 2u);
  EXPECT_EQ(again.used(kSite, kNow + hours(25)), 1u);
  EXPECT_FALSE(again.load("7").ok());
  EXPECT_TRUE(again.load(R"({"x":{"newest":1,"hours":[1]},"y":[]})").ok());
  EXPECT_EQ(again.used("x", kNow), 0u);
}

class MemoryFile : public ::testing::Test {
 protected:
  MemoryFile() {
    char name[] = "/tmp/volley-memory-XXXXXX";
    directory_ = ::mkdtemp(name);
    path_ = directory_ + "/learned.json";
  }
  ~MemoryFile() override {
    ::unlink(path_.c_str());
    ::rmdir(directory_.c_str());
  }
  std::string directory_, path_;
};

TEST_F(MemoryFile, KeepsBothParts) {
  {
    Memory memory;
    ASSERT_TRUE(memory.load(path_, kNow).ok());
    memory.hosts.learn(kHost, smtp::kNeedsRset, kNow);
    memory.quota.take(kSite, 10, kNow);
    ASSERT_TRUE(memory.save(kNow).ok());
  }
  struct stat file {};
  ASSERT_EQ(::stat(path_.c_str(), &file), 0);
  EXPECT_EQ(file.st_mode & 0777u, 0600u);
  Memory again;
  ASSERT_TRUE(again.load(path_, kNow).ok());
  EXPECT_EQ(again.hosts.facts(kHost, kNow).quirks, smtp::kNeedsRset);
  EXPECT_EQ(again.quota.used(kSite, kNow), 1u);
}

TEST_F(MemoryFile, ADamagedFileIsReportedAndReplaced) {
  std::ofstream(path_) << "{\"hosts\":";
  Memory memory;
  const Status loaded = memory.load(path_, kNow);
  ASSERT_FALSE(loaded.ok());
  EXPECT_NE(loaded.error().message.find(path_), std::string::npos);
  ASSERT_TRUE(memory.save(kNow).ok());
  Memory again;
  EXPECT_TRUE(again.load(path_, kNow).ok());
}

TEST_F(MemoryFile, DailyCountsAreWrittenSooner) {
  Memory memory;
  ASSERT_TRUE(memory.load(path_, kNow).ok());
  TimePoint now{hours(1)};
  EXPECT_TRUE(memory.due(now));
  EXPECT_FALSE(memory.due(now + std::chrono::seconds(30)));
  memory.quota.take(kSite, 10, kNow);
  EXPECT_TRUE(memory.due(now + std::chrono::seconds(30)));
  EXPECT_FALSE(memory.due(now + std::chrono::seconds(30)));
  ASSERT_TRUE(memory.save(kNow).ok());
  EXPECT_TRUE(memory.due(now + std::chrono::minutes(2)));
}

}  // namespace
}  // namespace volley::delivery
