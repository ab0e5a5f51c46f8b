// JsonlSource: one JSON object a line.
//
// Purpose    The keys of the first object are the columns. Numbers keep their spelling, true and false become words,
//            null and missing keys are empty. A nested value, a key that the first object lacks, or a key twice is
//            the row's problem.
// Thread     One.
// Errors     open: kData when the first line is no object of plain values. After that only problems.
// Library    simdjson on demand, straight on the read buffer.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/intake/row_source.h"

namespace volley::intake {

class JsonlSource final : public RowSource {
 public:
  static Result<std::unique_ptr<JsonlSource>> open(std::unique_ptr<InputFile> file);
  ~JsonlSource() override;
  Result<bool> next(Row& row) override;

 private:
  struct Parser;
  explicit JsonlSource(std::unique_ptr<InputFile> file);
  Status read_header();
  Result<bool> read_line();
  bool is_blank() const;
  size_t column_of(std::string_view key, size_t hint) const;
  std::string_view assign(std::string_view key, std::string_view value, size_t& hint);

  std::unique_ptr<Parser> parser_;
  std::string_view raw_;
  std::string head_;
  size_t size_ = 0;       // of the line with its end, to be dropped
  bool too_long_ = false;
  bool pending_ = false;  // the first line was read for its keys, not yet as a row
  uint64_t line_ = 0;
  uint64_t number_ = 0;
  std::vector<bool> seen_;
  std::string problem_;
};

}  // namespace volley::intake
