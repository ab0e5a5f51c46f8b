#include "engine/intake/slice_packer.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "base/hash.h"

namespace volley::intake {
namespace {

// One partition's rows, and the calls that they are packed into.
class SlicePackerTest : public testing::Test {
 protected:
  void add(const std::string& domain, uint64_t number, bool suppressed = false) {
    const std::string address = "u" + std::to_string(number) + "@" + domain;
    PackedRow row;
    row.number = number;
    row.domain = domain;
    row.domain_hash = xxh64(domain);
    row.address = address;
    row.suppressed = suppressed;
    batch_.add(row, {});
  }
  // So many rows of each domain, by turns.
  void add_rows(uint64_t domains, uint64_t rows) {
    for (uint64_t i = 0; i < domains * rows; ++i) {
      add("d" + std::to_string(i % domains) + ".example.com", i + 1);
    }
  }
  uint64_t pack(uint64_t end, bool may_be_shorter = true) {
    SlicePacker packer(nullptr, "c", queue::Lane::kBulk, limits_);
    end = packer.load(batch_.bytes, end, may_be_shorter);
    taken_ = packer.bytes();
    EXPECT_TRUE(packer
                    .pack(3, at_, 1000,
                          [&](queue::ImportFlush call, size_t) {
                            calls_.push_back(std::move(call));
                            return Status();
                          })
                    .ok());
    return end;
  }

  RowBatch batch_;
  ImportLimits limits_;
  queue::ImportMark at_{.row = 0};
  std::vector<queue::ImportFlush> calls_;
  size_t taken_ = 0;
};

TEST_F(SlicePackerTest, ASliceIsOneCallWithFullChunks) {
  add_rows(10, 300);
  pack(5000);
  ASSERT_EQ(calls_.size(), 1U);
  EXPECT_EQ(calls_[0].partition, 3U);
  EXPECT_EQ(calls_[0].mark, 5000U);
  EXPECT_EQ(calls_[0].upto, 0U);
  EXPECT_EQ(calls_[0].parts.size(), 20U);
  for (const auto& part : calls_[0].parts) EXPECT_EQ(part.recipients, 150U);
  EXPECT_EQ(at_, queue::ImportMark{.row = 5000});
  EXPECT_EQ(taken_, batch_.bytes.size());
}

TEST_F(SlicePackerTest, CallsAreCutBetweenDomainsAndGoOnFromEachOther) {
  add_rows(50, 4);
  limits_.call_chunks = 7;
  pack(200);
  ASSERT_EQ(calls_.size(), 8U);
  queue::ImportMark at;
  std::set<std::string> domains;
  for (const queue::ImportFlush& call : calls_) {
    EXPECT_LE(call.parts.size(), 7U);
    EXPECT_EQ(call.mark, 200U);
    ASSERT_TRUE(call.after.has_value());
    EXPECT_EQ(*call.after, at);
    for (const auto& part : call.parts) {
      EXPECT_EQ(part.recipients, 4U);
      EXPECT_TRUE(domains.insert(part.domain).second) << part.domain;
      const uint64_t hash = xxh64(part.domain);
      EXPECT_FALSE(at.covers(1, hash)) << "written twice";
      EXPECT_TRUE(call.upto == 0 || hash >> 32 < call.upto);
    }
    if (call.upto > 0) at = {0, 200, call.upto};
  }
  EXPECT_EQ(calls_.back().upto, 0U);
  EXPECT_EQ(domains.size(), 50U);
  EXPECT_EQ(at_, queue::ImportMark{.row = 200});
}

TEST_F(SlicePackerTest, CallsAreBoundedInBytesToo) {
  add_rows(50, 4);
  limits_.call_bytes = 500;
  pack(200);
  EXPECT_GT(calls_.size(), 5U);
  for (uint64_t i = 201; i <= 400; ++i) add("d" + std::to_string(i) + ".example.com", i, true);
  calls_.clear();
  batch_.bytes.erase(0, taken_);
  pack(400);
  EXPECT_GT(calls_.size(), 5U) << "suppressed ones count";
}

// A domain with more than a call can take ends the slice before that row.
TEST_F(SlicePackerTest, ALargeDomainMakesTheSliceShorter) {
  for (uint64_t i = 1; i <= 1000; ++i) {
    add(i % 2 == 0 ? "big.example.com" : "d" + std::to_string(i) + ".example.com", i);
  }
  limits_.domain_bytes = size_t{100} * (32 + 4 + 16 + 15);
  const uint64_t end = pack(1000);
  EXPECT_LT(end, 300U);
  EXPECT_GT(end, 100U);
  EXPECT_EQ(at_, queue::ImportMark{.row = end});
  std::map<std::string, uint32_t> recipients;
  for (const auto& call : calls_) {
    for (const auto& part : call.parts) recipients[part.domain] += part.recipients;
  }
  EXPECT_EQ(recipients["big.example.com"], end / 2);
  EXPECT_EQ(read_row(std::string_view(batch_.bytes).substr(taken_)).number, end + 1);
  // One that an earlier run has begun has its end.
  at_ = {0, 1000, 1};
  EXPECT_EQ(pack(1000, false), 1000U);
  EXPECT_EQ(taken_, batch_.bytes.size());
}

TEST_F(SlicePackerTest, AnEmptySliceStillMovesTheMark) {
  at_ = {10, 20, 77};
  pack(20, false);
  ASSERT_EQ(calls_.size(), 1U);
  EXPECT_EQ(calls_[0].mark, 20U);
  EXPECT_EQ(calls_[0].upto, 0U);
  EXPECT_EQ(*calls_[0].after, (queue::ImportMark{10, 20, 77}));
  EXPECT_EQ(at_, queue::ImportMark{.row = 20});
}

}  // namespace
}  // namespace volley::intake
