#include "engine/cli/erasure.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "base/files.h"
#include "tests/unit/temp_dir.h"

namespace volley::cli {
namespace {

bool names_bob(std::string_view row) { return row.find("bob@") != std::string_view::npos; }

TEST(DropRows, TakesWholeRecords) {
  const std::string path = testing::TempDir() + "volley-rejects-test.csv";
  const std::string text = "line,reason,row\n1,\"no @\",\"ann\"\n2,\"bad\",\"bob@x\nsecond \"\"line\"\"\"\n3,\"bad\",\"cid\"\n";
  ASSERT_TRUE(write_file_atomically(path, text).ok());
  EXPECT_EQ(*drop_rows(path, names_bob), 1u);
  EXPECT_EQ(*read_file(path), "line,reason,row\n1,\"no @\",\"ann\"\n3,\"bad\",\"cid\"\n");
  EXPECT_EQ(*drop_rows(path, names_bob), 0u);
}

TEST(DropRows, LeavesTheFileToWhoseItIs) {
  const TempDir dir;
  const std::string path = dir.file("rejects-test.csv");
  ASSERT_TRUE(write_file_atomically(path, "line\nbob@\n", 0640).ok());
  const bool root = ::geteuid() == 0;
  if (root) {
    ASSERT_EQ(::chown(path.c_str(), 65534, 65533), 0);
  }
  EXPECT_EQ(*drop_rows(path, names_bob), 1u);
  struct stat info {};
  ASSERT_EQ(::stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0640u);
  EXPECT_EQ(info.st_uid, root ? 65534 : ::geteuid());
  EXPECT_EQ(info.st_gid, root ? 65533 : ::getegid());
}

TEST(RetiredJournals, GoWholeAndTheOthersStay) {
  const TempDir dir;
  ASSERT_TRUE(remove_retired_journals(dir.file("")).ok());
  std::filesystem::create_directory(dir.file("journal"));
  for (const char* name : {"1.journal", "1.journal.old", "2.journal.old"}) {
    ASSERT_TRUE(write_file_atomically(dir.file("journal/") + name, "bob@example.com").ok());
  }
  ASSERT_TRUE(remove_retired_journals(dir.file("")).ok());
  EXPECT_TRUE(std::filesystem::exists(dir.file("journal/1.journal")));
  EXPECT_FALSE(std::filesystem::exists(dir.file("journal/1.journal.old")));
  EXPECT_FALSE(std::filesystem::exists(dir.file("journal/2.journal.old")));
}

}  // namespace
}  // namespace volley::cli
