// The path a message takes from a decoded chunk to bytes on the wire, and its reply to an outcome.
#include <memory>
#include <vector>

#include "bench/replay/conversation.h"
#include "bench/replay/recorded.h"
#include "bench/replay/replay.h"
#include "bench/replay/require.h"
#include "engine/delivery/outcome_policy.h"
#include "engine/message/renderer.h"
#include "engine/smtp/classify.h"

namespace volley::bench {
namespace {

constexpr uint32_t kChunk = queue::kMaxChunkRecipients;
constexpr size_t kBuffers =
    16;  // more than a window of messages: a buffer is free when its turn comes

// Renders into buffers that are used again, as the Preparer does.
class Messages {
 public:
  Messages() : chunk_(queue::Chunk::decode(chunk(1, kChunk)).value()) {
    auto compiled = message::Renderer::compile(campaign("", kAccents), columns());
    require(compiled.ok(), "the campaign does not compile");
    renderer_ = std::move(*compiled);
    for (auto& buffer : buffers_) buffer = std::make_shared<std::string>();
  }

  void next(smtp::Transaction& transaction) {
    const queue::Recipient& recipient = chunk_.recipients()[made_ % kChunk];
    auto& buffer = buffers_[made_++ % kBuffers];
    require(buffer.use_count() == 1, "a message holds on to its buffer");
    const message::RecipientView view{recipient.number, recipient.address, recipient.values};
    require(renderer_->render(view, stamp_, *buffer).ok(), "a message cannot be rendered");
    require(renderer_->return_path(view, transaction.mail_from).ok(),
            "a sender cannot be rendered");
    transaction.body = buffer;
    transaction.rcpts = {std::string(recipient.address)};
  }

 private:
  queue::Chunk chunk_;
  std::unique_ptr<message::Renderer> renderer_;
  const message::Stamp stamp_{from_ms(1'700'000'000'000), "mail.example.com"};
  std::shared_ptr<std::string> buffers_[kBuffers];
  uint64_t made_ = 0;
};

uint64_t send(uint64_t count, bool bdat) {
  Messages messages;
  Conversation conversation(bdat);
  conversation.send(count, [&](smtp::Transaction& transaction) { messages.next(transaction); });
  return conversation.bytes_out();
}

}  // namespace

uint64_t message_data(uint64_t count) { return send(count, false); }
uint64_t message_bdat(uint64_t count) { return send(count, true); }

uint64_t refusal(uint64_t count) {
  const smtp::Classifier classifier;
  const queue::RetryPolicy policy;
  Random random(1);
  smtp::ReplyParser parser;
  uint64_t bytes = 0;
  for (uint64_t i = 0; i < count; ++i) {
    std::string_view text = kRefusals[i % kRefusals.size()];
    size_t used = 0;
    require(parser.parse(text, used) == smtp::ReplyParser::Progress::kReply, "no reply");
    bytes += used;
    smtp::Outcome outcome;
    outcome.stage = smtp::Stage::kRcpt;
    outcome.reply = parser.take();
    outcome.kind =
        outcome.reply.code >= 500 ? smtp::Outcome::Kind::kFailed : smtp::Outcome::Kind::kRetry;
    const smtp::Verdict verdict = classifier.classify(outcome);
    const delivery::PathAction action = delivery::path_action(outcome, verdict);
    const delivery::Decision decision = delivery::decide(outcome, verdict, {}, policy, random);
    require(decision.verdict != delivery::Verdict::kDelivered,
            "a refusal was taken for a delivery");
    bytes += action.final;
  }
  return bytes;
}

}  // namespace volley::bench
