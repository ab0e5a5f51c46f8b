// The small parts of the import: duplicates, rejects, suppression, senders, batches.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <set>

#include "base/address.h"
#include "base/random.h"
#include "engine/intake/dedupe.h"
#include "engine/intake/rejects.h"
#include "engine/intake/row_batch.h"
#include "engine/intake/row_check.h"
#include "engine/intake/sender_list.h"
#include "engine/intake/suppression.h"
#include "tests/unit/temp_dir.h"

namespace volley::intake {
namespace {

TEST(DedupeSet, KnowsWhatItHasSeen) {
  DedupeSet set;
  EXPECT_TRUE(set.insert({0, 0}));
  EXPECT_FALSE(set.insert({0, 0}));
  EXPECT_TRUE(set.insert({5, 7}));
  EXPECT_TRUE(set.insert({7, 5}));
  EXPECT_FALSE(set.insert({5, 7}));
  EXPECT_EQ(set.size(), 3U);
}

TEST(DedupeSet, AgreesWithASetOfTheLibrary) {
  DedupeSet set;
  std::set<Hash128> model;
  Random random(1);
  for (int i = 0; i < 50'000; ++i) {
    // Few distinct values, some of them crowded into one place.
    const Hash128 hash{random.below(100), random.below(4) == 0 ? ~uint64_t{0} - random.below(50)
                                                               : random.below(300) << 40};
    ASSERT_EQ(set.insert(hash), model.insert(hash).second);
  }
  EXPECT_EQ(set.size(), model.size());
}

TEST(DedupeSet, NeverTakesMoreThanFortyBytesEach) {
  DedupeSet set;
  Random random(2);
  for (uint64_t i = 1; i <= 1'000'000; ++i) {
    ASSERT_TRUE(set.insert({random.next(), random.next()}));
    if (i % 1000 == 0) {
      ASSERT_LE(set.peak_memory_bytes(), (size_t{1} << 20) + 40 * i) << i;
    }
  }
}

TEST(RejectsWriter, WritesRowsThatCanBeMended) {
  const TempDir directory;
  const std::string path = directory.write("rejects.csv", "old");
  ::chmod(path.c_str(), 0644);
  {
    RejectsWriter rejects;
    ASSERT_TRUE(rejects.open(path).ok());
    rejects.add(2, "no @", "nobody,\"Ann \"\"x\"\"\"");
    rejects.add(7, "key \"m\", twice", "{}");
    ASSERT_TRUE(rejects.finish().ok());
  }
  EXPECT_EQ(TempDir::read(path),
            "line,reason,row\n2,no @,\"nobody,\"\"Ann \"\"\"\"x\"\"\"\"\"\"\"\n7,\"key \"\"m\"\", "
            "twice\",\"{}\"\n");
  struct stat info {};
  ASSERT_EQ(::stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600U);
}

TEST(RejectsWriter, SaysWhyItCannotWrite) {
  const TempDir directory;
  RejectsWriter nowhere;
  Status status = nowhere.open(directory.file("none/rejects.csv"));
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, Errc::kCantCreate);
  RejectsWriter full;
  ASSERT_TRUE(full.open("/dev/full").ok());
  full.add(1, "x", "y");
  status = full.finish();
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, Errc::kIo);
  EXPECT_NE(status.error().message.find("/dev/full: No space left"), std::string::npos);
}

TEST(SuppressionList, ReadsPlainFiles) {
  const TempDir directory;
  const std::string one =
      directory.write("one.txt",
                      "\xEF\xBB\xBF# opted out\r\n\r\n Ann@Example.COM \r\nbob@b\xC3\xBC"
                      "cher.example\n");
  const std::string two = directory.write("two.txt", "carl@example.net\nann@example.com");
  auto list = SuppressionList::load({one, two}, "key");
  ASSERT_TRUE(list.ok()) << list.error().message;
  EXPECT_EQ(list->size(), 3U);
  const KeyedHash hash("key");
  EXPECT_TRUE(list->contains(hash("ann@example.com")));
  EXPECT_TRUE(list->contains(hash("bob@xn--bcher-kva.example")));
  EXPECT_FALSE(list->contains(hash("dora@example.com")));
  const std::string packed = list->packed();
  ASSERT_EQ(packed.size(), 48U);
  EXPECT_LT(packed.substr(0, 16), packed.substr(16, 16));
  EXPECT_LT(packed.substr(16, 16), packed.substr(32, 16));
}

TEST(SuppressionList, RefusesWhatIsNoAddress) {
  const TempDir directory;
  const std::string bad = directory.write("bad.txt", "ann@example.com\nnobody\n");
  auto list = SuppressionList::load({bad}, "key");
  ASSERT_FALSE(list.ok());
  EXPECT_EQ(list.error().code, Errc::kData);
  EXPECT_NE(list.error().message.find("bad.txt:2: no @"), std::string::npos);
  EXPECT_EQ(SuppressionList::load({directory.file("none")}, "key").error().code, Errc::kNoInput);
}

TEST(SenderList, AllowsAddressesAndDomains) {
  const SenderList list({"News@Example.com", "@example.net",
                         "b\xC3\xBC"
                         "cher.example",
                         "not an address@@"});
  const auto allows = [&](std::string_view text) { return list.allows(*parse_address(text)); };
  EXPECT_TRUE(allows("news@EXAMPLE.com"));
  EXPECT_FALSE(allows("sales@example.com"));
  EXPECT_TRUE(allows("anybody@example.net"));
  EXPECT_FALSE(allows("anybody@sub.example.net"));
  EXPECT_TRUE(allows("x@xn--bcher-kva.example"));
  EXPECT_FALSE(SenderList({}).allows(*parse_address("a@example.com")));
}

TEST(RowCheck, KeepsTheSpellingAndFoldsTheKey) {
  RowCheck check("key");
  Row row;
  row.email = "Ann@Example.COM";
  EXPECT_EQ(check.check(row), "");
  EXPECT_EQ(check.address(), "Ann@Example.COM");
  EXPECT_EQ(check.domain(), "example.com");
  const Hash128 key = check.key();
  EXPECT_EQ(key, KeyedHash("key")("ann@example.com"));
  row.email =
      "ann@b\xC3\xBC"
      "cher.example";
  EXPECT_EQ(check.check(row), "");
  EXPECT_EQ(check.address(), "ann@xn--bcher-kva.example");
  row.email =
      "j\xC3\xB6"
      "rg@example.com";
  EXPECT_EQ(check.check(row), "");
  EXPECT_EQ(check.address(), "j\xC3\xB6rg@example.com");
  EXPECT_EQ(check.key(), KeyedHash("key")("j\xC3\xB6rg@example.com"));
  row.email = std::string_view("ann@example.com\r\nx", 18);
  EXPECT_EQ(check.check(row), "control character");
  row.problem = "3 fields";
  EXPECT_EQ(check.check(row), "3 fields");
}

TEST(RowBatch, GivesBackWhatWasPutIn) {
  RowBatch batch;
  const std::string_view values[] = {"a@example.com", "", "Ann"};
  PackedRow row;
  row.number = 7;
  row.domain_hash = 9;
  row.partition = 63;
  row.suppressed = true;
  row.domain = "example.com#3";
  row.address = "a@example.com";
  batch.add(row, values);
  row.number = 8;
  batch.add(row, {});
  const PackedRow first = read_row(batch.bytes);
  EXPECT_EQ(first.number, 7U);
  EXPECT_EQ(first.domain, "example.com#3");
  EXPECT_EQ(first.address, "a@example.com");
  EXPECT_TRUE(first.suppressed);
  std::vector<std::string_view> got;
  unpack_values(first, got);
  EXPECT_EQ(got, std::vector<std::string_view>(std::begin(values), std::end(values)));
  const PackedRow second = read_row(std::string_view(batch.bytes).substr(first.bytes.size()));
  EXPECT_EQ(second.number, 8U);
  EXPECT_EQ(first.bytes.size() + second.bytes.size(), batch.bytes.size());
}

}  // namespace
}  // namespace volley::intake
