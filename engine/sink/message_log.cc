#include "engine/sink/message_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/utf8.h"

namespace volley::sink {
namespace {

constexpr char kDigits[] = "0123456789abcdef";

void append_escape(std::string& out, unsigned char c) {
  out += "\\u00";
  out += kDigits[c >> 4];
  out += kDigits[c & 15];
}

// Printable ASCII without a quote or a backslash, as nearly everything is.
bool is_plain(std::string_view text) {
  unsigned odd = 0;
  for (char ch : text) {
    const auto c = static_cast<unsigned char>(ch);
    odd |= static_cast<unsigned>(c - 0x20u > 0x5Eu) | (c == '"') | (c == '\\');
  }
  return odd == 0;
}

void append_json(std::string& out, std::string_view text) {
  out += '"';
  if (is_plain(text)) {
    out += text;
    out += '"';
    return;
  }
  // A byte that is no UTF-8 is shown as the character of its number: the line stays JSON.
  const bool utf8 = is_valid_utf8(text);
  for (char ch : text) {
    const auto c = static_cast<unsigned char>(ch);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += ch;
    } else if (c < 0x20 || (c >= 0x7F && !utf8)) {
      append_escape(out, c);
    } else {
      out += ch;
    }
  }
  out += '"';
}

}  // namespace

Result<std::unique_ptr<MessageLog>> MessageLog::open(const std::string& path, bool sync) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0600);
  if (fd < 0) return Error{Errc::kCantCreate, path + ": " + std::strerror(errno)};
  return std::unique_ptr<MessageLog>(new MessageLog(path, fd, sync));
}

MessageLog::~MessageLog() { ::close(fd_); }

void MessageLog::add(const LogLine& line) {
  buffer_ += "{\"from\":";
  append_json(buffer_, line.from);
  buffer_ += ",\"rcpt\":[";
  bool first = true;
  for (const std::string& recipient : line.recipients) {
    if (!first) buffer_ += ',';
    first = false;
    append_json(buffer_, recipient);
  }
  buffer_ += "],\"bytes\":";
  buffer_ += std::to_string(line.bytes);
  buffer_ += ",\"sha256\":\"";
  for (uint8_t byte : line.sha256) {
    buffer_ += kDigits[byte >> 4];
    buffer_ += kDigits[byte & 15];
  }
  buffer_ += "\",\"port\":";
  buffer_ += std::to_string(line.port);
  buffer_ += line.tls ? ",\"tls\":true" : ",\"tls\":false";
  buffer_ += line.chunking ? ",\"chunking\":true" : ",\"chunking\":false";
  const auto add_text = [this](std::string_view key, std::string_view value) {
    if (value.empty()) return;
    buffer_ += key;
    append_json(buffer_, value);
  };
  add_text(",\"auth\":", line.user);
  add_text(",\"tls_version\":", line.tls_version);
  add_text(",\"ehlo\":", line.ehlo);
  buffer_ += "}\n";
}

Status MessageLog::write() {
  if (torn_) buffer_.insert(buffer_.begin(), '\n');
  std::string_view left = buffer_;
  int failed = 0;
  while (!left.empty() && failed == 0) {
    const ssize_t n = ::write(fd_, left.data(), left.size());
    if (n >= 0) {
      left.remove_prefix(static_cast<size_t>(n));
    } else if (errno != EINTR) {
      failed = errno;
    }
  }
  if (failed == 0 && sync_ && ::fdatasync(fd_) != 0) failed = errno;
  if (failed == 0) {
    torn_ = false;
  } else if (left.size() < buffer_.size()) {
    torn_ = true;
  }
  buffer_.clear();
  if (failed != 0) return Error{Errc::kIo, path_ + ": " + std::strerror(failed)};
  return {};
}

}  // namespace volley::sink
