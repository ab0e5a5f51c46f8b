#include "engine/intake/csv.h"

#include <algorithm>
#include <cstring>
#include <optional>

namespace volley::intake {
namespace {

std::string_view trim_blanks(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

uint64_t count_lines(std::string_view bytes) {
  return static_cast<uint64_t>(std::count(bytes.begin(), bytes.end(), '\n'));
}

}  // namespace

Result<std::unique_ptr<CsvSource>> CsvSource::open(std::unique_ptr<InputFile> file) {
  std::unique_ptr<CsvSource> source(new CsvSource(std::move(file)));
  if (Status status = source->read_header(); !status) return status.error();
  return source;
}

void CsvSource::set_delimiter(char delimiter) {
  delimiter_ = delimiter;
  ends_plain_.fill(false);
  ends_plain_[static_cast<unsigned char>(delimiter)] = true;
  ends_plain_[static_cast<unsigned char>('\n')] = true;
}

// Leading blank lines are skipped. Each delimiter is tried on the same bytes: the one that yields an `email` column wins,
// then the one that yields most columns.
Status CsvSource::read_header() {
  char best = 0;
  size_t best_score = 0;
  std::optional<Error> failure;
  for (char candidate : {',', ';', '\t'}) {
    set_delimiter(candidate);
    rewind();
    Result<bool> found = read_record();
    while (found.ok() && *found && is_blank()) {
      line_ += line_breaks_;
      file_->drop(size_);
      size_ = 0;
      rewind();
      found = read_record();
    }
    if (!found.ok()) {
      failure = found.error();
      continue;
    }
    if (!*found)
      return error_at(1, "empty: a list starts with a header row that names its columns");
    collect_values();
    bool has_email = false;
    for (std::string_view name : values_) has_email |= trim_blanks(name) == "email";
    const size_t score = values_.size() + (has_email ? kMaxRow : 0);
    if (score > best_score) {
      best = candidate;
      best_score = score;
    }
  }
  if (failure && best_score < kMaxRow) return *failure;
  set_delimiter(best);
  rewind();
  if (Result<bool> found = read_record(); !found.ok()) return found.error();
  collect_values();
  if (broken_quote_) return error_at(line_, "text after a closing quote in the header row");
  if (raw_.find('\r') != std::string_view::npos) {
    return error_at(
        line_, "a carriage return inside the header row; save the file with LF or CRLF line ends");
  }
  if (std::string_view problem = byte_problem(raw_); !problem.empty()) {
    return error_at(line_, "header row: " + std::string(problem));
  }
  std::vector<std::string> names;
  names.reserve(values_.size());
  for (std::string_view name : values_) names.emplace_back(trim_blanks(name));
  return set_columns(std::move(names), line_);
}

void CsvSource::rewind() {
  at_ = At::kFieldStart;
  position_ = field_begin_ = 0;
  doubled_ = broken_quote_ = too_long_ = false;
  line_breaks_ = 0;
  fields_.clear();
}

// false: the end of the file.
Result<bool> CsvSource::read_record() {
  for (;;) {
    const std::string_view bytes = file_->unread();
    if (scan(bytes)) return true;
    if (bytes.size() > kMaxRow) {
      if (columns_.empty()) {
        return error_at(line_, "the header row is longer than 1 MiB; is a quote never closed?");
      }
      skip_ahead();
    }
    Result<bool> more = file_->fill();
    if (!more.ok()) return more.error();
    if (*more) continue;
    if (position_ == 0 && !too_long_) return false;
    if (at_ == At::kQuoted)
      return error_at(quote_line_, "the quote that begins here is never closed");
    size_ = position_;
    if (at_ == At::kPlain) {
      end_plain(file_->unread());
    } else {
      const size_t line_end = at_ == At::kQuotedCr ? 1 : 0;
      if (at_ == At::kFieldStart) add_field(position_);
      if (at_ == At::kQuoteSeen) add_field(position_ - 1);
      raw_ = file_->unread().substr(0, position_ - line_end);
    }
    return true;
  }
}

// Goes on from position_; true when the row is complete.
bool CsvSource::scan(std::string_view bytes) {
  while (position_ < bytes.size()) {
    const char c = bytes[position_];
    switch (at_) {
      case At::kFieldStart:
        field_begin_ = position_;
        if (c == '"') {
          field_begin_ = ++position_;
          quote_line_ = line_ + line_breaks_;
          at_ = At::kQuoted;
        } else {
          at_ = At::kPlain;
        }
        break;
      case At::kPlain: {
        const char* p = bytes.data() + position_;
        const char* const end = bytes.data() + bytes.size();
        while (p < end && !ends_plain_[static_cast<unsigned char>(*p)]) ++p;
        position_ = static_cast<size_t>(p - bytes.data());
        if (p == end) return false;
        if (*p == '\n') {
          end_plain(bytes.substr(0, position_));
          size_ = position_ + 1;
          ++line_breaks_;
          return true;
        }
        add_field(position_++);
        break;
      }
      case At::kQuoted:
        if (!scan_quoted(bytes)) return false;
        break;
      case At::kQuoteSeen:
      case At::kQuotedCr:
        if (c == '\n') {
          const bool crlf = at_ == At::kQuotedCr;
          if (!crlf) add_field(position_ - 1);
          raw_ = bytes.substr(0, position_ - (crlf ? 1 : 0));
          size_ = position_ + 1;
          ++line_breaks_;
          return true;
        }
        after_quote(c);
        break;
    }
  }
  return false;
}

bool CsvSource::scan_quoted(std::string_view bytes) {
  const char* const from = bytes.data() + position_;
  const size_t left = bytes.size() - position_;
  const auto* quote = static_cast<const char*>(std::memchr(from, '"', left));
  const size_t passed = quote ? static_cast<size_t>(quote - from) : left;
  line_breaks_ += count_lines({from, passed});
  position_ += passed;
  if (!quote) return false;
  ++position_;
  at_ = At::kQuoteSeen;
  return true;
}

// position_ is at the byte after a quote that may have closed its field, and it is no line feed.
void CsvSource::after_quote(char c) {
  if (at_ == At::kQuotedCr) {
    broken_quote_ = true;
    at_ = At::kPlain;
    return;
  }
  if (c == '"') {
    doubled_ = true;
    at_ = At::kQuoted;
  } else if (c == delimiter_) {
    add_field(position_ - 1);
  } else if (c == '\r') {
    add_field(position_ - 1);
    at_ = At::kQuotedCr;
  } else {
    broken_quote_ = true;
    at_ = At::kPlain;
  }
  ++position_;
}

// The row ends where `row` ends, in an unquoted field.
void CsvSource::end_plain(std::string_view row) {
  size_t end = row.size();
  if (end > field_begin_ && row[end - 1] == '\r') --end;
  add_field(end);
  raw_ = row.substr(0, end);
}

void CsvSource::add_field(size_t end) {
  const size_t begin = at_ == At::kFieldStart ? end : field_begin_;
  fields_.push_back({begin, end, doubled_});
  doubled_ = false;
  at_ = At::kFieldStart;
}

// The row is too long to be held: its beginning is kept for the rejects file, the rest only scanned.
void CsvSource::skip_ahead() {
  if (!too_long_) head_.assign(file_->unread().substr(0, kRowHead));
  too_long_ = true;
  fields_.clear();
  file_->drop(position_);
  position_ = field_begin_ = 0;
}

bool CsvSource::is_blank() const {
  return fields_.size() == 1 && !too_long_ && raw_.find_first_not_of(' ') == std::string_view::npos;
}

void CsvSource::collect_values() {
  values_.clear();
  unescaped_.clear();
  unescaped_.reserve(raw_.size());  // so that views of it stay
  for (const Field& field : fields_) {
    std::string_view text = raw_.substr(field.begin, field.end - field.begin);
    if (field.doubled) {
      const size_t begin = unescaped_.size();
      for (size_t i = 0; i < text.size(); ++i) {
        unescaped_ += text[i];
        if (text[i] == '"') ++i;
      }
      text = std::string_view(unescaped_).substr(begin);
    }
    values_.push_back(text);
  }
}

Result<bool> CsvSource::next(Row& row) {
  do {
    file_->drop(size_);
    size_ = 0;
    line_ += line_breaks_;
    rewind();
    Result<bool> found = read_record();
    if (!found.ok() || !*found) return found;
  } while (is_blank());
  row = Row{};
  row.number = ++number_;
  row.line = line_;
  row.raw = too_long_ ? std::string_view(head_) : raw_;
  if (too_long_) {
    row.problem = "row longer than 1 MiB";
  } else if (row.problem = byte_problem(raw_); !row.problem.empty()) {
    return true;
  } else if (broken_quote_) {
    row.problem = "text after a closing quote";
  } else if (fields_.size() != columns_.size()) {
    problem_ = std::to_string(fields_.size()) + (fields_.size() == 1 ? " field" : " fields") +
               " where the header has " + std::to_string(columns_.size());
    row.problem = problem_;
  } else {
    collect_values();
    finish_row(row);
  }
  return true;
}

}  // namespace volley::intake
