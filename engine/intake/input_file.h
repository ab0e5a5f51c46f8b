// InputFile: the bytes of a list through one small buffer, as UTF-8, with their fingerprint.
//
// Purpose    fill() reads the next piece behind what is still unread; a byte order mark is dropped, windows-1252
//            becomes UTF-8 on the way (the five bytes it leaves undefined become C1 controls, as browsers do). The
//            SHA-256 is of the file's own bytes.
// Ownership  Owns the descriptor. unread() dies with the next fill() or drop(); kPadding bytes behind it may be read.
// Thread     One.
// Errors     open: kNoInput (missing, unreadable, no regular file), kData (unknown encoding, UTF-16, a mark that
//            contradicts the encoding). fill: kNoInput when reading fails. All name the file.
// Not for    rows: csv.h and jsonl.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "base/result.h"

namespace volley::intake {

class InputFile {
 public:
  static constexpr size_t kDefaultStep = size_t{1} << 20;
  static constexpr size_t kPadding = 64;

  // `step`: how much one fill() reads.
  static Result<std::unique_ptr<InputFile>> open(const std::string& path, std::string_view encoding,
                                                 size_t step = kDefaultStep);
  ~InputFile();
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  std::string_view unread() const { return {buffer_.data() + begin_, end_ - begin_}; }
  void drop(size_t bytes) { begin_ += bytes; }
  Result<bool> fill();  // false: end of the file

  const std::string& path() const { return path_; }
  bool converts() const { return windows_1252_; }  // what unread() shows is valid UTF-8 by construction
  uint64_t bytes_read() const { return bytes_read_; }
  uint64_t bytes_total() const { return bytes_total_; }
  // A piece of the file's own bytes, wherever fill() is; shorter at the end.
  Status read_at(uint64_t offset, size_t bytes, std::string& out) const;
  // Hex; once, after fill() said false.
  std::string fingerprint();

 private:
  InputFile(std::string path, int fd, uint64_t size, bool windows_1252, size_t step);
  Status skip_byte_order_mark();
  void make_room(size_t bytes);
  void append_windows_1252(std::string_view raw);

  const std::string path_;
  const int fd_;
  const uint64_t bytes_total_;
  const bool windows_1252_;
  const size_t step_;
  uint64_t bytes_read_ = 0;
  std::vector<char> buffer_;
  std::vector<char> raw_;  // windows-1252 only
  size_t begin_ = 0, end_ = 0;
  Sha256 hash_;
};

}  // namespace volley::intake
