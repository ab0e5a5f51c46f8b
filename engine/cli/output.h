// Output: lines to standard output, or to a file that nobody else may read.
//
// Purpose  What lists people's addresses line by line; says at the end whether all of it was written.
// Thread   One. Errors kCantCreate, kIo.
#pragma once

#include <cstdio>
#include <string>
#include <string_view>

#include "base/result.h"

namespace volley::cli {

class Output {
 public:
  static Result<Output> open(const std::string& path);  // empty: standard output
  Output(Output&& other) noexcept;
  Output& operator=(Output&&) = delete;
  ~Output();

  void line(std::string_view text);
  bool broken() const;  // nothing more can be written: no use in going on
  Status finish();

 private:
  Output(std::FILE* file, std::string path) : file_(file), path_(std::move(path)) {}

  std::FILE* file_;
  std::string path_;
};

}  // namespace volley::cli
