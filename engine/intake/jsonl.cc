#include "engine/intake/jsonl.h"

#include <simdjson.h>

#include <cstring>
#include <utility>

namespace volley::intake {
namespace {

namespace ondemand = simdjson::ondemand;

bool digits(std::string_view text, size_t& i) {
  const size_t begin = i;
  while (i < text.size() && text[i] >= '0' && text[i] <= '9') ++i;
  return i > begin;
}

// RFC 8259 section 6.
bool is_number(std::string_view text) {
  size_t i = text.starts_with('-') ? 1 : 0;
  const size_t whole = i;
  if (!digits(text, i) || (text[whole] == '0' && i > whole + 1)) return false;
  if (i < text.size() && text[i] == '.' && !digits(text, ++i)) return false;
  if (i < text.size() && (text[i] == 'e' || text[i] == 'E')) {
    ++i;
    if (i < text.size() && (text[i] == '+' || text[i] == '-')) ++i;
    if (!digits(text, i)) return false;
  }
  return i == text.size();
}

std::string_view trim_end(std::string_view text) {
  while (!text.empty() && std::strchr(" \t\r\n", text.back())) text.remove_suffix(1);
  return text;
}

constexpr std::string_view kNotAnObject = "not a JSON object";
constexpr std::string_view kNested =
    "nested value; only text, numbers, true, false and null are taken";

}  // namespace

// Yields the members of one line in order. The library's header stays out of ours.
struct JsonlSource::Parser {
  ondemand::parser parser;

  template <typename Visit>  // std::string_view(key, value): a problem, or empty
  std::string_view members(std::string_view line, size_t readable, Visit visit) {
    ondemand::document document;
    ondemand::object object;
    if (parser.iterate(line.data(), line.size(), readable).get(document) != simdjson::SUCCESS ||
        document.get_object().get(object) != simdjson::SUCCESS) {
      return kNotAnObject;
    }
    for (auto item : object) {
      ondemand::field field;
      std::string_view key, value;
      if (std::move(item).get(field) != simdjson::SUCCESS ||
          field.unescaped_key().get(key) != simdjson::SUCCESS) {
        return kNotAnObject;
      }
      if (std::string_view problem = plain(field.value(), value); !problem.empty()) return problem;
      if (std::string_view problem = visit(key, value); !problem.empty()) return problem;
    }
    if (document.current_location().error() != simdjson::OUT_OF_BOUNDS) {
      return "text after the JSON object";
    }
    return {};
  }

  static std::string_view plain(ondemand::value item, std::string_view& out) {
    ondemand::json_type type;
    if (item.type().get(type) != simdjson::SUCCESS) return kNotAnObject;
    switch (type) {
      case ondemand::json_type::array:
      case ondemand::json_type::object:
        return kNested;
      case ondemand::json_type::string:
        return item.get_string().get(out) == simdjson::SUCCESS ? std::string_view() : kNotAnObject;
      default:
        break;
    }
    out = trim_end(item.raw_json_token());
    if (out == "true" || out == "false" || is_number(out)) return {};
    if (out != "null") return kNotAnObject;
    out = {};
    return {};
  }
};

JsonlSource::JsonlSource(std::unique_ptr<InputFile> file)
    : RowSource(std::move(file)), parser_(std::make_unique<Parser>()) {}
JsonlSource::~JsonlSource() = default;

Result<std::unique_ptr<JsonlSource>> JsonlSource::open(std::unique_ptr<InputFile> file) {
  std::unique_ptr<JsonlSource> source(new JsonlSource(std::move(file)));
  if (Status status = source->read_header(); !status) return status.error();
  return source;
}

Status JsonlSource::read_header() {
  do {
    Result<bool> found = read_line();
    if (!found.ok()) return found.error();
    if (!*found) return error_at(1, "empty: a list starts with an object that names its columns");
  } while (is_blank());
  std::vector<std::string> keys;
  std::string_view problem = too_long_ ? "row longer than 1 MiB" : byte_problem(raw_);
  if (problem.empty()) {
    problem = parser_->members(raw_, raw_.size() + InputFile::kPadding,
                               [&](std::string_view key, std::string_view) {
                                 keys.emplace_back(key);
                                 return std::string_view();
                               });
  }
  if (!problem.empty()) {
    return error_at(line_, "the first object names the columns: " + std::string(problem));
  }
  pending_ = true;
  return set_columns(std::move(keys), line_);
}

Result<bool> JsonlSource::read_line() {
  file_->drop(size_);
  size_ = 0;
  too_long_ = false;
  ++line_;
  size_t scanned = 0;
  for (;;) {
    std::string_view bytes = file_->unread();
    const auto* end = bytes.size() > scanned
                          ? static_cast<const char*>(
                                std::memchr(bytes.data() + scanned, '\n', bytes.size() - scanned))
                          : nullptr;
    if (end) {
      raw_ = bytes.substr(0, static_cast<size_t>(end - bytes.data()));
      size_ = raw_.size() + 1;
      return true;
    }
    scanned = bytes.size();
    if (scanned > kMaxRow) {
      if (!too_long_) head_.assign(bytes.substr(0, kRowHead));
      too_long_ = true;
      file_->drop(scanned);
      scanned = 0;
    }
    Result<bool> more = file_->fill();
    if (!more.ok()) return more.error();
    if (*more) continue;
    raw_ = file_->unread();
    size_ = raw_.size();
    return size_ > 0 || too_long_;
  }
}

bool JsonlSource::is_blank() const {
  return !too_long_ && raw_.find_first_not_of(" \t\r") == std::string_view::npos;
}

size_t JsonlSource::column_of(std::string_view key, size_t hint) const {
  if (hint < columns_.size() && columns_[hint] == key) return hint;
  for (size_t i = 0; i < columns_.size(); ++i) {
    if (columns_[i] == key) return i;
  }
  return columns_.size();
}

std::string_view JsonlSource::assign(std::string_view key, std::string_view value, size_t& hint) {
  const size_t column = column_of(key, hint);
  if (column == columns_.size() || seen_[column]) {
    problem_ = "key \"" + std::string(key.substr(0, 100)) + "\"" +
               (column == columns_.size() ? " is not in the first object" : " stands twice");
    return problem_;
  }
  seen_[column] = true;
  values_[column] = value;
  hint = column + 1;
  return {};
}

Result<bool> JsonlSource::next(Row& row) {
  if (!pending_) {
    do {
      Result<bool> found = read_line();
      if (!found.ok() || !*found) return found;
    } while (is_blank());
  }
  pending_ = false;
  row = Row{};
  row.number = ++number_;
  row.line = line_;
  row.raw = too_long_ ? std::string_view(head_) : trim_end(raw_);
  row.problem = too_long_ ? "row longer than 1 MiB" : byte_problem(raw_);
  if (!row.problem.empty()) return true;
  values_.assign(columns_.size(), {});
  seen_.assign(columns_.size(), false);
  size_t hint = 0;
  row.problem = parser_->members(
      raw_, raw_.size() + InputFile::kPadding,
      [&](std::string_view key, std::string_view value) { return assign(key, value, hint); });
  if (row.problem.empty()) finish_row(row);
  return true;
}

}  // namespace volley::intake
