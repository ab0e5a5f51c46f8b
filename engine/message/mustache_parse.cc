#include <fmt/format.h>

#include <algorithm>

#include "engine/message/mustache_tree.h"

namespace volley::message {
namespace {

using Kind = MustacheNode::Kind;

std::string_view trim(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

std::string indented(std::string_view text, std::string_view indent) {
  std::string out;
  bool line_start = true;
  for (char c : text) {
    if (line_start) out += indent;
    out += c;
    line_start = c == '\n';
  }
  return out;
}

class Parser {
 public:
  Parser(std::string_view text, const std::string& source, size_t indent)
      : text_(text), source_(source), indent_(indent) {}

  Result<std::vector<MustacheNode>> run();

 private:
  struct Tag {
    char sigil = 0;  // 0: a plain name
    std::string_view content;
    size_t start = 0, end = 0;  // the whole tag, delimiters included
  };
  struct Open {  // a section whose end has not come yet
    MustacheNode node;
    size_t at;
  };

  Error fail(size_t at, std::string_view what) const {
    return Error{Errc::kData, fmt::format("{}: {}", where(at), what)};
  }
  std::string where(size_t at) const;
  std::vector<MustacheNode>& target() { return open_.empty() ? top_ : open_.back().node.children; }
  void add_text(std::string_view piece);
  Result<Tag> read_tag(size_t at) const;
  bool stands_alone(const Tag& tag, size_t& line_start, size_t& line_end) const;
  Status apply(const Tag& tag, std::string_view indent);
  Status set_delimiters(const Tag& tag);
  Status close_section(const Tag& tag);

  std::string_view text_;
  const std::string& source_;
  size_t indent_;
  std::string open_mark_ = "{{", close_mark_ = "}}";
  std::vector<MustacheNode> top_;
  std::vector<Open> open_;
};

std::string Parser::where(size_t at) const {
  const std::string_view before = text_.substr(0, at);
  const auto line = std::count(before.begin(), before.end(), '\n') + 1;
  const size_t newline = before.rfind('\n');
  const size_t column = at - (newline == std::string_view::npos ? 0 : newline + 1);
  return fmt::format("{}:{}:{}", source_, line, column - std::min(column, indent_) + 1);
}

void Parser::add_text(std::string_view piece) {
  if (piece.empty()) return;
  auto& nodes = target();
  if (nodes.empty() || nodes.back().kind != Kind::kText) nodes.emplace_back();
  nodes.back().text += piece;
}

Result<Parser::Tag> Parser::read_tag(size_t at) const {
  Tag tag;
  tag.start = at;
  size_t begin = at + open_mark_.size();
  begin = std::min(text_.find_first_not_of(" \t\r\n", begin), text_.size());
  std::string close = close_mark_;
  if (begin < text_.size() && std::string_view("#^/!>{&=<$").find(text_[begin]) < 10) {
    tag.sigil = text_[begin++];
    if (tag.sigil == '{') close = '}' + close;
    if (tag.sigil == '=') close = '=' + close;
  }
  const size_t end = text_.find(close, begin);
  if (end == std::string_view::npos) {
    return fail(at, fmt::format("this tag is never closed: expected `{}`", close));
  }
  tag.content = trim(text_.substr(begin, end - begin));
  tag.end = end + close.size();
  return tag;
}

// Tags that print nothing, alone on their line, take the whole line with them.
bool Parser::stands_alone(const Tag& tag, size_t& line_start, size_t& line_end) const {
  if (tag.sigil == 0 || tag.sigil == '{' || tag.sigil == '&') return false;
  const size_t newline = text_.substr(0, tag.start).rfind('\n');
  line_start = newline == std::string_view::npos ? 0 : newline + 1;
  const auto blank = [](char c) { return c == ' ' || c == '\t'; };
  for (size_t i = line_start; i < tag.start; ++i) {
    if (!blank(text_[i])) return false;
  }
  size_t i = tag.end;
  while (i < text_.size() && blank(text_[i])) ++i;
  if (text_.substr(i).starts_with("\r\n")) {
    i += 2;
  } else if (i < text_.size() && text_[i] == '\n') {
    ++i;
  } else if (i < text_.size()) {
    return false;
  }
  line_end = i;
  return true;
}

Status Parser::set_delimiters(const Tag& tag) {
  const size_t gap = tag.content.find_first_of(" \t\r\n");
  const std::string_view open = tag.content.substr(0, gap);
  const std::string_view close =
      gap == std::string_view::npos ? std::string_view() : trim(tag.content.substr(gap));
  const bool bad = open.empty() || close.empty() ||
                   close.find_first_of(" \t\r\n=") != std::string_view::npos ||
                   open.find('=') != std::string_view::npos;
  if (bad) return fail(tag.start, "set-delimiter tags look like {{=<% %>=}}");
  open_mark_ = open;
  close_mark_ = close;
  return {};
}

Status Parser::close_section(const Tag& tag) {
  if (open_.empty()) {
    return fail(tag.start,
                fmt::format("{{{{/{}}}}} closes a section that is not open", tag.content));
  }
  if (open_.back().node.text != tag.content) {
    return fail(tag.start,
                fmt::format("{{{{/{}}}}} here, but the open section is `{}` of {}", tag.content,
                            open_.back().node.text, open_.back().node.where));
  }
  MustacheNode done = std::move(open_.back().node);
  open_.pop_back();
  target().push_back(std::move(done));
  return {};
}

Status Parser::apply(const Tag& tag, std::string_view indent) {
  if (tag.sigil == '!') return {};
  if (tag.sigil == '=') return set_delimiters(tag);
  if (tag.content.empty()) return fail(tag.start, "a tag without a name");
  if (tag.sigil == '/') return close_section(tag);
  if (tag.sigil == '<' || tag.sigil == '$') {
    return fail(tag.start, "template inheritance is not supported: use partials");
  }
  MustacheNode node;
  node.text = tag.content;
  node.where = where(tag.start);
  switch (tag.sigil) {
    case '#':
    case '^':
      node.kind = tag.sigil == '#' ? Kind::kSection : Kind::kInverted;
      open_.push_back({std::move(node), tag.start});
      return {};
    case '>':
      node.kind = Kind::kPartial;
      node.indent = indent;
      break;
    case 0:
      node.kind = Kind::kName;
      break;
    default:
      node.kind = Kind::kRawName;
  }
  target().push_back(std::move(node));
  return {};
}

Result<std::vector<MustacheNode>> Parser::run() {
  size_t at = 0;
  while (true) {
    const size_t start = text_.find(open_mark_, at);
    if (start == std::string_view::npos) break;
    auto tag = read_tag(start);
    if (!tag.ok()) return tag.error();
    size_t line_start = 0, line_end = 0;
    const bool alone = stands_alone(*tag, line_start, line_end);
    add_text(text_.substr(at, (alone ? line_start : start) - at));
    std::string_view indent;
    if (alone) indent = text_.substr(line_start, start - line_start);
    if (Status status = apply(*tag, indent); !status.ok()) return status.error();
    at = alone ? line_end : tag->end;
  }
  add_text(text_.substr(at));
  if (!open_.empty()) {
    return fail(open_.back().at, fmt::format("section `{0}` is never closed: add {{{{/{0}}}}}",
                                             open_.back().node.text));
  }
  return std::move(top_);
}

}  // namespace

Result<std::vector<MustacheNode>> parse_tree(std::string_view text, const std::string& source,
                                             std::string_view indent) {
  if (indent.empty()) return Parser(text, source, 0).run();
  const std::string copy = indented(text, indent);
  return Parser(copy, source, indent.size()).run();
}

}  // namespace volley::message
