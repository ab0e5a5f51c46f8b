#include "base/files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <optional>
#include <sstream>
#include <system_error>
#include <thread>
#include <utility>

namespace volley {
namespace {

class Fd {
 public:
  explicit Fd(int fd) : fd_(fd) {}
  ~Fd() {
    if (fd_ >= 0) ::close(fd_);
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  int get() const { return fd_; }
  int take() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

Error failure(Errc code, const std::string& path, std::string_view doing, int error) {
  return Error{
      code, fmt::format("{}: cannot {}: {}", path, doing, std::generic_category().message(error))};
}

std::string directory_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

Status write_all(int fd, const std::string& path, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return failure(Errc::kIo, path, "write", errno);
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return {};
}

Status sync_directory(const std::string& path) {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd.get() < 0 || ::fsync(fd.get()) != 0) return failure(Errc::kIo, path, "sync", errno);
  return {};
}

Result<std::string> read_open(int fd, const std::string& path, uint64_t cap) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) return failure(Errc::kNoInput, path, "read", errno);
  if (S_ISDIR(info.st_mode)) return Error{Errc::kNoInput, path + ": is a directory"};
  std::string bytes;
  // One byte more than is there, so that the end of an ordinary file shows in the same read.
  size_t room = S_ISREG(info.st_mode) ? static_cast<size_t>(info.st_size) + 1 : size_t{65536};
  if (room > cap) room = static_cast<size_t>(cap) + 1;
  for (;;) {
    const size_t used = bytes.size();
    bytes.resize(used + room);
    const ssize_t n = ::read(fd, bytes.data() + used, room);
    const int error = errno;
    bytes.resize(used + (n > 0 ? static_cast<size_t>(n) : 0));
    if (n < 0 && error == EINTR) continue;
    if (n < 0) return failure(Errc::kNoInput, path, "read", error);
    if (n == 0) return bytes;
    if (bytes.size() > cap) {
      return Error{Errc::kNoInput, fmt::format("{}: larger than the {} bytes allowed", path, cap)};
    }
    room = 65536;
  }
}

Status write_atomically(const std::string& path, std::string_view bytes, unsigned mode,
                        const struct stat* owner) {
  std::string temporary = path + ".XXXXXX";
  const Fd fd(::mkostemp(temporary.data(), O_CLOEXEC));
  if (fd.get() < 0) return failure(Errc::kCantCreate, path, "create", errno);
  Status status = write_all(fd.get(), path, bytes);
  if (status && owner != nullptr) status = give_file(fd.get(), *owner, path);
  if (status && ::fchmod(fd.get(), static_cast<mode_t>(mode)) != 0) {
    status = failure(Errc::kCantCreate, path, "set the mode", errno);
  }
  if (status && ::fsync(fd.get()) != 0) status = failure(Errc::kIo, path, "sync", errno);
  if (status && ::rename(temporary.c_str(), path.c_str()) != 0) {
    status = failure(Errc::kCantCreate, path, "rename the temporary file", errno);
  }
  if (!status) {
    ::unlink(temporary.c_str());
    return status;
  }
  return sync_directory(directory_of(path));
}

}  // namespace

Result<std::string> read_file(const std::string& path, uint64_t cap) {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd.get() < 0) return failure(Errc::kNoInput, path, "open", errno);
  return read_open(fd.get(), path, cap);
}

Status write_file_atomically(const std::string& path, std::string_view bytes, unsigned mode) {
  return write_atomically(path, bytes, mode, nullptr);
}

Status replace_file(const std::string& path, std::string_view bytes) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return failure(Errc::kNoInput, path, "look at it", errno);
  return write_atomically(path, bytes, (info.st_mode & 0666) | 0600, &info);
}

Status give_file(int fd, const struct stat& owner, const std::string& path) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) return failure(Errc::kIo, path, "look at it", errno);
  if (::geteuid() != 0 || !S_ISREG(info.st_mode) || info.st_nlink != 1) return {};
  if (info.st_uid == owner.st_uid && info.st_gid == owner.st_gid) return {};
  if (::fchown(fd, owner.st_uid, owner.st_gid) == 0) return {};
  return failure(Errc::kIo, path, "give it away", errno);
}

Status make_directories(const std::string& path, unsigned mode) {
  if (path.empty()) return Error{Errc::kCantCreate, "cannot create a directory without a name"};
  for (size_t slash = 0; slash != std::string::npos;) {
    slash = path.find('/', slash + 1);
    const std::string part = path.substr(0, slash);
    if (::mkdir(part.c_str(), static_cast<mode_t>(mode)) == 0) continue;
    const int error = errno;
    struct stat info {};
    if (::stat(part.c_str(), &info) != 0) {
      return failure(Errc::kCantCreate, part, "create the directory", error);
    }
    if (!S_ISDIR(info.st_mode)) {
      return Error{Errc::kCantCreate, part + ": is there and is not a directory"};
    }
  }
  return {};
}

Result<std::string> read_secret(const std::string& path) {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd.get() < 0) return failure(Errc::kNoInput, path, "open", errno);
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return failure(Errc::kNoInput, path, "read", errno);
  if (info.st_mode & (S_IROTH | S_IWOTH)) {
    return Error{
        Errc::kConfig,
        fmt::format("{}: holds a secret that everyone may read: chmod 600 '{}'", path, path)};
  }
  Result<std::string> bytes = read_open(fd.get(), path, 1 << 20);
  if (!bytes) return bytes;
  if (bytes->ends_with('\n')) bytes->pop_back();
  if (bytes->ends_with('\r')) bytes->pop_back();
  return bytes;
}

namespace {

constexpr auto kForkPoll = std::chrono::milliseconds(10);
constexpr int kForkTries = 200;
constexpr std::streamsize kLongLine = 1 << 16;

std::string holder_of(int fd) {
  char text[32] = {};
  const ssize_t n = ::pread(fd, text, sizeof text - 1, 0);
  std::string pid;
  for (ssize_t i = 0; i < n && text[i] >= '0' && text[i] <= '9'; ++i) pid += text[i];
  return pid;
}

// The device of the file system that a descriptor is on. On some (btrfs, overlay) stat() has another one, and /proc/locks
// this.
std::optional<std::pair<unsigned, unsigned>> device_of(int fd) {
  std::ifstream about(fmt::format("/proc/self/fdinfo/{}", fd));
  std::string key, mount;
  while (about >> key && key != "mnt_id:") about.ignore(kLongLine, '\n');
  if (!(about >> mount)) return std::nullopt;
  std::ifstream mounts("/proc/self/mountinfo");
  for (std::string line; std::getline(mounts, line);) {
    std::istringstream words(line);  // "27 1 254:0 / / rw,relatime ...": decimal
    std::string id, parent;
    char colon = 0;
    std::pair<unsigned, unsigned> device;
    if (words >> id >> parent >> device.first >> colon >> device.second && id == mount)
      return device;
  }
  return std::nullopt;
}

bool is_gone(const std::string& pid) {
  const int number = std::atoi(pid.c_str());
  return number > 0 && ::kill(number, 0) != 0 && errno == ESRCH;
}

}  // namespace

Result<FileLock> FileLock::acquire(const std::string& path, bool inheritable) {
  const int flags = O_RDWR | O_CREAT | (inheritable ? 0 : O_CLOEXEC);
  Fd fd(::open(path.c_str(), flags, 0600));
  if (fd.get() < 0) return failure(Errc::kCantCreate, path, "create the lock", errno);
  for (int tries = 0; ::flock(fd.get(), LOCK_EX | LOCK_NB) != 0; ++tries) {
    if (errno != EWOULDBLOCK) return failure(Errc::kIo, path, "lock", errno);
    const std::string pid = holder_of(fd.get());
    // Killed while it started a child, which has the descriptor until its exec: a moment.
    if (!inheritable && is_gone(pid) && tries < kForkTries) {
      std::this_thread::sleep_for(kForkPoll);
      continue;
    }
    return Error{Errc::kUnavailable, pid.empty()
                                         ? path + ": in use by another process"
                                         : fmt::format("{}: in use by process {}", path, pid)};
  }
  // The pid is a courtesy to whoever finds the lock busy; the lock itself is the flock.
  const std::string pid = std::to_string(::getpid()) + "\n";
  if (::ftruncate(fd.get(), 0) != 0 ||
      ::pwrite(fd.get(), pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size())) {
    return failure(Errc::kIo, path, "write", errno);
  }
  FileLock lock;
  lock.fd_ = fd.take();
  return lock;
}

bool is_lock_on(const LockedFile& file, const std::string& line) {
  std::istringstream words(line);
  std::string number, kind, advisory, access, pid, place;
  if (!(words >> number >> kind >> advisory >> access >> pid >> place) || kind != "FLOCK")
    return false;
  return place == fmt::format("{:02x}:{:02x}:{}", file.major, file.minor, file.inode);
}

bool FileLock::held(const std::string& path) {
  const Fd fd(::open(path.c_str(), O_PATH | O_CLOEXEC));  // who may not read it may ask
  struct stat info {};
  if (fd.get() < 0 || ::fstat(fd.get(), &info) != 0) return false;
  const auto device = device_of(fd.get());
  if (!device) return false;
  const LockedFile file{device->first, device->second, info.st_ino};
  std::ifstream locks("/proc/locks");
  for (std::string line; std::getline(locks, line);) {
    if (is_lock_on(file, line)) return true;
  }
  return false;
}

FileLock::~FileLock() {
  if (fd_ >= 0) ::close(fd_);
}

FileLock::FileLock(FileLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

FileLock& FileLock::operator=(FileLock&& other) noexcept {
  if (this != &other) {
    if (fd_ >= 0) ::close(fd_);
    fd_ = std::exchange(other.fd_, -1);
  }
  return *this;
}

}  // namespace volley
