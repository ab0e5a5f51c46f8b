#include "engine/intake/rejects.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace volley::intake {
namespace {

constexpr size_t kFlushAt = size_t{64} << 10;

void append_quoted(std::string& out, std::string_view text) {
  out += '"';
  for (char c : text) {
    if (c == '"') out += '"';
    out += c;
  }
  out += '"';
}

}  // namespace

RejectsWriter::~RejectsWriter() {
  if (fd_ >= 0) {
    flush();
    ::close(fd_);
  }
}

Status RejectsWriter::open(const std::string& path) {
  if (path.empty()) return {};
  path_ = path;
  fd_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0600);
  // An older file of other people's making keeps its mode otherwise.
  if (fd_ < 0) return Error{Errc::kCantCreate, path + ": " + std::strerror(errno)};
  struct stat info {};
  if (::fstat(fd_, &info) == 0 && S_ISREG(info.st_mode)) ::fchmod(fd_, 0600);
  buffer_ = "line,reason,row\n";
  return {};
}

void RejectsWriter::add(uint64_t line, std::string_view reason, std::string_view row) {
  if (fd_ < 0) return;
  buffer_ += std::to_string(line);
  buffer_ += ',';
  if (reason.find_first_of(",\"\r\n") == std::string_view::npos) {
    buffer_ += reason;
  } else {
    append_quoted(buffer_, reason);
  }
  buffer_ += ',';
  append_quoted(buffer_, row);
  buffer_ += '\n';
  if (buffer_.size() >= kFlushAt) flush();
}

void RejectsWriter::flush() {
  std::string_view left = buffer_;
  while (!left.empty() && failed_ == 0) {
    const ssize_t n = ::write(fd_, left.data(), left.size());
    if (n >= 0) {
      left.remove_prefix(static_cast<size_t>(n));
    } else if (errno != EINTR) {
      failed_ = errno;
    }
  }
  buffer_.clear();
}

Status RejectsWriter::finish() {
  if (fd_ < 0) return {};
  flush();
  if (::close(fd_) != 0 && failed_ == 0) failed_ = errno;
  fd_ = -1;
  if (failed_ != 0) {
    return Error{Errc::kIo, path_ + ": " + std::strerror(failed_) +
                                "; the list of rejected rows is incomplete"};
  }
  return {};
}

}  // namespace volley::intake
