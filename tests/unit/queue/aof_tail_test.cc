#include "queue/aof_tail.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <mutex>

#include "base/files.h"
#include "queue/embedded.h"
#include "tests/unit/queue/harness.h"

namespace volley::queue {
namespace {

using namespace testing;

std::string command(const std::vector<std::string>& words) {
  std::string out = "*" + std::to_string(words.size()) + "\r\n";
  for (const auto& w : words) out += "$" + std::to_string(w.size()) + "\r\n" + w + "\r\n";
  return out;
}

const std::string kPush = command({"RPUSH", "list", "a chunk\r\n*1\r\n$4\r\nEXEC\r\n"});
const std::string kSet = command({"SET", "y", "2"});
const std::string kCall = command({"MULTI"}) + kPush + kSet + command({"EXEC"});

TEST(AofTail, EveryPlaceWhereACallCanBeCut) {
  const std::string before = "#TS:1700000000\r\n" + kSet + kCall;
  EXPECT_EQ(torn_transaction(before), std::nullopt);
  EXPECT_EQ(torn_transaction(before + kCall), std::nullopt);
  const size_t begun = command({"MULTI"}).size();
  for (size_t size = 1; size < kCall.size(); ++size) {
    const auto torn = torn_transaction(before + kCall.substr(0, size));
    if (size < begun) {
      EXPECT_EQ(torn, std::nullopt) << size;  // no call has begun: the server takes that off itself
    } else {
      EXPECT_EQ(torn, std::optional(before.size())) << size;
    }
  }
}

TEST(AofTail, WhatIsDamagedOtherwiseIsLeftToPeople) {
  for (const char* damage : {"*x\r\n", "*1\r\n$3\r\nabcde", "*0\r\n", "junk", "*1\r\n*1\r\n"}) {
    EXPECT_EQ(torn_transaction(command({"MULTI"}) + damage), std::nullopt) << damage;
  }
  EXPECT_EQ(torn_transaction(command({"MULTI"}) + std::string(100, '\0')), std::nullopt);
}

TEST(AofTail, WantsARewrite) {
  const std::string on =
      "aof_enabled:1\r\naof_rewrite_in_progress:0\r\naof_rewrite_scheduled:0\r\n";
  const auto wants = [](const std::string& info) { return wants_rewrite(parse_info(info)); };
  EXPECT_TRUE(wants(on + "aof_last_rewrite_time_sec:-1\r\naof_last_bgrewrite_status:ok\r\n"));
  EXPECT_FALSE(wants(on + "aof_last_rewrite_time_sec:0\r\naof_last_bgrewrite_status:ok\r\n"));
  // It tried, and the disk was full.
  EXPECT_TRUE(wants(on + "aof_last_rewrite_time_sec:3\r\naof_last_bgrewrite_status:err\r\n"));
  EXPECT_FALSE(
      wants("aof_enabled:1\r\naof_rewrite_in_progress:1\r\naof_last_rewrite_time_sec:-1\r\n"));
  EXPECT_FALSE(wants("aof_enabled:0\r\naof_last_rewrite_time_sec:-1\r\n"));
  EXPECT_FALSE(wants(""));
}

TEST(AofTail, ARefusalNamesTheRemedy) {
  EXPECT_NE(renewal_refused("NOPERM this user has no permissions").find("BGREWRITEAOF"),
            std::string::npos);
  EXPECT_TRUE(
      renewal_refused("ERR Background append only file rewriting already in progress").empty());
}

// The last file of the server's that lies in `directory`.
std::string file_in(const std::string& directory) {
  std::string last;
  for (const auto& each : std::filesystem::directory_iterator(directory + "/appendonlydir")) {
    const std::string path = each.path();
    if (path.ends_with(".incr.aof")) last = std::max(last, path);
  }
  return last;
}

// As power leaves it: the call has begun to be written.
void tear(const std::string& directory) {
  const std::string path = file_in(directory);
  auto bytes = read_file(path);
  ASSERT_TRUE(bytes.ok()) << bytes.error().message;
  ASSERT_TRUE(
      write_file_atomically(path, *bytes + command({"MULTI"}) + kPush + kSet.substr(0, 9)).ok());
}

Command push_again() {
  Command command("EVAL");
  command.arg("redis.call('RPUSH', 'list', 'a chunk') redis.call('SET', 'y', '2')").arg("0");
  return command;
}

int64_t length(const QueueUrl& url) {
  auto connection = SyncConnection::connect(url, std::chrono::seconds(5));
  if (!connection) return -1;
  auto answer = connection->run(Command("LLEN").arg("list"), std::chrono::seconds(5));
  return answer ? answer->view().number() : -1;
}

TEST(AofTail, TheEmbeddedQueueForgetsWhatWasCutShort) {
  TemporaryDirectory directory;
  EmbeddedOptions options;
  options.data_directory = directory.path();
  std::mutex mutex;
  std::string said;
  options.on_event = [&](const std::string& text) {
    const std::lock_guard lock(mutex);
    said += text;
  };
  ASSERT_TRUE(Embedded::start(options).ok());
  tear(directory.path() + "/redis");
  {
    auto embedded = Embedded::start(options);
    ASSERT_TRUE(embedded.ok()) << embedded.error().message;
    {
      const std::lock_guard lock(mutex);
      EXPECT_NE(said.find("power went"), std::string::npos) << said;
    }
    auto connection = SyncConnection::connect((*embedded)->url(), std::chrono::seconds(5));
    ASSERT_TRUE(connection->run(push_again(), std::chrono::seconds(5)).ok());
  }
  auto embedded = Embedded::start(options);
  ASSERT_TRUE(embedded.ok()) << embedded.error().message;
  EXPECT_EQ(length((*embedded)->url()), 1);
}

TEST(AofTail, AnotherServerIsAskedToWriteItsFileAnew) {
  RedisServer redis({"--appendonly", "yes", "--appendfsync", "always"});
  (void)redis.store(1);
  redis.stop(SIGKILL);
  tear(redis.directory());
  redis.start();
  Engine engine(redis);
  const auto written = [&] {
    (void)engine.await<uint64_t>([&](auto done) { engine.door.global_revision(done); });
    auto connection = SyncConnection::connect(redis.url(), std::chrono::seconds(5));
    auto info = connection->run(Command("INFO").arg("persistence"), std::chrono::seconds(5));
    const std::string_view text = info->view().text();
    return text.find("aof_last_rewrite_time_sec:-1") == std::string_view::npos &&
           text.find("aof_rewrite_in_progress:0") != std::string_view::npos;
  };
  for (int rounds = 0; !written(); ++rounds) ASSERT_LT(rounds, 20000);
  {
    auto connection = SyncConnection::connect(redis.url(), std::chrono::seconds(5));
    ASSERT_TRUE(connection->run(push_again(), std::chrono::seconds(5)).ok());
  }
  redis.stop(SIGKILL);
  redis.start();
  EXPECT_EQ(length(redis.url()), 1);
}

// A user who may not ask for that is told what to do, and served all the same.
TEST(AofTail, AServerThatRefusesToRewriteIsUsedAllTheSame) {
  RedisServer redis({"--appendonly", "yes", "--appendfsync", "always"});
  redis.run({"ACL", "SETUSER", "mail", "on", ">secret", "~*", "+@all", "-bgrewriteaof"});
  QueueUrl url = redis.url();
  url.user = "mail";
  url.password = "secret";
  net::Loop loop;
  Door door(loop, url, "engine-1");
  bool answered = false;
  door.global_revision([&](const Result<uint64_t>& revision) { answered = revision.ok(); });
  net::Timer guard(loop, [&] { FAIL() << door.last_error(); });
  guard.set_after(std::chrono::seconds(20));
  while (!answered && !::testing::Test::HasFailure()) loop.run_once(true);
  EXPECT_TRUE(door.connected());
}

// It must start again though it dies before the new file is whole: the old one is then not the last.
TEST(AofTail, AServerThatDiesWhileItRewritesStartsAgain) {
  RedisServer redis(
      {"--appendonly", "yes", "--appendfsync", "always", "--rdb-key-save-delay", "100000"});
  (void)redis.store(1);
  redis.stop(SIGKILL);
  tear(redis.directory());
  redis.start();
  const std::string first = file_in(redis.directory());
  Engine engine(redis);
  for (int rounds = 0; file_in(redis.directory()) == first; ++rounds) {
    ASSERT_LT(rounds, 20000);
    (void)engine.await<uint64_t>([&](auto done) { engine.door.global_revision(done); });
  }
  redis.stop(SIGKILL);
  redis.start();
  EXPECT_GE(length(redis.url()), 0);
}

}  // namespace
}  // namespace volley::queue
