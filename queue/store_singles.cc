#include <fmt/format.h>

#include "queue/chunk.h"
#include "queue/pack.h"
#include "queue/store_impl.h"

namespace volley::queue {

namespace {

constexpr int64_t kIdempotencySeconds = 24LL * 3600;

std::string encode_single(const SingleMessage& message, uint64_t number, int64_t now_ms) {
  ChunkBuilder builder;
  Recipient recipient;
  recipient.number = number;
  recipient.address = message.address;
  recipient.return_path = message.return_path;
  recipient.enqueued_ms = now_ms;
  builder.add(recipient);
  builder.set_inline_content(message.content.size() <= kMaxInlineContent
                                 ? message.content
                                 : fmt::format("ref:{}", number));
  return builder.encode();
}

}  // namespace

// Reserve the key, then enqueue; enqueueing is idempotent by number, so a crash between is healed when the client repeats.
Result<SubmitResult> Store::submit(const SingleMessage& message, std::string& id_out) {
  const size_t at = message.address.rfind('@');
  if (at == std::string::npos) return Error{Errc::kData, "the recipient's address has no domain"};
  const std::string_view domain = std::string_view(message.address).substr(at + 1);
  if (Status good = check_key_part("domain", domain); !good) return good.error();

  uint64_t number = message.number;
  uint32_t partition = partition_of(queue_domain(domain, number), impl_->partitions);
  id_out = single_message_id(number, partition);
  bool replay = false;
  if (!message.idempotency_key.empty()) {
    Command reserve("SET");
    reserve.arg(idempotency_key(message.idempotency_key))
        .arg(id_out + '|' + message.body_fingerprint);
    reserve.arg("NX").arg("GET").arg("EX").number(kIdempotencySeconds);
    auto before = impl_->link.run(reserve);
    if (!before) return before.error();
    const std::string_view held = before->view().text();
    const size_t bar = held.find('|');
    if (bar != std::string_view::npos) {
      replay = held.substr(0, bar) != id_out;  // our own, when the first answer was lost
      id_out = held.substr(0, bar);
      if (held.substr(bar + 1) != message.body_fingerprint) return SubmitResult::kConflict;
      if (!parse_single_message_id(id_out, number, partition) || partition >= impl_->partitions) {
        return Error{Errc::kData, "the idempotency record in the queue is corrupt"};
      }
    }
  }

  auto now = now_ms();
  if (!now) return now.error();
  std::string content;
  if (message.content.size() > kMaxInlineContent) pack(message.content, content, 3);
  Command submit = Command::function("volley1_submit", partition_key(partition));
  submit.arg(queue_domain(domain, number)).arg(fmt::format("{}", number));
  submit.arg(encode_single(message, number, *now)).arg(content);
  auto answer = impl_->link.run(submit);
  if (!answer) return answer.error();
  return replay ? SubmitResult::kAlreadyThere : SubmitResult::kQueued;
}

Result<std::optional<SingleStatus>> Store::single(std::string_view id) {
  uint64_t number = 0;
  uint32_t partition = 0;
  if (!parse_single_message_id(id, number, partition) || partition >= impl_->partitions) {
    return std::optional<SingleStatus>();
  }
  Command get("HMGET");
  get.arg(partition_key(partition, fmt::format("m:{}", number)));
  get.arg("state").arg("attempts").arg("code").arg("text").arg("at");
  auto answer = impl_->link.run(get);
  if (!answer) return answer.error();
  const ReplyView fields = answer->view();
  if (fields.at(0).is_nil()) return std::optional<SingleStatus>();
  SingleStatus status;
  status.state = fields.at(0).text();
  status.attempts = static_cast<uint32_t>(fields.at(1).unsigned_number());
  status.code = static_cast<uint16_t>(fields.at(2).unsigned_number());
  status.text = fields.at(3).text();
  status.at_ms = fields.at(4).number();
  return std::optional<SingleStatus>(std::move(status));
}

}  // namespace volley::queue
