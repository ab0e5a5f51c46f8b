#include "engine/intake/stream_entry.h"

#include <gtest/gtest.h>

#include "engine/intake/api_json.h"
#include "engine/intake/single_check.h"

namespace volley::intake {
namespace {

using Fields = std::vector<queue::StreamField>;

constexpr char kMessage[] =
    R"({"from": "a@example.com", "to": "b@example.net", "subject": "s", "text": "t"})";

std::string refusal(const Fields& fields) {
  const auto items = read_entry(fields);
  return items ? "none" : items.error().message;
}

TEST(StreamEntry, AMessageAndItsKey) {
  const auto items = read_entry(Fields{{"key", "order-1"}, {"message", kMessage}});
  ASSERT_TRUE(items.ok()) << items.error().message;
  ASSERT_EQ(items->size(), 1u);
  const StreamItem& item = items->front();
  EXPECT_FALSE(item.index);
  EXPECT_EQ(item.key, "order-1");
  EXPECT_EQ(item.fingerprint.size(), 64u);
  ASSERT_TRUE(item.message.ok());
  EXPECT_EQ(item.message.value().to, "b@example.net");
  EXPECT_TRUE(read_entry(Fields{{"message", kMessage}, {"key", ""}})->front().key.empty());
}

TEST(StreamEntry, WhatIsNoEntry) {
  EXPECT_EQ(refusal({}), "field message (or batch): missing");
  EXPECT_EQ(refusal({{"message", kMessage}, {"colour", "red"}}),
            "unknown field \"colour\"; there are message, key, batch");
  EXPECT_EQ(refusal({{"message", kMessage}, {"message", kMessage}}), "field message stands twice");
  EXPECT_EQ(refusal({{"message", kMessage}, {"batch", "[]"}}),
            "fields message and batch: one of them, not both");
  EXPECT_EQ(refusal({{"batch", "[]"}, {"key", "k"}}),
            "key: belongs into each message of the batch");
  EXPECT_EQ(refusal({{"message", kMessage}, {"key", "two words"}}),
            "key: at most 255 visible ASCII characters");
  EXPECT_EQ(refusal({{"message", "{"}}).find("the body is no JSON object: parse error"), 0u);
  EXPECT_EQ(refusal({{"message", R"({"from": "a@example.com"})"}}), "to: missing");
  const std::string large(kMaxSingleBytes + 1, ' ');
  EXPECT_EQ(refusal({{"message", large}}), "field message: larger than 10485760 bytes");
  EXPECT_EQ(refusal({{"batch", large}}), "field batch: larger than 10485760 bytes");
}

TEST(StreamEntry, WhatIsNoBatch) {
  EXPECT_EQ(refusal({{"batch", "{}"}}), "the batch is no JSON array: something else");
  EXPECT_EQ(refusal({{"batch", "[1"}}).find("the batch is no JSON array: parse error"), 0u);
  EXPECT_EQ(refusal({{"batch", R"([{"to": "a", "to": "b"}])"}}),
            "the batch is no JSON array: key \"to\" stands twice");
  EXPECT_EQ(refusal({{"batch", "[[[[[[1]]]]]]"}}), "the batch is no JSON array: nested too deep");
  EXPECT_EQ(refusal({{"batch", "[]"}}), "the batch is empty");
  std::string many = "[0";
  for (size_t i = 0; i < kMaxBatch; ++i) many += ",0";
  EXPECT_EQ(refusal({{"batch", many + "]"}}), "1001 messages in a batch, 1000 are allowed");
}

TEST(StreamEntry, ABatchWithBadOnesAmongTheGood) {
  const std::string good = kMessage, keyed = "{\"key\": \"k\"," + good.substr(1);
  const std::string with_headers =
      good.substr(0, good.size() - 1) + R"(, "headers": {"X-Order": "1"}})";
  const std::string batch = "[" + good + ", " + keyed +
                            R"(, 7, {"key": 7}, {"to": "x"}, {"key": "a b"}, )" + with_headers +
                            "]";
  const auto items = read_entry(Fields{{"batch", batch}});
  ASSERT_TRUE(items.ok()) << items.error().message;
  ASSERT_EQ(items->size(), 7u);
  std::vector<std::string> errors;
  for (const StreamItem& item : *items)
    errors.push_back(item.message ? "" : item.message.error().message);
  EXPECT_EQ(errors, (std::vector<std::string>{"", "", "not a JSON object", "key: must be a string",
                                              "from: missing",
                                              "key: at most 255 visible ASCII characters", ""}));
  EXPECT_EQ(items->at(1).key, "k");
  EXPECT_EQ(items->at(1).index, 1u);
  // The key is no part of the body, and spaces are none either.
  EXPECT_EQ(items->at(1).body,
            R"({"from":"a@example.com","to":"b@example.net","subject":"s","text":"t"})");
  EXPECT_EQ(items->at(0).fingerprint, items->at(1).fingerprint);
  const auto alone = read_entry(Fields{{"message", items->at(1).body}});
  EXPECT_EQ(alone->front().fingerprint, items->at(1).fingerprint);
}

TEST(StreamEntry, KeysOfEntriesAreNobodysKeys) {
  EXPECT_FALSE(is_usable_key(entry_key("1-0", std::nullopt)));
  EXPECT_FALSE(is_usable_key(entry_key("1-0", 3)));
  EXPECT_NE(entry_key("1-0", 3), entry_key("1-0", std::nullopt));
}

}  // namespace
}  // namespace volley::intake
