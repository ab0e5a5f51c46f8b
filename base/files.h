// Small file helpers with errors a person can act on.
//
// Thread  Any; all of these block, none is for a loop.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

struct stat;

namespace volley {

Result<std::string> read_file(const std::string& path, uint64_t cap = uint64_t{1} << 30);
// Whole and durable or not at all: temporary file, fsync, rename, fsync of the directory.
Status write_file_atomically(const std::string& path, std::string_view bytes, unsigned mode = 0600);
// The same for a file that is there: the new one has its owner and its mode, whoever runs this.
Status replace_file(const std::string& path, std::string_view bytes);
// What root makes beside or instead of another's file is that one's owner's, who has to open it, too. Only a regular file of one
// name: another's, by a hard link, is not given away. Nothing where not root. `path` is for the error.
Status give_file(int fd, const struct stat& owner, const std::string& path);
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
