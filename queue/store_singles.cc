#include <fmt/format.h>

#include <utility>

#include "queue/chunk.h"
#include "queue/pack.h"
#include "queue/store_impl.h"
#include "queue/stream.h"

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

// A message on its way into the queue.
struct Submission {
  const SingleMessage* message = nullptr;
  std::string domain;  // queue key
  uint64_t number = 0;
  uint32_t partition = 0;
  bool replay = false;  // its key was used before, with this body
  Submitted answer;

  bool goes_on() const { return answer.result == SubmitResult::kQueued; }
  void refuse(std::string reason) {
    answer.result = SubmitResult::kRefused;
    answer.reason = std::move(reason);
  }
};

Submission submission_of(const SingleMessage& message, uint32_t partitions) {
  Submission out;
  out.message = &message;
  out.number = message.number;
  const size_t at = message.address.rfind('@');
  if (at == std::string::npos) {
    out.refuse("the recipient's address has no domain");
    return out;
  }
  const std::string_view domain = std::string_view(message.address).substr(at + 1);
  if (Status good = check_key_part("domain", domain); !good) {
    out.refuse(good.error().message);
    return out;
  }
  out.domain = queue_domain(domain, out.number);
  out.partition = partition_of(out.domain, partitions);
  out.answer.id = single_message_id(out.number, out.partition);
  return out;
}

Command reserve_command(const Submission& submission) {
  Command reserve("SET");
  reserve.arg(idempotency_key(submission.message->idempotency_key))
      .arg(submission.answer.id + '|' + submission.message->body_fingerprint);
  reserve.arg("NX").arg("GET").arg("EX").number(kIdempotencySeconds);
  return reserve;
}

// What was there before under the key decides.
void reserved(Submission& submission, std::string_view held, uint32_t partitions) {
  const size_t bar = held.find('|');
  if (bar == std::string_view::npos) return;
  const std::string_view id = held.substr(0, bar);
  submission.replay = id != submission.answer.id;  // our own, when the first answer was lost
  submission.answer.id = id;
  if (held.substr(bar + 1) != submission.message->body_fingerprint) {
    submission.answer.result = SubmitResult::kConflict;
    return;
  }
  if (!parse_single_message_id(id, submission.number, submission.partition) ||
      submission.partition >= partitions) {
    submission.refuse("the idempotency record in the queue is corrupt");
    return;
  }
  const std::string& address = submission.message->address;
  submission.domain =
      queue_domain(std::string_view(address).substr(address.rfind('@') + 1), submission.number);
}

Command submit_command(const Submission& submission, int64_t now_ms) {
  const SingleMessage& message = *submission.message;
  std::string content;
  if (message.content.size() > kMaxInlineContent) pack(message.content, content, 3);
  Command submit = Command::function("volley1_submit", partition_key(submission.partition));
  submit.arg(submission.domain).arg(fmt::format("{}", submission.number));
  submit.arg(encode_single(message, submission.number, now_ms)).arg(content);
  return submit;
}

Status reserve_keys(StoreLink& link, std::span<Submission> submissions, uint32_t partitions) {
  std::vector<Command> commands;
  std::vector<Submission*> asked;
  for (Submission& submission : submissions) {
    if (!submission.goes_on() || submission.message->idempotency_key.empty()) continue;
    commands.push_back(reserve_command(submission));
    asked.push_back(&submission);
  }
  if (commands.empty()) return {};
  auto before = link.run(commands);
  if (!before) return before.error();
  for (size_t i = 0; i < asked.size(); ++i)
    reserved(*asked[i], before->at(i).view().text(), partitions);
  return {};
}

}  // namespace

// Reserve the keys, then enqueue; enqueueing is idempotent by number, so a crash between is healed when the client repeats.
Result<std::vector<Submitted>> Store::submit(std::span<const SingleMessage> messages) {
  std::vector<Submission> submissions;
  submissions.reserve(messages.size());
  for (const SingleMessage& message : messages)
    submissions.push_back(submission_of(message, impl_->partitions));
  if (Status done = reserve_keys(impl_->link, submissions, impl_->partitions); !done)
    return done.error();

  std::vector<Command> commands;
  std::vector<Submission*> sent;
  auto now = now_ms();
  if (!now) return now.error();
  for (Submission& submission : submissions) {
    if (!submission.goes_on()) continue;
    commands.push_back(submit_command(submission, *now));
    sent.push_back(&submission);
  }
  if (!commands.empty()) {
    auto answers = impl_->link.run(commands);
    if (!answers) return answers.error();
    for (size_t i = 0; i < sent.size(); ++i) {
      const bool is_new = answers->at(i).view().number() == 1;
      if (sent[i]->replay && !is_new) sent[i]->answer.result = SubmitResult::kAlreadyThere;
    }
  }
  std::vector<Submitted> out;
  out.reserve(submissions.size());
  for (Submission& submission : submissions) out.push_back(std::move(submission.answer));
  return out;
}

Result<SubmitResult> Store::submit(const SingleMessage& message, std::string& id_out) {
  auto answers = submit(std::span(&message, 1));
  if (!answers) return answers.error();
  Submitted& answer = answers->front();
  if (answer.result == SubmitResult::kRefused) return Error{Errc::kData, std::move(answer.reason)};
  id_out = std::move(answer.id);
  return answer.result;
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

Result<IntakeBacklog> Store::intake_backlog() {
  const Command lengths[] = {Command("XLEN").arg(kIntakeStream),
                             Command("XLEN").arg(kIntakeParked)};
  auto answers = impl_->link.run(lengths);
  if (!answers) return answers.error();
  return IntakeBacklog{answers->at(0).view().unsigned_number(),
                       answers->at(1).view().unsigned_number()};
}

}  // namespace volley::queue
