#include "engine/message/row_binder.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/utf8.h"

namespace volley::message {

using Nodes = std::vector<MustacheNode>;
using NodeKind = MustacheNode::Kind;

namespace {

constexpr size_t kMaxRowDepth = 20;  // in a row nothing can end a recursion, so this is one
constexpr size_t kMaxOps = 100'000;

std::string no_such_column(const MustacheNode& node, std::span<const std::string> columns) {
  auto fold = [](std::string_view name) {
    std::string out;
    for (char c : name) {
      if (c != ' ' && c != '_' && c != '-') out += ascii_lower(c);
    }
    return out;
  };
  std::string list, meant;
  for (const std::string& column : columns) {
    if (!list.empty()) list += ", ";
    list += column;
    if (meant.empty() && fold(column) == fold(node.text)) meant = column;
  }
  if (!meant.empty()) {
    return fmt::format("{}: no column is called `{}`; write {{{{{}}}}}", node.where, node.text,
                       meant);
  }
  return fmt::format("{}: no column is called `{}`; there are: {}", node.where, node.text, list);
}

}  // namespace

// Flattens a tree: names become columns, partials are expanded in place.
class RowBinder {
 public:
  RowBinder(const Partials& partials, std::span<const std::string> columns)
      : partials_(partials), columns_(columns) {}

  Status add(const Nodes& nodes);
  RowTemplate take() { return std::move(row_); }

 private:
  using Op = RowTemplate::Op;

  Status add_one(const MustacheNode& node);
  Status add_section(const MustacheNode& node);
  Status add_partial(const MustacheNode& node);
  Result<uint32_t> column(const MustacheNode& node) const;
  void add_text(std::string_view text);

  const Partials& partials_;
  std::span<const std::string> columns_;
  std::vector<uint32_t> sections_;  // columns of the open sections, for {{.}}
  size_t depth_ = 0;
  RowTemplate row_;
};

void RowBinder::add_text(std::string_view text) {
  const auto offset = static_cast<uint32_t>(row_.text_.size());
  row_.text_ += text;
  row_.ops_.push_back({Op::Kind::kText, offset, static_cast<uint32_t>(text.size())});
}

Result<uint32_t> RowBinder::column(const MustacheNode& node) const {
  if (node.text == ".") {
    if (!sections_.empty()) return sections_.back();
    return Error{Errc::kData,
                 node.where + ": {{.}} means the column of a section around it; there is none"};
  }
  const auto found = std::find(columns_.begin(), columns_.end(), node.text);
  if (found == columns_.end()) return Error{Errc::kData, no_such_column(node, columns_)};
  return static_cast<uint32_t>(found - columns_.begin());
}

Status RowBinder::add_section(const MustacheNode& node) {
  const auto at = column(node);
  if (!at.ok()) return at.error();
  const bool section = node.kind == NodeKind::kSection;
  const size_t jump = row_.ops_.size();
  row_.ops_.push_back({section ? Op::Kind::kUnlessEmpty : Op::Kind::kUnlessFull, *at, 0});
  if (section) sections_.push_back(*at);
  Status status = add(node.children);
  if (section) sections_.pop_back();
  row_.ops_[jump].b = static_cast<uint32_t>(row_.ops_.size());
  return status;
}

Status RowBinder::add_partial(const MustacheNode& node) {
  const auto found = partials_.find(node.text);
  if (found == partials_.end()) {
    return Error{Errc::kData,
                 fmt::format("{}: no partial is called `{}`: name its file under [partials]",
                             node.where, node.text)};
  }
  if (depth_ >= kMaxRowDepth || row_.ops_.size() > kMaxOps) {
    return Error{Errc::kData,
                 fmt::format("{}: partial `{}` includes itself, or partials nest too deep",
                             node.where, node.text)};
  }
  const auto nodes = parse_tree(found->second.text, found->second.source, node.indent);
  if (!nodes.ok()) return nodes.error();
  ++depth_;
  Status status = add(*nodes);
  --depth_;
  return status;
}

Status RowBinder::add_one(const MustacheNode& node) {
  switch (node.kind) {
    case NodeKind::kText:
      add_text(node.text);
      return {};
    case NodeKind::kName:
    case NodeKind::kRawName: {
      const auto at = column(node);
      if (!at.ok()) return at.error();
      const bool raw = node.kind == NodeKind::kRawName;
      row_.ops_.push_back({raw ? Op::Kind::kRaw : Op::Kind::kValue, *at, 0});
      return {};
    }
    case NodeKind::kSection:
    case NodeKind::kInverted:
      return add_section(node);
    case NodeKind::kPartial:
      return add_partial(node);
  }
  return {};
}

Status RowBinder::add(const Nodes& nodes) {
  for (const MustacheNode& node : nodes) {
    if (Status status = add_one(node); !status.ok()) return status;
  }
  return {};
}

Result<RowTemplate> bind_row(const Nodes& nodes, const Partials& partials,
                             std::span<const std::string> columns) {
  RowBinder binder(partials, columns);
  if (Status status = binder.add(nodes); !status.ok()) return status.error();
  return binder.take();
}

}  // namespace volley::message
