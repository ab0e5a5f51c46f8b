// Mustache templates: parsed once, rendered millions of times.
//
// Purpose    parse() turns a text into a tree of segments and reports mistakes with line and
// column. Two ways to render:
//            against a Value tree (the language as its specification has it), or, after bind(),
//            against one flat row of strings whose columns were resolved to indexes, which is the
//            hot path. An empty string is false.
// Language   mustache/spec 1.1: comments, interpolation, sections, inverted sections, partials, set
// delimiters. No lambdas. Rows       {{name}} is a column; {{a.b}} is the column called "a.b";
// {{.}} inside a section is the section's own column.
//            Names that are no column, unknown partials, and partials that include themselves are
//            errors of bind().
// Line ends  Row rendering turns a lone CR or LF of a value into CRLF (Escape::kHtml, kNone) or a
// space (kHeader); the
//            template's own text is taken as it is: normalise it before parse().
// Ownership  Values; a Template owns a copy of its text and of its partials. A Row program refers
// to nothing outside. Thread     Const after parse(); any number of threads may render. Errors
// kData, as `file:line:column: what, and the remedy`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace volley::message {

// What {{name}} does to a value; {{{name}}} and {{&name}} switch HTML and URI escaping off, never
// the header rule.
enum class Escape : uint8_t {
  kNone,
  kHtml,    // & < > " ' become entities
  kHeader,  // CR, LF, NUL and other control characters become a space: a value can never inject a
            // header
  kUri,     // percent-encoded unless the value begins the URI (a column that is a whole URL)
};

// A tree of data, for rendering as the specification describes it.
struct Value {
  enum class Kind : uint8_t { kNull, kFalse, kTrue, kText, kList, kObject };

  Kind kind = Kind::kNull;
  std::string text;         // kText; numbers are texts
  std::vector<Value> list;  // kList
  std::map<std::string, Value> object;

  static Value of(std::string text);
  static Value of(const char* text) { return of(std::string(text)); }
  static Value of(bool on);
  static Value array(std::vector<Value> items);
  static Value dict(std::map<std::string, Value> members);
  bool truthy() const;  // null, false, "" and [] are not
};

struct PartialText {
  std::string source;  // for error messages: the file's name
  std::string text;
};
using Partials = std::map<std::string, PartialText>;

struct Variable {
  std::string name;
  std::string where;  // file:line:column of its first use
};

// A template flattened for rows with known columns.
class RowTemplate {
 public:
  // Appends. False when a value contains NUL (never in kHeader or kUri, where it is replaced).
  bool render(std::span<const std::string_view> values, Escape escape, std::string& out) const;
  // No language at all: the text as it stands.
  static RowTemplate literal(std::string text);
  // No variable at all: every rendering is `constant_text()`.
  bool constant() const;
  std::string_view constant_text() const;
  size_t text_size() const { return text_.size(); }  // of the template's own text

 private:
  friend class RowBinder;
  struct Op {
    enum class Kind : uint8_t { kText, kValue, kRaw, kUnlessEmpty, kUnlessFull } kind;
    uint32_t a = 0;  // kText: offset; else column
    uint32_t b = 0;  // kText: length; sections: index of the first Op after them
  };
  std::vector<Op> ops_;
  std::string text_;
};

class Template {
 public:
  // `source` names the text in messages, usually its file. Partials are parsed when used.
  static Result<Template> parse(std::string_view text, const std::string& source,
                                const Partials& partials = {});
  ~Template();
  Template(Template&&) noexcept;
  Template& operator=(Template&&) noexcept;

  // Every name used, partials included, in order of first use; without {{.}}.
  std::vector<Variable> variables() const;
  // Appends. A missing partial or name is empty; recursion deeper than 100 stops.
  void render(const Value& context, Escape escape, std::string& out) const;
  Result<RowTemplate> bind(std::span<const std::string> columns) const;

 private:
  struct Tree;
  explicit Template(std::unique_ptr<Tree> tree);
  std::unique_ptr<Tree> tree_;
};

}  // namespace volley::message
