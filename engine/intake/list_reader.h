// ListReader: rows of a recipient list, streamed; CSV or JSON Lines.
//
// Purpose    CSV (RFC 4180; delimiter `,` `;` or tab detected from the header row; quotes, BOM, CRLF or LF; UTF-8 or
//            windows-1252) and JSONL (one object a line, by extension .jsonl/.ndjson or a first byte '{'). The header
//            row names the columns; JSONL: the keys of the first object. The file is never held whole.
// Ownership  Views in Row die with the next call.
// Thread     One.
// Errors     open: kNoInput (missing, unreadable); kData (no header, no `email` column, two equal columns, unknown
//            encoding). next: kData only for what makes the rest unreadable: an unterminated quote, with the line
//            where it began. A malformed row is a Row with `problem` set, never an error.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace volley::intake {

struct Row {
  uint64_t number = 0;                       // data row, from 1; blank lines do not count
  uint64_t line = 0;                         // in the file, where it begins
  std::string_view raw;                      // as it stands, for the rejects file
  std::string_view email;
  std::span<const std::string_view> values;  // in columns() order, `email` included
  std::string_view problem;                  // "3 fields where the header has 4"; empty: fine
};

class ListReader {
 public:
  static Result<std::unique_ptr<ListReader>> open(const std::string& path, std::string_view encoding);
  // `step`: bytes per read, 1 MiB above. Tests put every boundary everywhere.
  static Result<std::unique_ptr<ListReader>> open(const std::string& path, std::string_view encoding, size_t step);
  ~ListReader();
  const std::vector<std::string>& columns() const;
  size_t email_column() const;
  Result<bool> next(Row& row);               // false: end
  uint64_t bytes_read() const;
  uint64_t bytes_total() const;
  std::string fingerprint();                 // SHA-256 of the file's bytes, hex; once, after the end
  Result<std::string> sample() const;        // of the same file (list_sample.h)

 private:
  struct Impl;
  explicit ListReader(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace volley::intake
