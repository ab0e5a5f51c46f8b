#include "engine/cli/erasure.h"

#include <gtest/gtest.h>

#include "base/files.h"

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

}  // namespace
}  // namespace volley::cli
