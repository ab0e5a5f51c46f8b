#include "metrics/event_rewrite.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "metrics/event_log.h"
#include "metrics/event_reader.h"
#include "tests/unit/temp_dir.h"

namespace volley::metrics {
namespace {

namespace fs = std::filesystem;

class EventRewriteTest : public testing::Test {
 protected:
  std::vector<std::string> all() const {
    std::vector<std::string> out;
    EXPECT_TRUE(each_event_line(path_, [&](std::string_view line) {
                  out.emplace_back(line);
                  return true;
                }).ok());
    return out;
  }
  void write(const std::string& suffix, const std::string& text) const {
    std::ofstream(path_ + suffix) << text;
  }
  static LineEdit edit(std::string_view line, std::string& changed) {
    if (line == "drop") return LineEdit::kDrop;
    if (line != "change" && !line.starts_with("change ")) return LineEdit::kKeep;
    changed = "changed" + std::string(line.substr(6));
    return LineEdit::kChange;
  }

  TempDir directory_;
  const std::string path_ = directory_.file("events.jsonl");
};

TEST_F(EventRewriteTest, ChangesAndDropsInAllFiles) {
  write(".2", "drop\nb\n");
  write(".1", "c\nd\n");
  write("", "e\nchange 1\nf\ndrop\nrest");
  const auto untouched = fs::last_write_time(path_ + ".1");
  auto changed = rewrite_events(path_, edit);
  ASSERT_TRUE(changed.ok()) << changed.error().message;
  EXPECT_EQ(*changed, 3u);
  EXPECT_EQ(all(), (std::vector<std::string>{"b", "c", "d", "e", "changed 1", "f"}));
  EXPECT_EQ(fs::last_write_time(path_ + ".1"), untouched);
  std::ifstream in(path_);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(in), {}), "e\nchanged 1\nf\nrest");
  EXPECT_EQ(*rewrite_events(path_, edit), 0u);
  EXPECT_FALSE(fs::exists(path_ + ".rewrite"));
  struct stat info {};
  ASSERT_EQ(::stat(path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST_F(EventRewriteTest, TheOldestGoesWhenItIsEmpty) {
  write(".2", "drop\n");
  write(".1", "drop\n");
  write("", "drop\n");
  EXPECT_EQ(*rewrite_events(path_, edit), 3u);
  EXPECT_FALSE(fs::exists(path_ + ".2"));
  EXPECT_FALSE(fs::exists(path_ + ".1"));
  EXPECT_EQ(fs::file_size(path_), 0u);
}

TEST_F(EventRewriteTest, ALastLineThatIsNotWholeIsNoLine) {
  write("", "e\nchange");
  auto changed = rewrite_events(path_, edit);
  ASSERT_FALSE(changed.ok());
  EXPECT_EQ(changed.error().code, Errc::kTempFail);
  EXPECT_EQ(*rewrite_events(directory_.file("none"), edit), 0u);
}

// While a log is written and rotated no line of anybody else is lost, and none comes twice.
TEST_F(EventRewriteTest, AWriterGoesOnInTheNewFile) {
  constexpr int kEvents = 6000;
  auto opened = EventLog::open({path_, 64 << 10, 200});
  ASSERT_TRUE(opened.ok());
  EventLog& log = **opened;
  std::atomic<bool> done{false};
  std::thread writer([&] {
    for (int i = 0; i < kEvents; ++i) {
      Event event;
      event.id = "c." + std::to_string(i);
      event.recipient = i % 3 == 0 ? "ann@example.com" : "bob@example.com";
      log.append(event);
      if (i % 50 == 0) log.flush();
    }
    log.flush();
    done = true;
  });
  const auto without_ann = [](std::string_view line, std::string&) {
    return event_field(line, "recipient") == "ann@example.com" ? LineEdit::kDrop : LineEdit::kKeep;
  };
  uint64_t dropped = 0;
  while (!done) dropped += *rewrite_events(path_, without_ann);
  writer.join();
  dropped += *rewrite_events(path_, without_ann);
  EXPECT_EQ(dropped, kEvents / 3u);
  int next = 1;
  for (const std::string& line : all()) {
    EXPECT_EQ(event_field(line, "id"), "c." + std::to_string(next));
    next += next % 3 == 1 ? 1 : 2;
  }
  EXPECT_EQ(next, kEvents + 1);
}

// Each drops lines of its own; nobody loses what another one copies.
TEST_F(EventRewriteTest, RewritersTakeTurns) {
  constexpr int kRewriters = 4, kLines = 200;
  std::string text;
  for (int i = 0; i < kLines; ++i) {
    for (int r = 0; r < kRewriters; ++r) text += fmt::format("{} {}\n", r, i);
    text += fmt::format("kept {}\n", i);
  }
  for (const char* suffix : {".3", ".2", ".1", ""}) write(suffix, text);
  write(".rewrite", "left by a crash\n");
  std::atomic<uint64_t> dropped{0};
  std::vector<std::thread> rewriters;
  for (int r = 0; r < kRewriters; ++r) {
    rewriters.emplace_back([&, r] {
      const std::string mine = std::to_string(r) + " ";
      auto done = rewrite_events(path_, [&](std::string_view line, std::string&) {
        return line.starts_with(mine) ? LineEdit::kDrop : LineEdit::kKeep;
      });
      EXPECT_TRUE(done.ok()) << (done ? "" : done.error().message);
      if (done) dropped += *done;
    });
  }
  for (std::thread& rewriter : rewriters) rewriter.join();
  EXPECT_EQ(dropped, uint64_t{4} * kRewriters * kLines);
  EXPECT_FALSE(fs::exists(path_ + ".rewrite"));
  const auto left = all();
  ASSERT_EQ(left.size(), size_t{4} * kLines);
  for (size_t i = 0; i < left.size(); ++i) EXPECT_EQ(left[i], fmt::format("kept {}", i % kLines));
}

// A crash left it, and nothing has to be changed any more.
TEST_F(EventRewriteTest, WhatACrashLeftGoes) {
  write("", "e\n");
  write(".rewrite", "ann@example.com\n");
  EXPECT_EQ(*rewrite_events(path_, edit), 0u);
  EXPECT_FALSE(fs::exists(path_ + ".rewrite"));
}

TEST_F(EventRewriteTest, TheLockHasTheModeOfTheLog) {
  write("", "a\ndrop\n");
  ASSERT_EQ(::chmod(path_.c_str(), 0640), 0);
  ASSERT_EQ(*rewrite_events(path_, edit), 1u);
  struct stat info {};
  ASSERT_EQ(::stat((path_ + ".lock").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0640u);
  EXPECT_EQ(info.st_uid, ::geteuid());
}

TEST_F(EventRewriteTest, ACopyIsNotMadeThroughALink) {
  write("", "drop\n");
  write(".other", "other\n");
  // It comes after what a crash left was removed.
  const auto link = [&](std::string_view line, std::string& changed) {
    fs::remove(path_ + ".rewrite");
    fs::create_symlink(path_ + ".other", path_ + ".rewrite");
    return edit(line, changed);
  };
  EXPECT_FALSE(rewrite_events(path_, link).ok());
  EXPECT_EQ(fs::file_size(path_ + ".other"), 6u);
}

// `volley forget` by root, beside an engine that has a user of its own.
TEST_F(EventRewriteTest, WhatRootMakesIsTheLogsOwners) {
  if (::geteuid() != 0) GTEST_SKIP() << "NOT TESTED: only root can give files away";
  constexpr uid_t kSomebody = 65534;
  write("", "drop\na\n");
  write(".1", "change\n");
  for (const std::string& name : {directory_.file(""), path_, path_ + ".1"})
    ASSERT_EQ(::chown(name.c_str(), kSomebody, kSomebody), 0);
  ASSERT_EQ(*rewrite_events(path_, edit), 2u);
  for (const char* suffix : {"", ".1", ".lock"}) {
    struct stat info {};
    ASSERT_EQ(::stat((path_ + suffix).c_str(), &info), 0) << suffix;
    EXPECT_EQ(info.st_uid, kSomebody) << suffix;
    EXPECT_EQ(info.st_gid, kSomebody) << suffix;
  }
  // One that is root's from before is mended; its owner can do the same then.
  ASSERT_EQ(::chown((path_ + ".lock").c_str(), 0, 0), 0);
  ASSERT_EQ(*rewrite_events(path_, edit), 0u);
  const pid_t child = ::fork();
  if (child == 0) {
    if (::setgid(kSomebody) != 0 || ::setuid(kSomebody) != 0) ::_exit(2);
    std::ofstream(path_, std::ios::app) << "drop\n";
    const auto dropped = rewrite_events(path_, edit);
    ::_exit(dropped.ok() && *dropped == 1 ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

// Not by that name: it would be somebody's way to another file.
TEST_F(EventRewriteTest, RootGivesNoLinkedFileAway) {
  if (::geteuid() != 0) GTEST_SKIP() << "NOT TESTED: only root can give files away";
  write("", "a\n");
  write(".secret", "s\n");
  ASSERT_EQ(::chmod((path_ + ".secret").c_str(), 0600), 0);
  fs::create_hard_link(path_ + ".secret", path_ + ".lock");
  ASSERT_EQ(::chown(path_.c_str(), 65534, 65534), 0);
  EXPECT_TRUE(rewrite_events(path_, edit).ok());
  struct stat info {};
  ASSERT_EQ(::stat((path_ + ".secret").c_str(), &info), 0);
  EXPECT_EQ(info.st_uid, 0u);
  EXPECT_EQ(info.st_mode & 07777, 0600u);
}

}  // namespace
}  // namespace volley::metrics
