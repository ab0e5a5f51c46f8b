#include "queue/command.h"

#include <fmt/format.h>
#include <hiredis/hiredis.h>

#include <charconv>

#include "base/log.h"

namespace volley::queue {

Command Command::function(std::string_view name, std::string_view key) {
  Command command("FCALL");
  command.arg(name).arg("1").arg(key);
  return command;
}

Command& Command::arg(std::string_view text) {
  char size[24];
  const auto end = std::to_chars(size, size + sizeof size, text.size()).ptr;
  body_ += '$';
  body_.append(size, end);
  body_ += "\r\n";
  body_ += text;
  body_ += "\r\n";
  ++count_;
  return *this;
}

Command& Command::number(int64_t value) {
  char digits[24];
  const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
  return arg(std::string_view(digits, static_cast<size_t>(end - digits)));
}

void Command::write_to(std::string& out) const {
  out += fmt::format("*{}\r\n", count_);
  out += body_;
}

bool ReplyView::is_nil() const { return reply_ == nullptr || reply_->type == REDIS_REPLY_NIL; }
bool ReplyView::is_error() const { return reply_ != nullptr && reply_->type == REDIS_REPLY_ERROR; }

std::string_view ReplyView::text() const {
  if (reply_ == nullptr ||
      (reply_->type != REDIS_REPLY_STRING && reply_->type != REDIS_REPLY_STATUS &&
       reply_->type != REDIS_REPLY_ERROR)) {
    return {};
  }
  return {reply_->str, static_cast<size_t>(reply_->len)};
}

int64_t ReplyView::number() const {
  if (reply_ != nullptr && reply_->type == REDIS_REPLY_INTEGER) return reply_->integer;
  int64_t value = 0;
  const std::string_view digits = text();
  std::from_chars(digits.data(), digits.data() + digits.size(), value);
  return value;
}

uint64_t ReplyView::unsigned_number() const {
  const int64_t value = number();
  return value < 0 ? 0 : static_cast<uint64_t>(value);
}

size_t ReplyView::size() const {
  return reply_ != nullptr && reply_->type == REDIS_REPLY_ARRAY ? reply_->elements : 0;
}

ReplyView ReplyView::at(size_t i) const {
  return ReplyView(i < size() ? reply_->element[i] : nullptr);
}

void FreeReply::operator()(redisReply* reply) const { freeReplyObject(reply); }

struct ReplyReader::Impl {
  redisReader* reader = redisReaderCreate();
  ~Impl() { redisReaderFree(reader); }
};

ReplyReader::ReplyReader() : impl_(std::make_unique<Impl>()) {}
ReplyReader::~ReplyReader() = default;
ReplyReader::ReplyReader(ReplyReader&&) noexcept = default;
ReplyReader& ReplyReader::operator=(ReplyReader&&) noexcept = default;

void ReplyReader::feed(std::string_view bytes) {
  redisReaderFeed(impl_->reader, bytes.data(), bytes.size());
}

Result<bool> ReplyReader::next(Reply& out) {
  void* reply = nullptr;
  if (redisReaderGetReply(impl_->reader, &reply) != REDIS_OK) {
    return Error{Errc::kProtocol, fmt::format("not a Redis answer: {}", impl_->reader->errstr)};
  }
  if (reply == nullptr) return false;
  out = Reply(reply);
  return true;
}

namespace {

bool any_of(std::string_view error, std::initializer_list<std::string_view> words) {
  for (const std::string_view word : words) {
    if (error.starts_with(word)) return true;
  }
  return false;
}

}  // namespace

Trouble trouble_of(std::string_view error) {
  if (any_of(error, {"LOADING", "BUSY ", "MASTERDOWN", "TRYAGAIN", "CLUSTERDOWN", "UNKILLABLE"}))
    return Trouble::kWait;
  if (error.starts_with("ERR Function not found")) return Trouble::kReload;
  if (any_of(error, {"OOM", "MISCONF", "READONLY", "NOREPLICAS", "NOAUTH", "WRONGPASS", "NOPERM"}))
    return Trouble::kRefused;
  return Trouble::kMistake;
}

Error error_of(std::string_view error) {
  const std::string text = sanitize(error, 300);
  if (any_of(error, {"OOM"})) {
    return {Errc::kUnavailable,
            "the queue is full (Redis maxmemory reached): raise maxmemory, or let it drain"};
  }
  if (any_of(error, {"MISCONF"})) {
    return {Errc::kUnavailable,
            "Redis cannot write to its disk (MISCONF): free space, see its log"};
  }
  if (any_of(error, {"READONLY"})) {
    return {Errc::kUnavailable,
            "this Redis is a read-only replica: point the queue URL at the master"};
  }
  if (any_of(error, {"NOAUTH", "WRONGPASS", "NOPERM"})) {
    return {Errc::kNoPermission, fmt::format("Redis refuses our credentials: {}", text)};
  }
  if (any_of(error, {"LOADING"}))
    return {Errc::kUnavailable, "Redis is still loading its data: try again soon"};
  if (any_of(error, {"GAP"})) {
    return {Errc::kUnavailable,
            fmt::format("the queue went back during the import: run the same command again ({})",
                        text)};
  }
  if (any_of(error, {"STALE", "REFUSED", "FENCED", "CORRUPT", "GONE"})) return {Errc::kData, text};
  const Trouble trouble = trouble_of(error);
  return {trouble == Trouble::kMistake ? Errc::kInternal : Errc::kUnavailable,
          fmt::format("Redis: {}", text)};
}

}  // namespace volley::queue
