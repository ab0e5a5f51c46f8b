// CsvSource: RFC 4180 as it is met in the wild, streamed.
//
// Purpose    Delimiter `,` `;` or tab, by what the header row makes of it. Quoted fields may hold delimiters, line
//            breaks and doubled quotes; a quote inside an unquoted field is text. CRLF or LF ends a row; blank lines
//            are skipped. Fields without doubled quotes are views of the read buffer.
// Thread     One.
// Errors     An unterminated quote: kData with file and the line where it began. Anything else wrong with a row is
//            its problem.
// Not for    encodings: the InputFile yields UTF-8.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/intake/row_source.h"

namespace volley::intake {

class CsvSource final : public RowSource {
 public:
  static Result<std::unique_ptr<CsvSource>> open(std::unique_ptr<InputFile> file);
  Result<bool> next(Row& row) override;
  char delimiter() const { return delimiter_; }

 private:
  enum class At : uint8_t { kFieldStart, kPlain, kQuoted, kQuoteSeen, kQuotedCr };
  struct Field {
    size_t begin = 0, end = 0;  // from the row's first byte
    bool doubled = false;       // has doubled quotes
  };

  explicit CsvSource(std::unique_ptr<InputFile> file) : RowSource(std::move(file)) {}
  Status read_header();
  void set_delimiter(char delimiter);
  void rewind();
  Result<bool> read_record();
  bool scan(std::string_view bytes);
  bool scan_quoted(std::string_view bytes);
  void after_quote(char c);
  void end_plain(std::string_view bytes);
  void add_field(size_t end);
  void skip_ahead();
  bool is_blank() const;
  void collect_values();

  char delimiter_ = ',';
  std::array<bool, 256> ends_plain_{};
  // the row at hand
  At at_ = At::kFieldStart;
  size_t position_ = 0;        // scanned so far
  size_t size_ = 0;            // of the row with its line end, to be dropped
  size_t field_begin_ = 0;
  bool doubled_ = false;
  bool broken_quote_ = false;
  bool too_long_ = false;
  uint64_t line_ = 1;          // where it begins
  uint64_t line_breaks_ = 0;   // inside it, its end included
  uint64_t quote_line_ = 0;    // where the last quote began
  std::string_view raw_;
  std::string head_;           // of a row that is too long
  std::vector<Field> fields_;
  std::string unescaped_;
  std::string problem_;
  uint64_t number_ = 0;
};

}  // namespace volley::intake
