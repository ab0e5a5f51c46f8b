// ListFile: a recipient list in memory that is opened by a path, as lists are.
//
// Ownership  The file is gone with the object. Thread: one. Errors: without memory for it the program ends (require.h).
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <string>
#include <string_view>

#include "bench/replay/require.h"

namespace volley::bench {

class ListFile {
 public:
  explicit ListFile(std::string_view text) : fd_(::memfd_create("list", MFD_CLOEXEC)) {
    require(fd_ >= 0 && ::write(fd_, text.data(), text.size()) == static_cast<ssize_t>(text.size()),
            "no room for a list");
  }
  ~ListFile() { ::close(fd_); }
  ListFile(const ListFile&) = delete;
  ListFile& operator=(const ListFile&) = delete;
  std::string path() const { return "/proc/self/fd/" + std::to_string(fd_); }

 private:
  const int fd_;
};

}  // namespace volley::bench
