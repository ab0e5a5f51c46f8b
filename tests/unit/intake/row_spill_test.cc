#include "engine/intake/row_spill.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>

#include "tests/unit/temp_dir.h"

namespace volley::intake {
namespace {

std::string all_of(RowSpill& spill, uint32_t partition) {
  std::string rows;
  EXPECT_TRUE(spill.read(partition, SIZE_MAX, 0, rows).ok());
  return rows;
}

TEST(RowSpill, GivesEachPartitionItsRowsInOrder) {
  const TempDir directory;
  auto spill = RowSpill::create(directory.file(""), 3);
  ASSERT_TRUE(spill.ok()) << spill.error().message;
  EXPECT_TRUE(std::filesystem::is_empty(directory.file(""))) << "it has a name";
  ASSERT_TRUE((*spill)->append(0, "aa", 2).ok());
  ASSERT_TRUE((*spill)->append(2, "ccc", 5).ok());
  ASSERT_TRUE((*spill)->append(0, "AAAA", 9).ok());
  EXPECT_EQ((*spill)->bytes(), 9U);
  EXPECT_EQ((*spill)->left(0), 6U);
  EXPECT_EQ(all_of(**spill, 0), "aaAAAA");
  EXPECT_EQ((*spill)->last_read(0), 9U);
  EXPECT_EQ((*spill)->left(0), 0U);
  EXPECT_EQ(all_of(**spill, 1), "");
  EXPECT_EQ(all_of(**spill, 2), "ccc");
}

TEST(RowSpill, ReadsWithinALimitAndAsFarAsItMust) {
  auto spill = RowSpill::create("", 1);
  ASSERT_TRUE(spill.ok()) << spill.error().message;
  for (uint64_t i = 1; i <= 5; ++i)
    ASSERT_TRUE((*spill)->append(0, std::string(10, 'x'), i * 100).ok());
  std::string rows;
  ASSERT_TRUE((*spill)->read(0, 5, 0, rows).ok());  // one block is larger than the limit
  EXPECT_EQ(rows.size(), 10U);
  ASSERT_TRUE((*spill)->read(0, 19, 0, rows).ok());
  EXPECT_EQ(rows.size(), 10U);
  ASSERT_TRUE((*spill)->read(0, 20, 0, rows).ok());
  EXPECT_EQ(rows.size(), 20U);
  EXPECT_EQ((*spill)->last_read(0), 200U);
  ASSERT_TRUE((*spill)->read(0, 20, 350, rows).ok());
  EXPECT_EQ(rows.size(), 40U);
  EXPECT_EQ((*spill)->last_read(0), 400U);
  EXPECT_EQ((*spill)->left(0), 10U);
}

TEST(RowSpill, NamesTheDirectoryWhereItCannotBe) {
  const TempDir directory;
  const auto spill = RowSpill::create(directory.file("nowhere"), 1);
  ASSERT_FALSE(spill.ok());
  EXPECT_EQ(spill.error().code, Errc::kCantCreate);
  EXPECT_NE(spill.error().message.find(directory.file("nowhere")), std::string::npos);
}

// As on a full disk.
TEST(RowSpill, SaysWhatToDoWhenThereIsNoRoom) {
  const TempDir directory;
  auto spill = RowSpill::create(directory.file(""), 1);
  ASSERT_TRUE(spill.ok());
  const auto before = std::signal(SIGXFSZ, SIG_IGN);
  rlimit limit{};
  ::getrlimit(RLIMIT_FSIZE, &limit);
  const rlimit small{1000, limit.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &small);
  const Status status = (*spill)->append(0, std::string(2000, 'x'), 1);
  ::setrlimit(RLIMIT_FSIZE, &limit);
  std::signal(SIGXFSZ, before);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, Errc::kIo);
  EXPECT_NE(status.error().message.find(directory.file("")), std::string::npos);
  EXPECT_NE(status.error().message.find("make room"), std::string::npos) << status.error().message;
}

TEST(RowSpill, LeavesRoomForOthers) {
  auto spill = RowSpill::create("", 1, uint64_t{1} << 60);
  ASSERT_TRUE(spill.ok());
  const Status status = (*spill)->append(0, "x", 1);
  ASSERT_FALSE(status.ok());
  EXPECT_NE(status.error().message.find("No space left"), std::string::npos);
  EXPECT_EQ((*spill)->left(0), 0U);
}

}  // namespace
}  // namespace volley::intake
