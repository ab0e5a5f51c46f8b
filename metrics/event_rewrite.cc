#include "metrics/event_rewrite.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>
#include <vector>

#include "base/files.h"

namespace volley::metrics {

namespace {

constexpr size_t kBlock = size_t{1} << 20;

class File {
 public:
  explicit File(int fd = -1) : fd_(fd) {}
  ~File() {
    if (fd_ >= 0) ::close(fd_);
  }
  File(File&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  File& operator=(File&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  int fd() const { return fd_; }

 private:
  int fd_;
};

Error failure(Errc code, const char* what, const std::string& path) {
  return {code, fmt::format("cannot {} {}: {}", what, path, std::strerror(errno))};
}

std::string numbered(const std::string& path, unsigned n) {
  return n == 0 ? path : fmt::format("{}.{}", path, n);
}

ino_t inode_of(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 ? info.st_ino : 0;
}

// Whose the log is; where there is none, its directory.
bool owner_of(const std::string& path, struct stat& info) {
  if (::stat(path.c_str(), &info) == 0) return true;
  const size_t slash = path.rfind('/');
  return ::stat(slash == std::string::npos ? "." : path.substr(0, slash + 1).c_str(), &info) == 0;
}

// As the log's, but never executable, and always for its owner.
Status same_mode(const struct stat& log, int fd, const std::string& name) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) return failure(Errc::kIo, "look at", name);
  const mode_t mode = (log.st_mode & 0666) | 0600;
  if (!S_ISREG(log.st_mode) || info.st_nlink != 1 || (info.st_mode & 07777) == mode) return {};
  if (::geteuid() != 0 && info.st_uid != ::geteuid()) return {};
  return ::fchmod(fd, mode) == 0 ? Status() : failure(Errc::kIo, "change the mode of", name);
}

// One rewriter at a time: all of them make their copies under the same name.
Result<File> wait_for_turn(const std::string& path) {
  const std::string name = path + ".lock";
  File lock(::open(name.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (lock.fd() < 0 && errno == ENOENT) return lock;  // no directory: no log either
  if (lock.fd() < 0) return failure(Errc::kIo, "open", name);
  struct stat owner {};
  if (owner_of(path, owner)) {
    if (Status given = give_file(lock.fd(), owner, name); !given) return given.error();
    if (Status same = same_mode(owner, lock.fd(), name); !same) return same.error();
  }
  while (::flock(lock.fd(), LOCK_EX) != 0) {
    if (errno != EINTR) return failure(Errc::kIo, "lock", name);
  }
  return lock;
}

// What becomes of one file: a copy beside it is begun when the first line changes.
class Copy {
 public:
  Copy(std::string from, std::string to) : from_(std::move(from)), to_(std::move(to)) {}
  ~Copy() {
    if (file_.fd() >= 0) ::unlink(to_.c_str());
  }

  Status run(int source, const EditLine& edit);
  uint64_t changed() const { return changed_; }
  bool empty() const { return size_ == 0; }
  // In its place; the caller has the lock.
  Status replace(const std::string& path);

 private:
  Status begin(int source);
  Status line(std::string_view line, const EditLine& edit, int source);
  Status put(std::string_view bytes);
  Status flush();

  std::string from_, to_;
  File file_;
  std::string buffer_;
  uint64_t passed_ = 0;  // bytes of the source that are dealt with
  uint64_t size_ = 0;    // bytes of the copy
  uint64_t changed_ = 0;
};

Status Copy::begin(int source) {
  constexpr int kFresh = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_APPEND | O_CLOEXEC;
  file_ = File(::open(to_.c_str(), kFresh, 0600));
  if (file_.fd() < 0) return failure(Errc::kIo, "create", to_);
  struct stat owner {};
  if (::fstat(source, &owner) != 0) return failure(Errc::kNoInput, "look at", from_);
  if (Status given = give_file(file_.fd(), owner, to_); !given) return given;
  std::string block;
  for (uint64_t at = 0; at < passed_;) {
    block.resize(std::min<uint64_t>(kBlock, passed_ - at));
    const ssize_t n = ::pread(source, block.data(), block.size(), static_cast<off_t>(at));
    if (n <= 0) return failure(Errc::kNoInput, "read", from_);
    if (Status done = put(std::string_view(block).substr(0, static_cast<size_t>(n))); !done)
      return done;
    at += static_cast<uint64_t>(n);
  }
  return {};
}

Status Copy::put(std::string_view bytes) {
  buffer_ += bytes;
  size_ += bytes.size();
  return buffer_.size() < kBlock ? Status() : flush();
}

Status Copy::flush() {
  for (size_t at = 0; at < buffer_.size();) {
    const ssize_t n = ::write(file_.fd(), buffer_.data() + at, buffer_.size() - at);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return failure(Errc::kIo, "write", to_);
    at += static_cast<size_t>(n);
  }
  buffer_.clear();
  return {};
}

Status Copy::line(std::string_view line, const EditLine& edit, int source) {
  std::string fresh;
  const LineEdit what = edit(line, fresh);
  if (what != LineEdit::kKeep) {
    if (file_.fd() < 0) {
      if (Status begun = begin(source); !begun) return begun;
    }
    ++changed_;
  }
  passed_ += line.size() + 1;
  if (file_.fd() < 0 || what == LineEdit::kDrop) return {};
  if (Status done = put(what == LineEdit::kKeep ? line : fresh); !done) return done;
  return put("\n");
}

Status Copy::run(int source, const EditLine& edit) {
  std::string text;
  for (;;) {
    const size_t old = text.size();
    text.resize(old + kBlock);
    const ssize_t n = ::read(source, text.data() + old, kBlock);
    if (n < 0 && errno != EINTR) return failure(Errc::kNoInput, "read", from_);
    text.resize(old + static_cast<size_t>(std::max<ssize_t>(n, 0)));
    if (n == 0) break;
    size_t start = 0;
    for (size_t end; (end = text.find('\n', start)) != std::string::npos; start = end + 1) {
      const std::string_view whole = std::string_view(text).substr(start, end - start);
      if (Status done = line(whole, edit, source); !done) return done;
    }
    text.erase(0, start);
  }
  std::string fresh;
  if (!text.empty() && edit(text, fresh) != LineEdit::kKeep) {
    return Error{Errc::kTempFail, from_ +
                                      ": its last line is not whole; the next start of an "
                                      "engine mends that"};
  }
  if (file_.fd() < 0) return {};
  if (Status done = put(text); !done) return done;
  return flush();
}

Status Copy::replace(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) == 0) {
    const timespec times[2] = {info.st_atim, info.st_mtim};
    ::futimens(file_.fd(), times);  // how old its last line is
  }
  if (::fsync(file_.fd()) != 0 || std::rename(to_.c_str(), path.c_str()) != 0)
    return failure(Errc::kIo, "replace", path);
  file_ = File();
  return {};
}

// The writer waits meanwhile.
Result<uint64_t> rewrite_current(const std::string& path, const std::string& beside,
                                 const EditLine& edit) {
  const EventsLock lock(path);
  const File source(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  if (source.fd() < 0 && errno == ENOENT) return uint64_t{0};
  if (source.fd() < 0) return failure(Errc::kNoInput, "read", path);
  struct stat info {};
  if (::fstat(source.fd(), &info) != 0 || !S_ISREG(info.st_mode)) return uint64_t{0};
  Copy copy(path, beside);
  if (Status done = copy.run(source.fd(), edit); !done) return done.error();
  if (copy.changed() == 0) return uint64_t{0};
  if (Status done = copy.replace(path); !done) return done.error();
  return copy.changed();
}

struct Rotated {
  File file;
  std::string path;
  ino_t inode = 0;
};

// Its place may have moved on since it was opened, and its time may be over.
Status put_in_place(const std::string& path, const Rotated& old, Copy& copy) {
  const EventsLock lock(path);
  for (unsigned n = 1; inode_of(numbered(path, n)) != 0; ++n) {
    const std::string name = numbered(path, n);
    if (inode_of(name) != old.inode) continue;
    if (!copy.empty() || inode_of(numbered(path, n + 1)) != 0) return copy.replace(name);
    return ::unlink(name.c_str()) == 0 ? Status() : failure(Errc::kIo, "remove", name);
  }
  return {};
}

}  // namespace

EventsLock::EventsLock(const std::string& log_path) {
  const size_t slash = log_path.rfind('/');
  const std::string directory = slash == std::string::npos ? "." : log_path.substr(0, slash + 1);
  fd_ = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  while (fd_ >= 0 && ::flock(fd_, LOCK_EX) != 0 && errno == EINTR) {
  }
}

EventsLock::~EventsLock() {
  if (fd_ >= 0) ::close(fd_);
}

// The log's own file first: what is rotated away afterwards is clean, or met again.
Result<uint64_t> rewrite_events(const std::string& path, const EditLine& edit) {
  const std::string beside = path + ".rewrite";
  struct stat log {};
  if (::stat(path.c_str(), &log) == 0 && !S_ISREG(log.st_mode)) return uint64_t{0};
  auto turn = wait_for_turn(path);
  if (!turn) return turn.error();
  if (::unlink(beside.c_str()) != 0 && errno != ENOENT) return failure(Errc::kIo, "remove", beside);
  auto total = rewrite_current(path, beside, edit);
  if (!total) return total;
  std::vector<Rotated> rotated;
  for (unsigned n = 1;; ++n) {
    const std::string name = numbered(path, n);
    File file(::open(name.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    if (file.fd() < 0 && errno == ENOENT) break;
    if (file.fd() < 0) return failure(Errc::kNoInput, "read", name);
    struct stat info {};
    if (::fstat(file.fd(), &info) != 0) return failure(Errc::kNoInput, "read", name);
    if (!S_ISREG(info.st_mode)) continue;
    rotated.push_back({std::move(file), name, info.st_ino});
  }
  std::reverse(rotated.begin(), rotated.end());
  for (const Rotated& old : rotated) {
    Copy copy(old.path, beside);
    if (Status done = copy.run(old.file.fd(), edit); !done) return done.error();
    if (copy.changed() == 0) continue;
    if (Status done = put_in_place(path, old, copy); !done) return done.error();
    *total += copy.changed();
  }
  return total;
}

}  // namespace volley::metrics
