#include "engine/intake/list_reader.h"

#include <simdjson.h>

#include <cstring>
#include <utility>

#include "base/utf8.h"
#include "engine/intake/csv.h"
#include "engine/intake/jsonl.h"
#include "engine/intake/list_sample.h"
#include "engine/intake/row_source.h"

namespace volley::intake {
namespace {

// Enough of a list of names for a person to see what went wrong.
std::string name_columns(const std::vector<std::string>& columns) {
  std::string out;
  for (size_t i = 0; i < columns.size() && i < 12; ++i) {
    out += (i == 0 ? "`" : ", `") + columns[i].substr(0, 60) + "`";
  }
  return columns.size() > 12 ? out + ", ..." : out;
}

bool equals_ignoring_case(std::string_view a, std::string_view lower) {
  if (a.size() != lower.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (ascii_lower(a[i]) != lower[i]) return false;
  }
  return true;
}

}  // namespace

Error RowSource::error_at(uint64_t line, std::string_view what) const {
  return Error{Errc::kData, file_->path() + ":" + std::to_string(line) + ": " + std::string(what)};
}

Status RowSource::set_columns(std::vector<std::string> columns, uint64_t line) {
  if (columns.size() > kMaxColumns) {
    return error_at(line, "more than " + std::to_string(kMaxColumns) + " columns");
  }
  size_t email = columns.size();
  std::string hint;
  for (size_t i = 0; i < columns.size(); ++i) {
    if (columns[i] == "email") email = i;
    if (equals_ignoring_case(columns[i], "email"))
      hint = "; rename `" + columns[i] + "` to `email`";
    for (size_t k = 0; k < i; ++k) {
      if (columns[k] == columns[i] && !columns[i].empty()) {
        return error_at(line, "two columns are called `" + columns[i] + "`");
      }
    }
  }
  if (email == columns.size()) {
    return error_at(line, "no column `email`; there are " + name_columns(columns) + hint);
  }
  columns_ = std::move(columns);
  email_column_ = email;
  return {};
}

std::string_view RowSource::byte_problem(std::string_view raw) const {
  if (std::memchr(raw.data(), 0, raw.size())) return "NUL byte";
  if (!file_->converts() && !simdjson::validate_utf8(raw.data(), raw.size())) return "not UTF-8";
  return {};
}

void RowSource::finish_row(Row& row) {
  size_t total = 0;
  for (std::string_view value : values_) total += value.size();
  if (total > kMaxValues) {
    row.problem = "more than 64 KiB of values";
    return;
  }
  row.values = values_;
  std::string_view email = values_[email_column_];
  while (!email.empty() && (email.front() == ' ' || email.front() == '\t')) email.remove_prefix(1);
  while (!email.empty() && (email.back() == ' ' || email.back() == '\t')) email.remove_suffix(1);
  values_[email_column_] = email;
  row.email = email;
}

struct ListReader::Impl {
  std::unique_ptr<RowSource> source;
};

ListReader::ListReader(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ListReader::~ListReader() = default;

Result<std::unique_ptr<ListReader>> ListReader::open(const std::string& path,
                                                     std::string_view encoding) {
  return open(path, encoding, InputFile::kDefaultStep);
}

Result<std::unique_ptr<ListReader>> ListReader::open(const std::string& path,
                                                     std::string_view encoding, size_t step) {
  Result<std::unique_ptr<InputFile>> file = InputFile::open(path, encoding, step);
  if (!file) return file.error();
  bool json = path.ends_with(".jsonl") || path.ends_with(".ndjson");
  if (!json && (*file)->bytes_total() > 0) {
    if (Result<bool> first = (*file)->fill(); !first.ok()) return first.error();
    json = (*file)->unread().starts_with('{');
  }
  auto impl = std::make_unique<Impl>();
  if (json) {
    auto source = JsonlSource::open(std::move(file).value());
    if (!source) return source.error();
    impl->source = std::move(source).value();
  } else {
    auto source = CsvSource::open(std::move(file).value());
    if (!source) return source.error();
    impl->source = std::move(source).value();
  }
  return std::unique_ptr<ListReader>(new ListReader(std::move(impl)));
}

const std::vector<std::string>& ListReader::columns() const { return impl_->source->columns(); }
size_t ListReader::email_column() const { return impl_->source->email_column(); }
Result<bool> ListReader::next(Row& row) { return impl_->source->next(row); }
uint64_t ListReader::bytes_read() const { return impl_->source->file().bytes_read(); }
uint64_t ListReader::bytes_total() const { return impl_->source->file().bytes_total(); }
Result<std::string> ListReader::sample() const { return sample_of(impl_->source->file()); }
std::string ListReader::fingerprint() { return impl_->source->file().fingerprint(); }

}  // namespace volley::intake
