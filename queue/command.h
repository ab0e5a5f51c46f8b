// One Redis command, encoded as it is built, and how its answers are read.
//
// Purpose    Command collects arguments in RESP, so that a chunk is copied once. Reply owns hiredis's tree of one answer.
// Ownership  Views from a Reply live as long as it does.
// Thread     Values.
// Errors     Reading a reply of another shape than expected gives zero or empty: Redis is a peer, it never asserts.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

struct redisReply;

namespace volley::queue {

class Command {
 public:
  explicit Command(std::string_view name) { arg(name); }
  // FCALL function 1 key
  static Command function(std::string_view name, std::string_view key);

  Command& arg(std::string_view text);
  Command& arg(const std::string& text) { return arg(std::string_view(text)); }
  Command& arg(const char* text) { return arg(std::string_view(text)); }
  Command& number(int64_t value);
  void write_to(std::string& out) const;
  size_t bytes() const { return body_.size() + 16; }

 private:
  std::string body_;
  size_t count_ = 0;
};

class ReplyView {
 public:
  explicit ReplyView(const redisReply* reply) : reply_(reply) {}
  bool is_nil() const;
  bool is_error() const;
  std::string_view text() const;  // string, status or error; empty otherwise
  int64_t number() const;         // integer, or a string of digits
  uint64_t unsigned_number() const;
  size_t size() const;           // of an array
  ReplyView at(size_t i) const;  // nil beyond the end

 private:
  const redisReply* reply_;
};

struct FreeReply {
  void operator()(redisReply* reply) const;
};

class Reply {
 public:
  explicit Reply(void* reply = nullptr) : reply_(static_cast<redisReply*>(reply)) {}
  ReplyView view() const { return ReplyView(reply_.get()); }

 private:
  std::unique_ptr<redisReply, FreeReply> reply_;
};

// Incremental parser of answers (hiredis's redisReader).
class ReplyReader {
 public:
  ReplyReader();
  ~ReplyReader();
  ReplyReader(ReplyReader&&) noexcept;
  ReplyReader& operator=(ReplyReader&&) noexcept;
  void feed(std::string_view bytes);
  // True: `out` is the next whole answer. False: more bytes are needed. kProtocol: this is not Redis.
  Result<bool> next(Reply& out);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// What an error answer means for its caller.
enum class Trouble {
  kWait,     // loading, busy, failing over: try again
  kReload,   // the function library is missing
  kRefused,  // full, read-only, cannot write: kUnavailable with a remedy
  kMistake,  // our own functions refused: kData; or something is plainly wrong: kInternal
};
Trouble trouble_of(std::string_view error);
Error error_of(std::string_view error);

}  // namespace volley::queue
