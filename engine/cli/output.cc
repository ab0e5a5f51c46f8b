#include "engine/cli/output.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace volley::cli {

Result<Output> Output::open(const std::string& path) {
  if (path.empty()) return Output(stdout, "standard output");
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  std::FILE* file = fd < 0 ? nullptr : ::fdopen(fd, "w");
  if (file == nullptr) {
    const Error error{Errc::kCantCreate, path + ": " + std::strerror(errno)};
    if (fd >= 0) ::close(fd);
    return error;
  }
  return Output(file, path);
}

Output::Output(Output&& other) noexcept
    : file_(std::exchange(other.file_, nullptr)), path_(std::move(other.path_)) {}

Output::~Output() {
  if (file_ != nullptr && file_ != stdout) std::fclose(file_);
}

void Output::line(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), file_);
  std::fputc('\n', file_);
}

bool Output::broken() const { return std::ferror(file_) != 0; }

Status Output::finish() {
  const bool flushed = std::fflush(file_) == 0;
  if (flushed && !broken()) return {};
  return Error{Errc::kIo, path_ + ": cannot be written: " + std::strerror(errno)};
}

}  // namespace volley::cli
