#include "engine/intake/input_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "base/utf8.h"

namespace volley::intake {
namespace {

constexpr std::string_view kUtf8Mark = "\xEF\xBB\xBF";

// 0x80 to 0x9F; zero: undefined, kept as the control character of the same number.
constexpr std::array<char16_t, 32> kWindows1252 = {
    0x20AC, 0,      0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160,
    0x2039, 0x0152, 0,      0x017D, 0,      0,      0x2018, 0x2019, 0x201C, 0x201D, 0x2022,
    0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0,      0x017E, 0x0178};

struct Converted {
  char bytes[3];
  uint8_t size;
};

std::array<Converted, 256> make_table() {
  std::array<Converted, 256> table{};
  for (size_t c = 0; c < 256; ++c) {
    char32_t code = static_cast<char32_t>(c);
    if (c >= 0x80 && c < 0xA0 && kWindows1252[c - 0x80] != 0) code = kWindows1252[c - 0x80];
    std::string text;
    append_utf8(text, code);
    std::memcpy(table[c].bytes, text.data(), text.size());
    table[c].size = static_cast<uint8_t>(text.size());
  }
  return table;
}

}  // namespace

Result<std::unique_ptr<InputFile>> InputFile::open(const std::string& path,
                                                   std::string_view encoding, size_t step) {
  const std::string name = ascii_lower(encoding);
  const bool utf8 = name.empty() || name == "utf-8" || name == "utf8";
  const bool windows_1252 = name == "windows-1252" || name == "cp1252";
  if (!utf8 && !windows_1252) {
    return Error{Errc::kData, path + ": unknown encoding \"" + std::string(encoding) +
                                  "\"; use \"utf-8\" or \"windows-1252\""};
  }
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY);
  if (fd < 0) return Error{Errc::kNoInput, path + ": " + std::strerror(errno)};
  struct stat info {};
  const bool regular = ::fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
  if (!regular) {
    ::close(fd);
    return Error{Errc::kNoInput,
                 path + ": not a regular file (a list is read twice, so a pipe will not do)"};
  }
  ::posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
  std::unique_ptr<InputFile> file(
      new InputFile(path, fd, static_cast<uint64_t>(info.st_size), windows_1252, step));
  if (Status status = file->skip_byte_order_mark(); !status) return status.error();
  return file;
}

InputFile::InputFile(std::string path, int fd, uint64_t size, bool windows_1252, size_t step)
    : path_(std::move(path)),
      fd_(fd),
      bytes_total_(size),
      windows_1252_(windows_1252),
      step_(step == 0 ? 1 : step) {}

InputFile::~InputFile() { ::close(fd_); }

Status InputFile::skip_byte_order_mark() {
  char head[3];
  const ssize_t n = ::pread(fd_, head, sizeof head, 0);
  if (n < 0) return Error{Errc::kNoInput, path_ + ": " + std::strerror(errno)};
  const std::string_view mark(head, static_cast<size_t>(n));
  if (mark.starts_with("\xFF\xFE") || mark.starts_with("\xFE\xFF")) {
    return Error{Errc::kData, path_ + ": this is UTF-16; save it as UTF-8"};
  }
  if (mark != kUtf8Mark) return {};
  if (windows_1252_) {
    return Error{Errc::kData, path_ + ": starts with a UTF-8 mark, but encoding is windows-1252"};
  }
  if (::lseek(fd_, static_cast<off_t>(kUtf8Mark.size()), SEEK_SET) < 0) {
    return Error{Errc::kNoInput, path_ + ": " + std::strerror(errno)};
  }
  hash_.update(kUtf8Mark);
  bytes_read_ = kUtf8Mark.size();
  return {};
}

void InputFile::make_room(size_t bytes) {
  if (begin_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  const size_t needed = end_ + bytes + kPadding;
  if (buffer_.size() < needed) buffer_.resize(std::max(needed, 2 * end_));
}

Result<bool> InputFile::fill() {
  make_room(windows_1252_ ? 3 * step_ : step_);
  char* target = buffer_.data() + end_;
  if (windows_1252_) {
    raw_.resize(step_);
    target = raw_.data();
  }
  ssize_t n;
  do {
    n = ::read(fd_, target, step_);
  } while (n < 0 && errno == EINTR);
  if (n < 0) return Error{Errc::kNoInput, path_ + ": " + std::strerror(errno)};
  if (n == 0) return false;
  const std::string_view got(target, static_cast<size_t>(n));
  hash_.update(got);
  bytes_read_ += got.size();
  if (windows_1252_) {
    append_windows_1252(got);
  } else {
    end_ += got.size();
  }
  return true;
}

Status InputFile::read_at(uint64_t offset, size_t bytes, std::string& out) const {
  out.resize(bytes);
  size_t got = 0;
  while (got < bytes) {
    const ssize_t n = ::pread(fd_, out.data() + got, bytes - got, static_cast<off_t>(offset + got));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Error{Errc::kNoInput, path_ + ": " + std::strerror(errno)};
    if (n == 0) break;
    got += static_cast<size_t>(n);
  }
  out.resize(got);
  return {};
}

void InputFile::append_windows_1252(std::string_view raw) {
  static const std::array<Converted, 256> kTable = make_table();
  char* out = buffer_.data() + end_;
  for (char c : raw) {
    const Converted& converted = kTable[static_cast<unsigned char>(c)];
    std::memcpy(out, converted.bytes, sizeof converted.bytes);  // padding takes the excess
    out += converted.size;
  }
  end_ = static_cast<size_t>(out - buffer_.data());
}

std::string InputFile::fingerprint() { return to_hex(hash_.finish()); }

}  // namespace volley::intake
