#include "metrics/event_reader.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <vector>

namespace volley::metrics {

namespace {

constexpr size_t kBlock = size_t{1} << 20;

struct File {
  explicit File(int file, std::string name) : fd(file), path(std::move(name)) {}
  ~File() { ::close(fd); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  int fd;
  std::string path;
  ino_t inode = 0;
};
using Files = std::vector<std::unique_ptr<File>>;

Error unreadable(const std::string& path) {
  return {Errc::kNoInput, fmt::format("{}: {}", path, std::strerror(errno))};
}

// Youngest first: one that is rotated meanwhile is met again under its next name, and known by its inode.
Result<Files> open_all(const std::string& path) {
  Files files;
  for (unsigned n = 0;; ++n) {
    const std::string name = n == 0 ? path : fmt::format("{}.{}", path, n);
    const int fd = ::open(name.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) {
      if (errno == ENOENT && n == 0) continue;  // being rotated, or never written
      if (errno == ENOENT) break;
      if (errno == ENXIO) continue;  // a socket
      return unreadable(name);
    }
    auto file = std::make_unique<File>(fd, name);
    struct stat info {};
    if (::fstat(fd, &info) != 0) return unreadable(name);
    // A FIFO or a terminal has no lines to come back to, and would be waited for.
    if (!S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode)) continue;
    file->inode = info.st_ino;
    const bool known = std::any_of(files.begin(), files.end(),
                                   [&](const auto& f) { return f->inode == file->inode; });
    if (!known) files.push_back(std::move(file));
  }
  return files;
}

// False: told to stop.
Result<bool> read_lines(const File& file, const std::function<bool(std::string_view)>& visit) {
  std::string buffer;
  for (;;) {
    const size_t old = buffer.size();
    buffer.resize(old + kBlock);
    const ssize_t n = ::read(file.fd, buffer.data() + old, kBlock);
    if (n < 0 && errno != EINTR) return unreadable(file.path);
    buffer.resize(old + static_cast<size_t>(std::max<ssize_t>(n, 0)));
    if (n == 0) return true;
    size_t start = 0;
    for (size_t end; (end = buffer.find('\n', start)) != std::string::npos; start = end + 1) {
      if (!visit(std::string_view(buffer).substr(start, end - start))) return false;
    }
    buffer.erase(0, start);
  }
}

}  // namespace

Status each_event_line(const std::string& path,
                       const std::function<bool(std::string_view line)>& visit) {
  auto files = open_all(path);
  if (!files) return files.error();
  for (auto file = files->rbegin(); file != files->rend(); ++file) {
    auto more = read_lines(**file, visit);
    if (!more) return more.error();
    if (!*more) break;
  }
  return {};
}

std::string_view event_field(std::string_view line, std::string_view name) {
  const std::string key = fmt::format("\"{}\":\"", name);
  const size_t at = line.find(key);
  if (at == std::string_view::npos) return {};
  const std::string_view rest = line.substr(at + key.size());
  for (size_t i = 0; i < rest.size(); ++i) {
    if (rest[i] == '\\') {
      ++i;
    } else if (rest[i] == '"') {
      return rest.substr(0, i);
    }
  }
  return {};
}

}  // namespace volley::metrics
