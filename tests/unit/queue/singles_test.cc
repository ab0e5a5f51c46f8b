#include <gtest/gtest.h>

#include "queue/keys.h"
#include "tests/unit/queue/harness.h"

namespace volley::queue {
namespace {

using namespace testing;

struct SinglesTest : ::testing::Test {
  void SetUp() override {
    redis.run({"HSET", "volley:{g}:meta", "retry_wheel_ms", "1"});
    message.number = 0xfedcba9876543210;
    message.address = "ann@example.com";
    message.return_path = "bounce@example.org";
    message.content = "Subject: hi\r\n\r\nhello";
  }
  SingleStatus status(const std::string& id) {
    auto found = store->single(id);
    EXPECT_TRUE(found.ok() && found->has_value());
    return found.ok() && found->has_value() ? **found : SingleStatus();
  }

  RedisServer redis;
  std::unique_ptr<Store> store = redis.store(1);
  SingleMessage message;
};

TEST_F(SinglesTest, Ids) {
  uint64_t number = 0;
  uint32_t partition = 0;
  const std::string id = single_message_id(0xfedcba9876543210, 63);
  ASSERT_TRUE(parse_single_message_id(id, number, partition));
  EXPECT_EQ(number, 0xfedcba9876543210);
  EXPECT_EQ(partition, 63u);
  for (const std::string& bad : {std::string(), std::string("x"), id + "g", "G" + id.substr(1),
                                 id.substr(1), std::string(40, '0')}) {
    EXPECT_FALSE(parse_single_message_id(bad, number, partition)) << bad;
  }
}

TEST_F(SinglesTest, SubmitDeferDeliver) {
  std::string id;
  EXPECT_EQ(*store->submit(message, id), SubmitResult::kQueued);
  EXPECT_EQ(status(id).state, "queued");
  EXPECT_EQ(*store->submit(message, id), SubmitResult::kQueued);  // the same number: not again
  EXPECT_EQ(counts_of(*store, std::string(kSingleMessages)).accepted, 1u);

  Engine engine(redis);
  engine.own();
  Claimed claimed = engine.claim_one();
  auto chunk = Chunk::decode(claimed.chunk);
  ASSERT_TRUE(chunk.ok());
  EXPECT_EQ(chunk->inline_content(), message.content);
  EXPECT_EQ(chunk->recipients()[0].number, message.number);
  EXPECT_EQ(chunk->recipients()[0].return_path, "bounce@example.org");
  EXPECT_GT(chunk->recipients()[0].enqueued_ms, 0);

  Settlement s = engine.closing(claimed);
  s.deferrals = 1;
  s.retries.push_back({0, 1, claimed.chunk});
  s.single_notes.emplace_back(message.number, "451 4.7.1 greylisted");
  ASSERT_EQ(*engine.settle(s), SettleResult::kApplied);
  SingleStatus now = status(id);
  EXPECT_EQ(now.state, "deferred");
  EXPECT_EQ(now.code, 451);
  EXPECT_EQ(now.attempts, 1u);
  EXPECT_EQ(now.text, "451 4.7.1 greylisted");

  ClaimReply reply;
  while (reply.chunks.empty()) reply = engine.claim();
  s = engine.closing(reply.chunks[0]);
  s.outcomes.push_back({message.number, Outcome::kDelivered, 250, "2.0.0", message.address});
  ASSERT_EQ(*engine.settle(s), SettleResult::kApplied);
  now = status(id);
  EXPECT_EQ(now.state, "delivered");
  EXPECT_EQ(now.code, 250);
  EXPECT_EQ(now.attempts, 2u);
  EXPECT_GT(redis.number({"TTL", partition_key(0, "m:" + std::to_string(message.number))}),
            6 * 86400);
  EXPECT_EQ(counts_of(*store, std::string(kSingleMessages)).delivered, 1u);
  EXPECT_EQ(redis.number({"EXISTS", partition_key(0, "o:_messages")}), 0);
  EXPECT_FALSE(store->single("0000000000000001000")->has_value());
  EXPECT_FALSE(store->single("nonsense")->has_value());
}

TEST_F(SinglesTest, IdempotencyKeys) {
  message.idempotency_key = "order-17";
  message.body_fingerprint = "aaa";
  std::string first, second, third;
  EXPECT_EQ(*store->submit(message, first), SubmitResult::kQueued);
  SingleMessage repeated = message;
  repeated.number = 12345;
  EXPECT_EQ(*store->submit(repeated, second), SubmitResult::kAlreadyThere);
  EXPECT_EQ(second, first);
  repeated.body_fingerprint = "bbb";
  EXPECT_EQ(*store->submit(repeated, third), SubmitResult::kConflict);
  EXPECT_EQ(counts_of(*store, std::string(kSingleMessages)).accepted, 1u);
  EXPECT_GT(redis.number({"TTL", idempotency_key("order-17")}), 86000);
}

TEST_F(SinglesTest, ACrashBetweenReservingAndQueueingIsHealed) {
  message.idempotency_key = "k";
  message.body_fingerprint = "f";
  const std::string reserved = single_message_id(99, 0);
  redis.run({"SET", idempotency_key("k"), reserved + "|f"});
  std::string id;
  EXPECT_EQ(*store->submit(message, id), SubmitResult::kQueued);  // nobody had
  EXPECT_EQ(id, reserved);
  EXPECT_EQ(*store->submit(message, id), SubmitResult::kAlreadyThere);
  EXPECT_EQ(status(id).state, "queued");
  Engine engine(redis);
  engine.own();
  EXPECT_EQ(numbers_of(engine.claim_one().chunk), std::vector<uint64_t>{99});
}

TEST_F(SinglesTest, ManyInOneCallEachWithAnAnswer) {
  std::vector<SingleMessage> many(6, message);
  for (size_t i = 0; i < many.size(); ++i) {
    many[i].number = i + 1;
    many[i].idempotency_key = "k" + std::to_string(i);
    many[i].body_fingerprint = "f";
  }
  many[1].address = "nobody";
  many[2].idempotency_key.clear();
  many[3].idempotency_key = "k0";  // twice in one call
  many[4].idempotency_key = "k0";
  many[4].body_fingerprint = "another";
  const auto answers = store->submit(many);
  ASSERT_TRUE(answers.ok()) << answers.error().message;
  std::vector<SubmitResult> results;
  for (const Submitted& answer : *answers) results.push_back(answer.result);
  using enum SubmitResult;
  EXPECT_EQ(results, (std::vector{kQueued, kRefused, kQueued, kAlreadyThere, kConflict, kQueued}));
  EXPECT_EQ(answers->at(0).id, single_message_id(1, 0));
  EXPECT_FALSE(answers->at(1).reason.empty());
  EXPECT_EQ(answers->at(3).id, answers->at(0).id);
  EXPECT_EQ(answers->at(4).id, answers->at(0).id);
  EXPECT_EQ(counts_of(*store, std::string(kSingleMessages)).accepted, 3u);
  many[1].address = message.address;
  EXPECT_EQ(store->submit(many)->at(1).result, kQueued);  // the call again: what is new in it, and what has no key
  EXPECT_EQ(counts_of(*store, std::string(kSingleMessages)).accepted, 4u);
  EXPECT_TRUE(store->submit(std::span<const SingleMessage>())->empty());
}

TEST_F(SinglesTest, LargeContentIsAReference) {
  message.content = std::string(kMaxInlineContent + 1, 'x');
  std::string id;
  ASSERT_EQ(*store->submit(message, id), SubmitResult::kQueued);
  Engine engine(redis);
  engine.own();
  const Claimed claimed = engine.claim_one();
  auto chunk = Chunk::decode(claimed.chunk);
  ASSERT_TRUE(chunk.ok());
  std::string_view ref;
  ASSERT_TRUE(is_content_ref(chunk->inline_content(), ref));
  auto content =
      engine.await<std::string>([&](auto done) { engine.door.content_ref(0, ref, done); });
  ASSERT_TRUE(content.ok());
  EXPECT_EQ(*content, message.content);
  Settlement s = engine.closing(claimed);
  s.outcomes.push_back({message.number, Outcome::kBounced, 550, "5.1.1", message.address});
  s.single_notes.emplace_back(message.number, "550 5.1.1 no such user");
  ASSERT_EQ(*engine.settle(s), SettleResult::kApplied);
  EXPECT_EQ(status(id).state, "bounced");
  EXPECT_EQ(status(id).text, "550 5.1.1 no such user");
  EXPECT_FALSE(
      engine.await<std::string>([&](auto done) { engine.door.content_ref(0, ref, done); }).ok());
}

TEST_F(SinglesTest, BadAddress) {
  std::string id;
  message.address = "nobody";
  EXPECT_EQ(store->submit(message, id).error().code, Errc::kData);
  message.address = "a@b c";
  EXPECT_FALSE(store->submit(message, id).ok());
}

}  // namespace
}  // namespace volley::queue
