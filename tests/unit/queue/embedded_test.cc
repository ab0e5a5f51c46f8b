#include "queue/embedded.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <condition_variable>
#include <fstream>
#include <mutex>

#include "base/files.h"
#include "queue/embedded_child.h"
#include "tests/unit/queue/harness.h"

namespace volley::queue {
namespace {

using namespace testing;

EmbeddedOptions options_in(const TemporaryDirectory& directory) {
  EmbeddedOptions options;
  options.data_directory = directory.path() + "/data \"with\" ünusual name";
  return options;
}

bool alive(int pid) { return ::kill(pid, 0) == 0; }

TEST(Embedded, StartStopAndFindEverythingAgain) {
  TemporaryDirectory directory;
  std::string socket;
  for (int run = 0; run < 2; ++run) {
    auto embedded = Embedded::start(options_in(directory));
    ASSERT_TRUE(embedded.ok()) << embedded.error().message;
    const QueueUrl& url = (*embedded)->url();
    EXPECT_LE(url.host_or_path.size(), 107u);
    socket = url.host_or_path;
    auto store = Store::open(url);
    ASSERT_TRUE(store.ok()) << store.error().message;
    EXPECT_TRUE((*store)->warnings().empty()) << (*store)->warnings()[0];
    Campaign wanted;
    wanted.id = "c";
    if (run == 0) {
      ASSERT_TRUE((*store)->create(wanted, "kept").ok());
    }
    EXPECT_EQ(*(*store)->content("c"), "kept");
    struct stat info {};
    ASSERT_EQ(::stat((options_in(directory).data_directory + "/redis").c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0700u);
    const int pid = (*embedded)->pid();
    ASSERT_GT(pid, 0);
    embedded->reset();
    EXPECT_FALSE(alive(pid));
    EXPECT_NE(::access(socket.c_str(), F_OK), 0);
  }
}

TEST(Embedded, AKilledServerIsRestarted) {
  TemporaryDirectory directory;
  std::mutex mutex;
  std::condition_variable told;
  std::vector<std::string> events;
  EmbeddedOptions options = options_in(directory);
  options.on_event = [&](const std::string& text) {
    std::lock_guard lock(mutex);
    events.push_back(text);
    told.notify_all();
  };
  auto embedded = Embedded::start(options);
  ASSERT_TRUE(embedded.ok()) << embedded.error().message;
  auto store = Store::open((*embedded)->url());
  ASSERT_TRUE(store.ok());
  Campaign wanted;
  wanted.id = "c";
  ASSERT_TRUE((*store)->create(wanted, "accepted means durable").ok());
  const int pid = (*embedded)->pid();
  ::kill(pid, SIGKILL);
  {
    std::unique_lock lock(mutex);
    ASSERT_TRUE(told.wait_for(lock, std::chrono::seconds(20), [&] { return !events.empty(); }));
    EXPECT_NE(events[0].find("signal 9"), std::string::npos) << events[0];
  }
  EXPECT_EQ(*(*store)->content("c"), "accepted means durable");  // the store waits and asks again
  EXPECT_NE((*embedded)->pid(), pid);
}

TEST(Embedded, ASecondEngineIsTurnedAway) {
  TemporaryDirectory directory;
  auto first = Embedded::start(options_in(directory));
  ASSERT_TRUE(first.ok());
  auto second = Embedded::start(options_in(directory));
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code, Errc::kUnavailable);
  EXPECT_NE(second.error().message.find(std::to_string(::getpid())), std::string::npos)
      << second.error().message;
  EXPECT_TRUE(Store::open((*first)->url()).ok());
}

// An engine that died at once (kill -9) and a server that goes on without it, holding the lock.
TEST(Embedded, AnOrphanIsShutDownFirst) {
  TemporaryDirectory directory;
  const EmbeddedOptions options = options_in(directory);
  int report[2];
  ASSERT_EQ(::pipe(report), 0);
  const pid_t engine = ::fork();
  if (engine == 0) {
    // The dead engine's part, without threads: lock, remember, spawn, die.
    ServerPlan plan;
    plan.program = "redis-server";
    plan.directory = options.data_directory + "/redis";
    (void)make_directories(plan.directory, 0700);
    auto lock = FileLock::acquire(options.data_directory + "/redis.lock");
    plan.lock_fd = lock.ok() ? lock->fd() : -1;
    plan.socket_path = directory.path() + "/orphan.sock";
    (void)write_file_atomically(options.data_directory + "/redis.sock-path",
                                plan.socket_path + "\n" + std::to_string(::getpid()) + "\n");
    auto child = spawn_server(plan);
    const pid_t pid = child.ok() ? *child : -1;
    (void)!::write(report[1], &pid, sizeof pid);
    // Until it answers: dying now would take it along before it opened its socket.
    QueueUrl url;
    url.unix_socket = true;
    url.host_or_path = plan.socket_path;
    for (;;) {
      auto c = SyncConnection::connect(url, std::chrono::seconds(5));
      if (!c) continue;
      (void)c->run(Command("SET").arg("witness").arg("1"), std::chrono::seconds(5));
      // Deaf to the signal of its parent's death: a server that is busy with its last sync looks like this.
      break;
    }
    ::kill(::getpid(), SIGKILL);
  }
  ::close(report[1]);
  pid_t server = -1;
  ASSERT_EQ(::read(report[0], &server, sizeof server), static_cast<ssize_t>(sizeof server));
  ::close(report[0]);
  ::waitpid(engine, nullptr, 0);
  ASSERT_GT(server, 0);
  auto embedded = Embedded::start(options);
  ASSERT_TRUE(embedded.ok()) << embedded.error().message;
  EXPECT_NE((*embedded)->pid(), server);
  auto connection = SyncConnection::connect((*embedded)->url(), std::chrono::seconds(5));
  ASSERT_TRUE(connection.ok());
  auto witness = connection->run(Command("GET").arg("witness"), std::chrono::seconds(5));
  ASSERT_TRUE(witness.ok());
  EXPECT_EQ(witness->view().text(), "1");
}

TEST(Embedded, AMissingServerNamesTheRemedy) {
  TemporaryDirectory directory;
  EmbeddedOptions options = options_in(directory);
  options.server = "/nonexistent/redis-server";
  auto embedded = Embedded::start(options);
  ASSERT_FALSE(embedded.ok());
  EXPECT_EQ(embedded.error().code, Errc::kUnavailable);
  EXPECT_NE(embedded.error().message.find("install"), std::string::npos);
}

TEST(Embedded, AServerThatEndsAtOnceIsReported) {
  TemporaryDirectory directory;
  EmbeddedOptions options = options_in(directory);
  options.server = "/bin/false";
  auto embedded = Embedded::start(options);
  ASSERT_FALSE(embedded.ok());
  EXPECT_NE(embedded.error().message.find("exit code 1"), std::string::npos)
      << embedded.error().message;
}

TEST(Embedded, MemoryOnly) {
  TemporaryDirectory directory;
  EmbeddedOptions options = options_in(directory);
  options.memory_durability = true;
  auto embedded = Embedded::start(options);
  ASSERT_TRUE(embedded.ok()) << embedded.error().message;
  EXPECT_FALSE(Store::open((*embedded)->url()).ok());
  EXPECT_TRUE(Store::open((*embedded)->url(), 64, true).ok());
}

TEST(Embedded, Configuration) {
  ServerPlan plan;
  plan.socket_path = "/run/q.sock";
  plan.max_memory = 1234;
  const std::string text = server_config(plan);
  for (const char* line :
       {"port 0\n", "appendfsync always\n", "maxmemory 1234\n", "maxmemory-policy noeviction\n",
        "no-appendfsync-on-rewrite no\n", "unixsocket /run/q.sock\n"}) {
    EXPECT_NE(text.find(line), std::string::npos) << line;
  }
}

}  // namespace
}  // namespace volley::queue
