#include "engine/message/mustache.h"

#include <set>

#include "engine/message/mustache_tree.h"
#include "engine/message/row_binder.h"

namespace volley::message {

using Nodes = std::vector<MustacheNode>;
using NodeKind = MustacheNode::Kind;

namespace {

constexpr int kMaxTreeDepth = 100;  // of partials within partials, rendering a tree

void append_html(std::string_view text, std::string& out) {
  for (char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
}

void append_header(std::string_view text, std::string& out) {
  for (char raw : text) {
    const auto c = static_cast<unsigned char>(raw);
    out += c < 0x20 || c == 0x7F ? ' ' : raw;
  }
}

void append_uri(std::string_view text, std::string& out) {
  constexpr char kHex[] = "0123456789ABCDEF";
  for (char raw : text) {
    const auto c = static_cast<unsigned char>(raw);
    const bool unreserved = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
                            (c >= 'a' && c <= 'z') || c == '-' || c == '.' || c == '_' || c == '~';
    if (unreserved) {
      out += raw;
    } else {
      out += '%';
      out += kHex[c >> 4];
      out += kHex[c & 15];
    }
  }
}

void append_tree_value(std::string_view text, Escape escape, std::string& out) {
  switch (escape) {
    case Escape::kNone:
      out += text;
      return;
    case Escape::kHtml:
      return append_html(text, out);
    case Escape::kHeader:
      return append_header(text, out);
    case Escape::kUri:
      return append_uri(text, out);
  }
}

class TreeRenderer {
 public:
  TreeRenderer(const Partials& partials, Escape escape, std::string& out)
      : partials_(partials), escape_(escape), out_(out) {}

  void run(const Nodes& nodes, const Value& context) {
    stack_.push_back(&context);
    render(nodes, 0);
  }

 private:
  const Value* find(std::string_view name) const;
  void render(const Nodes& nodes, int depth);
  void value(const MustacheNode& node);
  void section(const MustacheNode& node, int depth);
  void partial(const MustacheNode& node, int depth);

  const Partials& partials_;
  Escape escape_;
  std::string& out_;
  std::vector<const Value*> stack_;
};

const Value* TreeRenderer::find(std::string_view name) const {
  if (name == ".") return stack_.back();
  size_t dot = name.find('.');
  const std::string first(name.substr(0, dot));
  const Value* found = nullptr;
  for (auto it = stack_.rbegin(); it != stack_.rend() && !found; ++it) {
    const auto member = (*it)->object.find(first);
    if (member != (*it)->object.end()) found = &member->second;
  }
  while (found && dot != std::string_view::npos) {
    const size_t start = dot + 1;
    dot = name.find('.', start);
    const size_t size = dot == std::string_view::npos ? dot : dot - start;
    const auto member = found->object.find(std::string(name.substr(start, size)));
    found = member == found->object.end() ? nullptr : &member->second;
  }
  return found;
}

void TreeRenderer::value(const MustacheNode& node) {
  const Value* found = find(node.text);
  if (!found) return;
  const Escape escape =
      node.kind == NodeKind::kRawName && escape_ == Escape::kHtml ? Escape::kNone : escape_;
  if (found->kind == Value::Kind::kText) append_tree_value(found->text, escape, out_);
  if (found->kind == Value::Kind::kTrue) out_ += "true";
  if (found->kind == Value::Kind::kFalse) out_ += "false";
}

void TreeRenderer::section(const MustacheNode& node, int depth) {
  const Value* found = find(node.text);
  const bool on = found && found->truthy();
  if (node.kind == NodeKind::kInverted) {
    if (!on) render(node.children, depth);
    return;
  }
  if (!on) return;
  const bool list = found->kind == Value::Kind::kList;
  const size_t times = list ? found->list.size() : 1;
  for (size_t i = 0; i < times; ++i) {
    stack_.push_back(list ? &found->list[i] : found);
    render(node.children, depth);
    stack_.pop_back();
  }
}

void TreeRenderer::partial(const MustacheNode& node, int depth) {
  const auto found = partials_.find(node.text);
  if (found == partials_.end() || depth >= kMaxTreeDepth) return;
  const auto nodes = parse_tree(found->second.text, found->second.source, node.indent);
  if (nodes.ok()) render(*nodes, depth + 1);
}

void TreeRenderer::render(const Nodes& nodes, int depth) {
  for (const MustacheNode& node : nodes) {
    switch (node.kind) {
      case NodeKind::kText:
        out_ += node.text;
        break;
      case NodeKind::kName:
      case NodeKind::kRawName:
        value(node);
        break;
      case NodeKind::kSection:
      case NodeKind::kInverted:
        section(node, depth);
        break;
      case NodeKind::kPartial:
        partial(node, depth);
        break;
    }
  }
}

}  // namespace

Value Value::of(std::string text) {
  Value v;
  v.kind = Kind::kText;
  v.text = std::move(text);
  return v;
}

Value Value::of(bool on) {
  Value v;
  v.kind = on ? Kind::kTrue : Kind::kFalse;
  return v;
}

Value Value::array(std::vector<Value> items) {
  Value v;
  v.kind = Kind::kList;
  v.list = std::move(items);
  return v;
}

Value Value::dict(std::map<std::string, Value> members) {
  Value v;
  v.kind = Kind::kObject;
  v.object = std::move(members);
  return v;
}

bool Value::truthy() const {
  switch (kind) {
    case Kind::kNull:
    case Kind::kFalse:
      return false;
    case Kind::kTrue:
    case Kind::kObject:
      return true;
    case Kind::kText:
      return !text.empty();
    case Kind::kList:
      return !list.empty();
  }
  return false;
}

struct Template::Tree {
  Nodes nodes;
  Partials partials;

  // Calls `visit` for every node reachable, each partial once.
  template <typename Visit>
  Status walk(const Nodes& list, std::set<std::string>& seen, const Visit& visit) const {
    for (const MustacheNode& node : list) {
      visit(node);
      if (Status s = walk(node.children, seen, visit); !s.ok()) return s;
      if (node.kind != NodeKind::kPartial || !seen.insert(node.text).second) continue;
      const auto found = partials.find(node.text);
      if (found == partials.end()) continue;
      const auto inner = parse_tree(found->second.text, found->second.source);
      if (!inner.ok()) return inner.error();
      if (Status s = walk(*inner, seen, visit); !s.ok()) return s;
    }
    return {};
  }
};

Template::Template(std::unique_ptr<Tree> tree) : tree_(std::move(tree)) {}
Template::~Template() = default;
Template::Template(Template&&) noexcept = default;
Template& Template::operator=(Template&&) noexcept = default;

Result<Template> Template::parse(std::string_view text, const std::string& source,
                                 const Partials& partials) {
  auto nodes = parse_tree(text, source);
  if (!nodes.ok()) return nodes.error();
  auto tree = std::make_unique<Tree>();
  tree->nodes = std::move(*nodes);
  tree->partials = partials;
  std::set<std::string> seen;
  Status status = tree->walk(tree->nodes, seen, [](const MustacheNode&) {});
  if (!status.ok()) return status.error();
  return Template(std::move(tree));
}

std::vector<Variable> Template::variables() const {
  std::vector<Variable> names;
  std::set<std::string> seen_partials, seen;
  const Status walked = tree_->walk(tree_->nodes, seen_partials, [&](const MustacheNode& node) {
    if (node.kind == NodeKind::kText || node.kind == NodeKind::kPartial || node.text == ".") return;
    if (seen.insert(node.text).second) names.push_back({node.text, node.where});
  });
  (void)walked;  // parse() walked the same way and found no fault
  return names;
}

void Template::render(const Value& context, Escape escape, std::string& out) const {
  TreeRenderer(tree_->partials, escape, out).run(tree_->nodes, context);
}

Result<RowTemplate> Template::bind(std::span<const std::string> columns) const {
  return bind_row(tree_->nodes, tree_->partials, columns);
}

}  // namespace volley::message
