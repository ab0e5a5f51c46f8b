// RowSource: what the two list formats have in common.
//
// Purpose    next() yields rows that are not blank, numbered from 1, already looked at for what no row may have: bad
//            UTF-8, NUL, more than kMaxValues bytes. Rows longer than kMaxRow become problems without being held.
// Ownership  Owns its InputFile. Views in Row die with the next call.
// Thread     One.
// Errors     As list_reader.h says.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "engine/intake/input_file.h"
#include "engine/intake/list_reader.h"

namespace volley::intake {

inline constexpr size_t kMaxRow = size_t{1} << 20;
inline constexpr size_t kMaxValues = size_t{64} << 10;
inline constexpr size_t kMaxColumns = 1000;
inline constexpr size_t kRowHead = 200;  // how much of a row over kMaxRow goes to the rejects file

class RowSource {
 public:
  virtual ~RowSource() = default;
  RowSource(const RowSource&) = delete;
  RowSource& operator=(const RowSource&) = delete;

  virtual Result<bool> next(Row& row) = 0;
  const std::vector<std::string>& columns() const { return columns_; }
  size_t email_column() const { return email_column_; }
  InputFile& file() { return *file_; }
  const InputFile& file() const { return *file_; }

 protected:
  explicit RowSource(std::unique_ptr<InputFile> file) : file_(std::move(file)) {}
  Error error_at(uint64_t line, std::string_view what) const;
  // Checks names and finds `email`.
  Status set_columns(std::vector<std::string> columns, uint64_t line);
  // What is wrong with the bytes of a row, whatever its format; empty: nothing.
  std::string_view byte_problem(std::string_view raw) const;
  // Fills what follows from values_, which is in columns() order.
  void finish_row(Row& row);

  std::unique_ptr<InputFile> file_;
  std::vector<std::string> columns_;
  size_t email_column_ = 0;
  std::vector<std::string_view> values_;
};

}  // namespace volley::intake
