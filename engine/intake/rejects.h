// RejectsWriter: the rows that were not taken, with the reason: a CSV of `line,reason,row`.
//
// Purpose    Created anew (0600) with a header row. The row stands in quotes as it stood in the list, so it can be
//            mended and imported again.
// Thread     One.
// Errors     open: kCantCreate. finish(): kIo, for a write that failed at any time (disk full), naming the file.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace volley::intake {

class RejectsWriter {
 public:
  RejectsWriter() = default;  // writes nowhere
  ~RejectsWriter();
  RejectsWriter(const RejectsWriter&) = delete;
  RejectsWriter& operator=(const RejectsWriter&) = delete;

  Status open(const std::string& path);  // empty: nowhere
  void add(uint64_t line, std::string_view reason, std::string_view row);
  Status finish();

 private:
  void flush();

  std::string path_;
  int fd_ = -1;
  int failed_ = 0;  // errno of the first failure
  std::string buffer_;
};

}  // namespace volley::intake
