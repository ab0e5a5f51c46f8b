// MessageLog: one JSON line per accepted message, in the file before the sender hears of it.
//
// Purpose    Lines of one loop turn are collected and written in one call, O_APPEND, so several threads may share the
//            file.
// Ownership  Owns its descriptor; one MessageLog per thread.
// Thread     Its loop's.
// Errors     open: kCantCreate. write(): kIo; the lines it had are dropped, and none of their messages may be
//            accepted.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace volley::sink {

struct LogLine {
  std::string_view from;
  std::span<const std::string> recipients;
  uint64_t bytes = 0;
  uint16_t port = 0;  // the sender's: tells its connections apart
  std::array<uint8_t, 32> sha256{};
  bool tls = false;
  bool chunking = false;
  std::string_view user;         // empty: nobody logged in
  std::string_view tls_version;  // empty: in the clear
  std::string_view ehlo;
};

class MessageLog {
 public:
  static Result<std::unique_ptr<MessageLog>> open(const std::string& path, bool sync);
  ~MessageLog();
  MessageLog(const MessageLog&) = delete;
  MessageLog& operator=(const MessageLog&) = delete;

  void add(const LogLine& line);
  bool empty() const { return buffer_.empty(); }
  Status write();

 private:
  MessageLog(std::string path, int fd, bool sync) : path_(std::move(path)), fd_(fd), sync_(sync) {}

  const std::string path_;
  const int fd_;
  const bool sync_;
  bool torn_ = false;  // a failed write left half a line
  std::string buffer_;
};

}  // namespace volley::sink
