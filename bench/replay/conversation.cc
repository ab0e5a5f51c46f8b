#include "bench/replay/conversation.h"

#include <array>

#include "bench/replay/recorded.h"
#include "bench/replay/require.h"

namespace volley::bench {
namespace {

constexpr size_t kHighWater = size_t{256} << 10;
constexpr TimePoint kNow{std::chrono::hours(1)};

std::string_view reply_to(std::string_view line) {
  switch (line.front()) {
    case 'E':
      return kEhloReply;
    case 'M':
      return kMailReply;
    case 'R':
      return line.starts_with("RSET") ? kResetReply : kRcptReply;
    case 'D':
      return kDataReply;
    case 'B':
      return kTakenReply;
    case '.':
      return kTakenReply;
    case 'N':
      return kResetReply;
    case 'Q':
      return kQuitReply;
  }
  fail("the client said something that was not recorded");
}

}  // namespace

void Conversation::open() {
  smtp::ClientOptions options;
  options.ehlo_name = "mail.example.com";
  options.tls = smtp::TlsMode::kNever;
  if (bdat_) options.chunking = smtp::Chunking::kStream;
  client_.emplace(std::move(options));
  client_->start(kNow);
  submitted_ = 0;
  replies_ = kGreeting;
}

void Conversation::send(uint64_t count, const Next& next) {
  const uint64_t until = done_ + count;
  while (done_ < until) {
    if (!client_) open();
    if (!replies_.empty()) {
      bytes_in_ += replies_.size();
      client_->feed(replies_, kNow);
      replies_.clear();
    }
    take_events();
    if (!client_) continue;
    fill(until, next);
    const uint64_t before = bytes_out_;
    write();
    require(bytes_out_ > before || done_ == until,
            "the client waits for a reply that was not recorded");
  }
}

void Conversation::take_events() {
  while (const auto event = client_->next_event()) {
    if (const auto* result = std::get_if<smtp::TxnResult>(&*event)) {
      require(result->outcome.kind == smtp::Outcome::Kind::kDelivered,
              "a message was not delivered");
      bodies_.pop_front();
      ++done_;
    } else if (const auto* closed = std::get_if<smtp::Closed>(&*event)) {
      require(closed->reason == smtp::CloseReason::kQuit,
              "the session broke: " + closed->outcome.error);
      client_.reset();
      return;
    }
  }
}

void Conversation::fill(uint64_t until, const Next& next) {
  while (client_->can_submit() && begun_ < until && submitted_ < kMessages) {
    smtp::Transaction transaction;
    transaction.id = ++begun_;
    next(transaction);
    bodies_.push_back(transaction.body);
    client_->submit(std::move(transaction), kNow);
    if (++submitted_ == kMessages) client_->quit(kNow);
  }
}

void Conversation::write() {
  std::array<std::string_view, 64> slices;
  while (const size_t count = client_->gather(slices, kHighWater)) {
    size_t bytes = 0;
    for (size_t i = 0; i < count; ++i) {
      bytes += slices[i].size();
      if (!in_body(slices[i])) answer(slices[i]);
    }
    client_->consume(bytes, kNow);
    bytes_out_ += bytes;
    ++writes_;
  }
}

bool Conversation::in_body(std::string_view slice) const {
  for (const smtp::Body& body : bodies_) {
    if (slice.data() >= body->data() && slice.data() < body->data() + body->size()) return true;
  }
  return false;
}

// The core's own words are whole lines: commands, and the dot behind a body.
void Conversation::answer(std::string_view text) {
  while (!text.empty()) {
    const size_t end = text.find("\r\n");
    require(end != std::string_view::npos, "half a command in a slice");
    if (end > 0) replies_ += reply_to(text);
    text.remove_prefix(end + 2);
  }
}

}  // namespace volley::bench
