#include "base/net/process.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <filesystem>

#include "base/files.h"
#include "tests/unit/net/net_fixture.h"

namespace volley::net {
namespace {

class ProcessTest : public testing::Test {
 protected:
  ProcessTest() {
    std::string pattern = testing::TempDir() + "volley-process-XXXXXX";
    directory = ::mkdtemp(pattern.data());
  }
  ~ProcessTest() override { std::filesystem::remove_all(directory); }
  void spawn(SpawnOptions options) {
    auto made = ChildProcess::spawn(loop, options, [this](ProcessExit e) { ended = e; });
    ASSERT_TRUE(made) << made.error().message;
    child = std::move(made).value();
  }
  bool wait() {
    return run_until(loop, [this] { return ended.has_value(); });
  }
  std::string directory;
  Loop loop;
  std::optional<ProcessExit> ended;
  std::unique_ptr<ChildProcess> child;
};

TEST_F(ProcessTest, StandardInputGoesInAndOutputToAFile) {
  spawn({.argv = {"cat"}, .standard_input = "port 0\n", .output_file = directory + "/out"});
  EXPECT_TRUE(child->running());
  EXPECT_GT(child->pid(), 0);
  ASSERT_TRUE(wait());
  EXPECT_EQ(ended->status, 0);
  EXPECT_FALSE(child->running());
  child->signal(SIGTERM);
  EXPECT_EQ(*read_file(directory + "/out"), "port 0\n");
}

TEST_F(ProcessTest, ExitStatusAndSignals) {
  spawn({.argv = {"sh", "-c", "exit 7"}});
  ASSERT_TRUE(wait());
  EXPECT_EQ(ended->status, 7);
  EXPECT_EQ(ended->signal, 0);
  ended.reset();
  spawn({.argv = {"sleep", "1000"}});
  child->signal(SIGTERM);
  ASSERT_TRUE(wait());
  EXPECT_EQ(ended->signal, SIGTERM);
}

TEST_F(ProcessTest, InheritsTheNamedDescriptorsOnly) {
  const std::string path = directory + "/inherited";
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  ASSERT_GE(fd, 0);
  spawn({.argv = {"sh", "-c", "echo through 3 >&3"}, .inherited_fds = {fd}});
  ASSERT_TRUE(wait());
  ::close(fd);
  EXPECT_EQ(ended->status, 0);
  EXPECT_EQ(*read_file(path), "through 3\n");
}

TEST_F(ProcessTest, DirectoryAndEnvironment) {
  spawn({.argv = {"/bin/sh", "-c", "echo $COLOUR; pwd"},
         .output_file = directory + "/out",
         .directory = directory,
         .environment = {"COLOUR=blue"}});
  ASSERT_TRUE(wait());
  EXPECT_EQ(*read_file(directory + "/out"),
            "blue\n" + std::filesystem::canonical(directory).string() + "\n");
}

TEST_F(ProcessTest, MissingProgram) {
  auto made = ChildProcess::spawn(loop, {.argv = {"no-such-program-here"}, .standard_input = "x"},
                                  [](ProcessExit) { FAIL(); });
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, Errc::kUnavailable);
  EXPECT_NE(made.error().message.find("no-such-program-here"), std::string::npos);
}

TEST_F(ProcessTest, DestroyedInItsExitCallback) {
  bool called = false;
  auto made = ChildProcess::spawn(loop, {.argv = {"true"}}, [&](ProcessExit) {
    child.reset();
    called = true;
  });
  ASSERT_TRUE(made);
  child = std::move(made).value();
  ASSERT_TRUE(run_until(loop, [&] { return called; }));
}

TEST_F(ProcessTest, DestroyingKillsAndReaps) {
  spawn({.argv = {"sleep", "1000"}, .standard_input = std::string(1u << 20, 'x')});
  const int pid = child->pid();
  child.reset();
  EXPECT_EQ(::waitpid(pid, nullptr, WNOHANG), -1);
  EXPECT_EQ(errno, ECHILD);
  idle_turns(loop);
  EXPECT_FALSE(ended);
}

TEST_F(ProcessTest, UnderSetpriv) {
  if (::access("/usr/bin/setpriv", X_OK) != 0) GTEST_SKIP() << "no setpriv";
  spawn({.argv = {"setpriv", "--pdeathsig", "TERM", "cat"},
         .standard_input = "x",
         .output_file = directory + "/out"});
  ASSERT_TRUE(wait());
  EXPECT_EQ(ended->status, 0);
  EXPECT_EQ(*read_file(directory + "/out"), "x");
}

}  // namespace
}  // namespace volley::net
