#include "engine/intake/row_spill.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <system_error>
#include <utility>

namespace volley::intake {
namespace {

std::string text_of(int error) { return std::error_code(error, std::generic_category()).message(); }

// Without a name from the start, where the file system can do that.
int open_nameless(const std::string& directory) {
  const int fd = ::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR)) return fd;
  std::string path = directory + "/import-XXXXXX";
  const int named = ::mkostemp(path.data(), O_CLOEXEC);
  if (named >= 0) ::unlink(path.c_str());
  return named;
}

std::string temporary_directory() {
  const char* set = std::getenv("TMPDIR");
  return set != nullptr && *set != '\0' ? set : "/tmp";
}

}  // namespace

Result<std::unique_ptr<RowSpill>> RowSpill::create(const std::string& directory,
                                                   uint32_t partitions, uint64_t keep_free) {
  const std::string place = directory.empty() ? temporary_directory() : directory;
  const int fd = open_nameless(place);
  if (fd < 0) {
    return Error{Errc::kCantCreate, fmt::format("{}: cannot create the import's temporary file: {}",
                                                place, text_of(errno))};
  }
  return std::unique_ptr<RowSpill>(new RowSpill(fd, place, partitions, keep_free));
}

RowSpill::RowSpill(int fd, std::string directory, uint32_t partitions, uint64_t keep_free)
    : fd_(fd), directory_(std::move(directory)), keep_free_(keep_free), partitions_(partitions) {}

RowSpill::~RowSpill() { ::close(fd_); }

Error RowSpill::failed(int error, const char* what) const {
  const bool full = error == ENOSPC || error == EDQUOT || error == EFBIG;
  return {
      Errc::kIo,
      fmt::format("{}: cannot {} the import's temporary file at {} MB: {}; {}", directory_, what,
                  size_ >> 20, text_of(error),
                  full ? "it needs up to three times the size of the list: make room on this file "
                         "system, then run the same command again"
                       : "run the same command again when the disk is well")};
}

bool RowSpill::has_room(uint64_t bytes) const {
  struct statvfs facts {};
  if (::fstatvfs(fd_, &facts) != 0) return true;  // the write will tell
  return uint64_t{facts.f_bavail} * facts.f_frsize >= keep_free_ + bytes;
}

Status RowSpill::append(uint32_t partition, std::string_view rows, uint64_t last) {
  if (!has_room(rows.size())) return failed(ENOSPC, "write");
  size_t done = 0;
  while (done < rows.size()) {
    const ssize_t n =
        ::pwrite(fd_, rows.data() + done, rows.size() - done, static_cast<off_t>(size_ + done));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return failed(n == 0 ? ENOSPC : errno, "write");
    done += static_cast<size_t>(n);
  }
  partitions_[partition].blocks.push_back({size_, last, rows.size()});
  partitions_[partition].left += rows.size();
  size_ += rows.size();
  return {};
}

Status RowSpill::read(uint32_t partition, size_t limit, uint64_t reach, std::string& rows) {
  Partition& from = partitions_[partition];
  for (; from.next < from.blocks.size(); ++from.next) {
    const Block& block = from.blocks[from.next];
    const bool wanted = rows.empty() || last_read(partition) < reach;
    if (!wanted && rows.size() + block.size > limit) return {};
    const size_t had = rows.size();
    rows.resize(had + block.size);
    for (size_t done = 0; done < block.size;) {
      const ssize_t n = ::pread(fd_, rows.data() + had + done, block.size - done,
                                static_cast<off_t>(block.offset + done));
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return failed(n == 0 ? EIO : errno, "read");
      done += static_cast<size_t>(n);
    }
    from.left -= block.size;
  }
  return {};
}

uint64_t RowSpill::left(uint32_t partition) const { return partitions_[partition].left; }

uint64_t RowSpill::last_read(uint32_t partition) const {
  const Partition& of = partitions_[partition];
  return of.next == 0 ? 0 : of.blocks[of.next - 1].last;
}

}  // namespace volley::intake
