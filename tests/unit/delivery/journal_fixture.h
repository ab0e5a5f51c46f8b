// A journal in a directory of its own, and what a crash leaves of it.
#pragma once

#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "engine/delivery/journal.h"

namespace volley::delivery::testing {

namespace fs = std::filesystem;

class JournalTest : public ::testing::Test {
 protected:
  JournalTest() {
    char path[] = "/tmp/volley-journal-XXXXXX";
    EXPECT_NE(::mkdtemp(path), nullptr);
    directory_ = path;
  }
  ~JournalTest() override { fs::remove_all(directory_); }

  std::unique_ptr<Journal> open(unsigned loop = 0, uint64_t segment = kJournalSegmentBytes) {
    auto journal = Journal::open(directory_, loop, "queue-a", segment);
    EXPECT_TRUE(journal.ok());
    return std::move(*journal);
  }
  Replay read(std::string_view identity = "queue-a") {
    auto replay = read_journals(directory_, identity);
    EXPECT_TRUE(replay.ok());
    return std::move(*replay);
  }
  // As a killed process leaves it: what a destructor would do to the files must not happen.
  void crash(std::unique_ptr<Journal> journal) {
    const std::string aside = directory_ + ".aside";
    fs::copy(directory_, aside);
    journal.reset();
    fs::remove_all(directory_);
    fs::rename(aside, directory_);
  }
  size_t files() const {
    size_t n = 0;
    for (const auto& entry : fs::directory_iterator(directory_)) n += entry.is_regular_file();
    return n;
  }

  std::string directory_;
};

inline Record make_record(uint64_t lease, uint64_t number, uint32_t partition = 7) {
  Record r;
  r.time = from_ms(1'700'000'000'123);
  r.verdict = Verdict::kDeferred;
  r.partition = partition;
  r.lease = lease;
  r.campaign = "november";
  r.lane = queue::Lane::kTransactional;
  r.number = number;
  r.attempt = 3;
  r.recipient = "someone@example.com";
  r.site = "mx.example.com";
  r.host = "mx1.example.com";
  r.source = "192.0.2.1";
  r.code = 451;
  r.enhanced = "4.7.1";
  r.text = "try again later";
  r.delay_ms = 300'000;
  return r;
}

inline std::string slurp(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream out;
  out << in.rdbuf();
  return out.str();
}

inline void spill(const fs::path& path, std::string_view bytes) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out << bytes;
}

// In a child: a limit on file size holds for the whole process.
template <typename Body>
void expect_in_child(Body body) {
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    ::signal(SIGXFSZ, SIG_IGN);
    body();
    ::_exit(::testing::Test::HasFailure() ? 1 : 0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

// Until destroyed no file grows beyond `bytes`.
class FullDisk {
 public:
  explicit FullDisk(uint64_t bytes) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    struct rlimit tight = before_;
    tight.rlim_cur = bytes;
    ::setrlimit(RLIMIT_FSIZE, &tight);
  }
  ~FullDisk() { ::setrlimit(RLIMIT_FSIZE, &before_); }

 private:
  struct rlimit before_ {};
};

}  // namespace volley::delivery::testing
