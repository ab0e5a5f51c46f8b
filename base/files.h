// Small file helpers with errors a person can act on.
//
// Thread  Any; all of these block, none is for a loop.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace volley {

Result<std::string> read_file(const std::string& path, uint64_t cap = uint64_t{1} << 30);
// Whole and durable or not at all: temporary file, fsync, rename, fsync of the directory.
Status write_file_atomically(const std::string& path, std::string_view bytes, unsigned mode = 0600);
Status make_directories(const std::string& path, unsigned mode = 0700);
// A secret: refuses a file that others may read, strips one trailing newline.
Result<std::string> read_secret(const std::string& path);

// A file as /proc/locks names it.
struct LockedFile {
  unsigned major = 0, minor = 0;  // of the file system
  uint64_t inode = 0;
};
// Whether a line of /proc/locks ("1: FLOCK  ADVISORY  WRITE 4711 08:01:1234 0 EOF") is a flock on it. Pure. Pids say
// nothing: the holder may be in another namespace.
bool is_lock_on(const LockedFile& file, const std::string& line);

// Exclusive advisory lock on a file (flock), held until destruction.
class FileLock {
 public:
  FileLock() = default;
  // Busy: kUnavailable, message has the pid written by the holder when there is one.
  static Result<FileLock> acquire(const std::string& path, bool inheritable = false);
  // Whether somebody holds it, found out without taking it: acquire() of another process never fails because of us. Where
  // /proc cannot be read: false.
  static bool held(const std::string& path);
  ~FileLock();
  FileLock(FileLock&&) noexcept;
  FileLock& operator=(FileLock&&) noexcept;
  int fd() const { return fd_; }

 private:
  int fd_ = -1;
};

}  // namespace volley
