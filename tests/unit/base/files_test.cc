#include "base/files.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

namespace volley {
namespace {

class Files : public testing::Test {
 protected:
  Files() {
    std::string pattern = testing::TempDir() + "volley-files-XXXXXX";
    directory_ = ::mkdtemp(pattern.data());
  }
  ~Files() override { std::filesystem::remove_all(directory_); }
  std::string at(const std::string& name) const { return directory_ + "/" + name; }
  std::string directory_;
};

TEST_F(Files, WritesWholeAndReadsBack) {
  const std::string bytes("a\0b\n", 4);
  ASSERT_TRUE(write_file_atomically(at("f"), bytes, 0640));
  const auto read = read_file(at("f"));
  ASSERT_TRUE(read);
  EXPECT_EQ(*read, bytes);
  struct stat info {};
  ASSERT_EQ(::stat(at("f").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777u, 0640u);
  ASSERT_TRUE(write_file_atomically(at("f"), "new"));
  EXPECT_EQ(*read_file(at("f")), "new");
  size_t entries = 0;
  for ([[maybe_unused]] const auto& e : std::filesystem::directory_iterator(directory_)) ++entries;
  EXPECT_EQ(entries, 1u) << "no temporary file stays behind";
}

TEST_F(Files, ReadErrorsNameTheFile) {
  const auto missing = read_file(at("none"));
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, Errc::kNoInput);
  EXPECT_NE(missing.error().message.find(at("none")), std::string::npos);
  EXPECT_EQ(read_file(directory_).error().message, directory_ + ": is a directory");
  ASSERT_TRUE(write_file_atomically(at("big"), std::string(1001, 'x')));
  EXPECT_TRUE(read_file(at("big"), 1001));
  const auto capped = read_file(at("big"), 1000);
  ASSERT_FALSE(capped);
  EXPECT_EQ(capped.error().code, Errc::kNoInput);
}

TEST_F(Files, ReadsWhatHasNoSize) { EXPECT_NE(read_file("/proc/self/status")->size(), 0u); }

TEST_F(Files, WriteErrors) {
  const Status status = write_file_atomically(at("no/such/f"), "x");
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, Errc::kCantCreate);
}

TEST_F(Files, MakesDirectories) {
  ASSERT_TRUE(make_directories(at("a/b/c")));
  ASSERT_TRUE(make_directories(at("a/b/c")));
  EXPECT_TRUE(std::filesystem::is_directory(at("a/b/c")));
  struct stat info {};
  ASSERT_EQ(::stat(at("a/b").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777u, 0700u);
  ASSERT_TRUE(write_file_atomically(at("file"), ""));
  const Status status = make_directories(at("file/x"));
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, Errc::kCantCreate);
}

TEST_F(Files, SecretsMustNotBeForEveryone) {
  ASSERT_TRUE(write_file_atomically(at("token"), "s3cret\n", 0600));
  EXPECT_EQ(*read_secret(at("token")), "s3cret");
  ASSERT_EQ(::chmod(at("token").c_str(), 0644), 0);
  const auto open = read_secret(at("token"));
  ASSERT_FALSE(open);
  EXPECT_EQ(open.error().code, Errc::kConfig);
  EXPECT_NE(open.error().message.find("chmod 600"), std::string::npos);
}

TEST_F(Files, LockIsExclusiveAndNamesItsHolder) {
  auto lock = FileLock::acquire(at("lock"));
  ASSERT_TRUE(lock);
  const auto second = FileLock::acquire(at("lock"));
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Errc::kUnavailable);
  EXPECT_NE(second.error().message.find(std::to_string(::getpid())), std::string::npos);
  FileLock moved = std::move(lock).value();
  EXPECT_FALSE(FileLock::acquire(at("lock")));
  moved = FileLock();
  EXPECT_TRUE(FileLock::acquire(at("lock")));
}

TEST_F(Files, WhetherALockIsHeldIsSeenWithoutTakingIt) {
  EXPECT_FALSE(FileLock::held(at("lock"))) << "no such file";
  {
    const auto lock = FileLock::acquire(at("lock"));
    ASSERT_TRUE(lock);
    EXPECT_TRUE(FileLock::held(at("lock")));
  }
  EXPECT_FALSE(FileLock::held(at("lock")));
}

TEST(FileLock, ALineOfProcLocksIsAboutOneFile) {
  const LockedFile file{0xfe, 0, 1234};
  EXPECT_TRUE(is_lock_on(file, "12: FLOCK  ADVISORY  WRITE 4711 fe:00:1234 0 EOF"));
  EXPECT_FALSE(is_lock_on(file, "12: FLOCK  ADVISORY  WRITE 4711 08:00:1234 0 EOF")) << "elsewhere";
  EXPECT_FALSE(is_lock_on(file, "12: FLOCK  ADVISORY  WRITE 4711 fe:01:1234 0 EOF")) << "elsewhere";
  EXPECT_FALSE(is_lock_on(file, "12: FLOCK  ADVISORY  WRITE 4711 fe:00:12345 0 EOF"));
  EXPECT_FALSE(is_lock_on(file, "12: POSIX  ADVISORY  WRITE 4711 fe:00:1234 0 EOF"));
  EXPECT_FALSE(is_lock_on(file, "12: -> FLOCK  ADVISORY  WRITE 4711 fe:00:1234 0 EOF")) << "waits";
  EXPECT_FALSE(is_lock_on(file, ""));
  EXPECT_TRUE(is_lock_on(file, "12: FLOCK  ADVISORY  WRITE 0 fe:00:1234 0 EOF"))
      << "of a container";
}

TEST_F(Files, InheritableLockSurvivesItsMaker) {
  int pipe[2];
  ASSERT_EQ(::pipe2(pipe, O_CLOEXEC), 0);
  pid_t child = -1;
  {
    auto lock = FileLock::acquire(at("lock"), true);
    ASSERT_TRUE(lock);
    EXPECT_EQ(::fcntl(lock->fd(), F_GETFD) & FD_CLOEXEC, 0);
    child = ::fork();
    if (child == 0) {
      char byte = 0;
      ::close(pipe[1]);
      ::_exit(static_cast<int>(::read(pipe[0], &byte, 1)));
    }
  }
  EXPECT_FALSE(FileLock::acquire(at("lock"))) << "the child still holds it";
  ::close(pipe[1]);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  ::close(pipe[0]);
  EXPECT_TRUE(FileLock::acquire(at("lock")));
}

TEST_F(Files, OrdinaryLockIsNotInherited) {
  auto lock = FileLock::acquire(at("lock"));
  ASSERT_TRUE(lock);
  EXPECT_NE(::fcntl(lock->fd(), F_GETFD) & FD_CLOEXEC, 0);
}

TEST(FileLock, WaitsForTheChildOfAHolderThatWasKilled) {
  const std::string path = testing::TempDir() + "volley-lock-" + std::to_string(::getpid());
  const pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  const std::string dead = std::to_string(child) + "\n";
  ASSERT_EQ(::write(fd, dead.data(), dead.size()), static_cast<ssize_t>(dead.size()));
  ASSERT_EQ(::flock(fd, LOCK_EX | LOCK_NB), 0);
  std::thread letting_go([fd] { ::close(fd); });
  EXPECT_TRUE(FileLock::acquire(path).ok());
  letting_go.join();
  ::unlink(path.c_str());
}

}  // namespace
}  // namespace volley
