#include "engine/intake/list_sample.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/hash.h"
#include "tests/unit/temp_dir.h"

namespace volley::intake {
namespace {

class ListSampleTest : public ::testing::Test {
 protected:
  std::string sample(std::string_view text) {
    auto made = sample_list(directory_.write("list.csv", text));
    EXPECT_TRUE(made.ok()) << made.error().message;
    return *made;
  }
  std::string path() const { return directory_.file("list.csv"); }
  TempDir directory_;
};

constexpr size_t kMiB = size_t{1} << 20;

TEST_F(ListSampleTest, SeesEveryByteOfAShortList) {
  for (const size_t size : {size_t{1}, size_t{70'000}, size_t{200'000}, 4 * kMiB}) {
    std::string text(size, 'a');
    const std::string before = sample(text);
    EXPECT_TRUE(is_sample(before));
    EXPECT_EQ(sample(text), before);
    for (size_t at = size - 1; at < size; at -= std::max<size_t>(size / 97, 1)) {
      text[at] = 'b';
      EXPECT_NE(sample(text), before) << at << " of " << size;
      text[at] = 'a';
    }
  }
}

TEST_F(ListSampleTest, SeesTheEndsTheSizeAndMuchBetweenOfALongOne) {
  std::string text(9 * kMiB + 7, 'a');
  const std::string before = sample(text);
  for (const size_t at : {size_t{0}, text.size() - 1}) {
    text[at] = 'b';
    EXPECT_NE(sample(text), before) << at;
    text[at] = 'a';
  }
  EXPECT_NE(sample(text + 'a'), before);
  size_t seen = 0;
  for (size_t at = kMiB / 64; at < text.size(); at += kMiB / 4) {
    text[at] = 'b';
    seen += sample(text) != before ? 1 : 0;
    text[at] = 'a';
  }
  EXPECT_GT(seen, 10U) << "of 36: nearly half of the bytes are sampled";
}

TEST_F(ListSampleTest, AFingerprintOfEitherKindSaysWhetherItIsTheList) {
  const std::string text = "email\na@example.com\n";
  const std::string by_sample = sample(text);
  const std::string by_all = to_hex(Sha256::of(text));
  EXPECT_FALSE(is_sample(by_all));
  EXPECT_TRUE(*is_list(path(), by_sample));
  EXPECT_TRUE(*is_list(path(), by_all));
  directory_.write("list.csv", "email\nb@example.com\n");
  EXPECT_FALSE(*is_list(path(), by_sample));
  EXPECT_FALSE(*is_list(path(), by_all));
}

TEST_F(ListSampleTest, AnEmptyListHasOneAndAMissingOneHasNone) {
  EXPECT_TRUE(is_sample(sample("")));
  const auto missing = sample_list(directory_.file("none.csv"));
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().code, Errc::kNoInput);
  EXPECT_NE(missing.error().message.find("none.csv"), std::string::npos);
}

}  // namespace
}  // namespace volley::intake
