#include <gtest/gtest.h>

#include "base/random.h"
#include "queue/chunk.h"
#include "queue/door.h"
#include "queue/outcomes.h"
#include "queue/pack.h"
#include "queue/types.h"

namespace volley::queue {
namespace {

std::string sample_chunk(size_t count, bool one_domain) {
  ChunkBuilder builder;
  for (size_t i = 0; i < count; ++i) {
    const std::string address =
        "först.last" + std::to_string(i * 37) +
        (one_domain ? "@example.com" : "@d" + std::to_string(i) + ".example");
    const std::string name = "Name " + std::to_string(i), city = i % 3 == 0 ? "Zürich" : "";
    const std::string_view values[] = {name, city, "constant"};
    Recipient r;
    r.number = 1000 + i;
    r.address = address;
    r.values = std::span<const std::string_view>(values, i % 5 == 4 ? 2 : 3);
    r.attempts = static_cast<uint32_t>(i % 2);
    r.enqueued_ms = 1700000000000 + static_cast<int64_t>(i);
    r.not_before_ms = i == 3 ? 1 : 0;
    r.first_attempt_ms = 7;
    r.last_code = i % 2 == 0 ? 0 : 451;
    r.source = i % 2 == 0 ? "" : "192.0.2.1";
    r.return_path = "bounce@example.org";
    builder.add(r);
  }
  EXPECT_EQ(builder.size(), count);
  EXPECT_GT(builder.raw_bytes(), 0u);
  std::string out = builder.encode();
  EXPECT_EQ(builder.size(), 0u);
  return out;
}

TEST(Chunk, RoundTrip) {
  for (const size_t count : {1u, 2u, 17u, 256u}) {
    for (const bool one_domain : {true, false}) {
      auto chunk = Chunk::decode(sample_chunk(count, one_domain));
      ASSERT_TRUE(chunk.ok()) << chunk.error().message;
      ASSERT_EQ(chunk->recipients().size(), count);
      EXPECT_EQ(chunk->inline_content(), "");
      for (size_t i = 0; i < count; ++i) {
        const Recipient& r = chunk->recipients()[i];
        EXPECT_EQ(r.number, 1000 + i);
        EXPECT_EQ(r.address,
                  "först.last" + std::to_string(i * 37) +
                      (one_domain ? "@example.com" : "@d" + std::to_string(i) + ".example"));
        ASSERT_EQ(r.values.size(), i % 5 == 4 ? 2u : 3u);
        EXPECT_EQ(r.values[0], "Name " + std::to_string(i));
        EXPECT_EQ(r.values[1], i % 3 == 0 ? "Zürich" : "");
        if (r.values.size() == 3) {
          EXPECT_EQ(r.values[2], "constant");
        }
        EXPECT_EQ(r.attempts, i % 2);
        EXPECT_EQ(r.enqueued_ms, 1700000000000 + static_cast<int64_t>(i));
        EXPECT_EQ(r.first_attempt_ms, 7);
        EXPECT_EQ(r.not_before_ms, i == 3 ? 1 : 0);
        EXPECT_EQ(r.last_code, i % 2 == 0 ? 0 : 451);
        EXPECT_EQ(r.source, i % 2 == 0 ? "" : "192.0.2.1");
        EXPECT_EQ(r.return_path, "bounce@example.org");
        EXPECT_EQ(r.dsn, "");
      }
    }
  }
}

TEST(Chunk, ExtremeNumbersAndInlineContent) {
  ChunkBuilder builder;
  for (const uint64_t number : {~uint64_t{0}, uint64_t{0}, uint64_t{1} << 63}) {
    Recipient r;
    r.number = number;
    r.address = number == 0 ? "" : "no-at-sign";
    builder.add(r);
  }
  const std::string content(kMaxInlineContent, '\0');
  builder.set_inline_content(content);
  auto chunk = Chunk::decode(builder.encode());
  ASSERT_TRUE(chunk.ok());
  EXPECT_EQ(chunk->recipients()[0].number, ~uint64_t{0});
  EXPECT_EQ(chunk->recipients()[1].number, 0u);
  EXPECT_EQ(chunk->recipients()[1].address, "");
  EXPECT_EQ(chunk->recipients()[2].number, uint64_t{1} << 63);
  EXPECT_EQ(chunk->inline_content(), content);
}

TEST(Chunk, EveryFlippedByteIsNoticed) {
  const std::string good = sample_chunk(20, true);
  for (size_t i = 0; i < good.size(); ++i) {
    for (const int mask : {0x01, 0x80, 0xff}) {
      std::string bad = good;
      bad[i] = static_cast<char>(bad[i] ^ mask);
      EXPECT_FALSE(Chunk::decode(bad).ok()) << "byte " << i;
    }
  }
  for (size_t size = 0; size < good.size(); ++size)
    EXPECT_FALSE(Chunk::decode(good.substr(0, size)).ok());
  EXPECT_FALSE(Chunk::decode(good + "x").ok());
}

TEST(Chunk, PacksTightly) {
  ChunkBuilder builder;
  Random random(1);
  size_t row_bytes = 0;
  for (size_t i = 0; i < 256; ++i) {
    const std::string address = "user" + std::to_string(random.below(10000000)) + "@example.com";
    const std::string first = "First" + std::to_string(random.below(500)),
                      last = "Last" + std::to_string(random.below(5000));
    const std::string city = "City" + std::to_string(random.below(300)),
                      url = "https://example.com/u/" + std::to_string(random.next());
    const std::string_view values[] = {first, last, city, url};
    Recipient r;
    r.number = i + 1;
    r.address = address;
    r.values = values;
    builder.add(r);
    row_bytes += address.size() + first.size() + last.size() + city.size() + url.size() + 5;
  }
  EXPECT_LT(builder.encode().size(), row_bytes / 2);
}

TEST(Pack, CorruptInputNeverCrashes) {
  Random random(7);
  std::string packed;
  pack(std::string(5000, 'a') + "some text", packed);
  for (int round = 0; round < 2000; ++round) {
    std::string bad = packed;
    const size_t changes = 1 + random.below(4);
    for (size_t i = 0; i < changes; ++i)
      bad[random.below(bad.size())] = static_cast<char>(random.next());
    (void)unpack(bad, 1 << 20);
  }
  EXPECT_FALSE(unpack(packed, 100).ok());
  EXPECT_FALSE(unpack("", 100).ok());
}

TEST(Outcomes, RoundTripAndSize) {
  std::vector<FinalOutcome> outcomes;
  Random random(3);
  for (uint64_t i = 0; i < 256; ++i) {
    outcomes.push_back({i * 3, Outcome::kDelivered, 250, "2.0.0",
                        "user" + std::to_string(random.below(1000000)) + "@example.com"});
  }
  const std::string packed = encode_outcomes(outcomes);
  EXPECT_LT(packed.size(), 20 * outcomes.size());
  outcomes.push_back({7, Outcome::kBounced, 550, "5.1.1", "other@example.org"});
  outcomes.push_back({8, Outcome::kSuppressed, 0, "", "x@example.net"});
  auto back = decode_outcomes(encode_outcomes(outcomes));
  ASSERT_TRUE(back.ok());
  ASSERT_EQ(back->size(), outcomes.size());
  for (size_t i = 0; i < outcomes.size(); ++i) {
    EXPECT_EQ((*back)[i].number, outcomes[i].number);
    EXPECT_EQ((*back)[i].outcome, outcomes[i].outcome);
    EXPECT_EQ((*back)[i].code, outcomes[i].code);
    EXPECT_EQ((*back)[i].enhanced, outcomes[i].enhanced);
    EXPECT_EQ((*back)[i].address, outcomes[i].address);
  }
  EXPECT_EQ(encode_outcomes({}), "");
  EXPECT_TRUE(decode_outcomes("")->empty());
  for (size_t i = 0; i < packed.size(); ++i) {
    std::string bad = packed;
    bad[i] = static_cast<char>(bad[i] ^ 0x41);
    (void)decode_outcomes(bad);
    (void)decode_outcomes(packed.substr(0, i));
  }
}

TEST(Numbers, RoundTrip) {
  const std::vector<uint64_t> numbers = {5, 1, ~uint64_t{0}, 5, 0};
  auto back = unpack_numbers(pack_numbers(numbers));
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(*back, (std::vector<uint64_t>{0, 1, 5, ~uint64_t{0}}));
  EXPECT_EQ(pack_numbers({}), "");
  EXPECT_TRUE(unpack_numbers("")->empty());
  EXPECT_FALSE(unpack_numbers("\x80").ok());
  EXPECT_FALSE(unpack_numbers(std::string("\x05\x00", 2)).ok());
}

TEST(Types, BigDomainsAreSplit) {
  EXPECT_EQ(queue_domain("example.com", 5), "example.com");
  EXPECT_EQ(queue_domain("gmail.com", 5), "gmail.com#5");
  EXPECT_EQ(queue_domain("yandex.ru", 9), "yandex.ru#1");
  EXPECT_EQ(queue_domain("aol.com", 8), "aol.com#0");
  EXPECT_EQ(domain_of("gmail.com#5"), "gmail.com");
  EXPECT_EQ(domain_of("example.com"), "example.com");
  EXPECT_LT(partition_of("gmail.com#5", 64), 64u);
}

TEST(Content, References) {
  std::string_view ref;
  EXPECT_TRUE(is_content_ref("ref:42", ref));
  EXPECT_EQ(ref, "42");
  EXPECT_FALSE(is_content_ref("Subject: ref:42", ref));
}

}  // namespace
}  // namespace volley::queue
