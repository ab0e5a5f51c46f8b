#include "base/config.h"

#define TOML_HEADER_ONLY 1
#define TOML_EXCEPTIONS 0
#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/files.h"
#include "base/nearest.h"
#include "base/units.h"

namespace volley {
namespace {

const toml::table& as_table(const void* node) { return *static_cast<const toml::table*>(node); }

std::string_view kind(const toml::node& node) {
  switch (node.type()) {
    case toml::node_type::string:
      return "a string";
    case toml::node_type::integer:
      return "an integer";
    case toml::node_type::floating_point:
      return "a number";
    case toml::node_type::boolean:
      return "true or false";
    case toml::node_type::array:
      return "an array";
    case toml::node_type::table:
      return "a table";
    default:
      return "a date or time";
  }
}

// The keys of a table in the order of the file; toml++ keeps them sorted by name.
std::vector<const toml::key*> keys_in_file_order(const toml::table& table) {
  std::vector<const toml::key*> keys;
  for (auto it = table.cbegin(); it != table.cend(); ++it) keys.push_back(&it->first);
  std::stable_sort(keys.begin(), keys.end(), [](const toml::key* a, const toml::key* b) {
    const auto& x = a->source().begin;
    const auto& y = b->source().begin;
    return std::pair(x.line, x.column) < std::pair(y.line, y.column);
  });
  return keys;
}

}  // namespace

struct Config::Impl {
  std::string path;
  Errc code;
  toml::table root;
  std::map<const void*, std::set<std::string, std::less<>>> asked;  // table -> key names
  std::optional<Error> first;

  Error at(const toml::source_position& where, std::string_view message) const {
    if (where.line == 0) return Error{code, fmt::format("{}: {}", path, message)};
    return Error{code, fmt::format("{}:{}:{}: {}", path, where.line, where.column, message)};
  }
  // Of the key, or of the table when the key is absent.
  static const toml::source_position& position(const toml::table& table, std::string_view key) {
    const auto it = table.find(key);
    return it == table.cend() ? table.source().begin : it->first.source().begin;
  }
  void note(const toml::source_position& where, std::string_view message) {
    if (!first) first = at(where, message);
  }
  const toml::node* find(const void* table, std::string_view key) {
    asked[table].insert(std::string(key));
    return as_table(table).get(key);
  }
  void wrong(const toml::node& node, std::string_view key, std::string_view expected) {
    note(node.source().begin, fmt::format("{}: expected {}, got {}", key, expected, kind(node)));
  }
  template <typename T>
  std::optional<T> keep(const toml::node& node, std::string_view key, Result<T> parsed) {
    if (parsed) return *parsed;
    note(node.source().begin, fmt::format("{}: {}", key, parsed.error().message));
    return std::nullopt;
  }
  std::optional<Error> unknown_in(const toml::table& table) const;
  std::optional<Error> unknown_below(const toml::node& node) const;
};

std::optional<Error> Config::Impl::unknown_in(const toml::table& table) const {
  const auto names = asked.find(&table);
  if (names == asked.end()) return std::nullopt;  // nobody looked inside: its own key was unknown
  for (const toml::key* key : keys_in_file_order(table)) {
    if (names->second.contains(key->str())) {
      if (auto error = unknown_below(*table.get(key->str()))) return error;
      continue;
    }
    Nearest meant(key->str());
    for (const std::string& name : names->second) meant.consider(name);
    std::string message = fmt::format("unknown key \"{}\"", key->str());
    if (!meant.best().empty()) message += fmt::format(": did you mean \"{}\"?", meant.best());
    return at(key->source().begin, message);
  }
  return std::nullopt;
}

std::optional<Error> Config::Impl::unknown_below(const toml::node& node) const {
  if (const toml::table* table = node.as_table()) return unknown_in(*table);
  if (const toml::array* array = node.as_array()) {
    for (const toml::node& element : *array) {
      if (auto error = unknown_below(element)) return error;
    }
  }
  return std::nullopt;
}

bool Table::has(std::string_view key) const { return as_table(node_).contains(key); }

std::optional<std::string> Table::string(std::string_view key) {
  const toml::node* node = config_->impl_->find(node_, key);
  if (!node) return std::nullopt;
  if (const auto* value = node->as_string()) return value->get();
  config_->impl_->wrong(*node, key, "a string");
  return std::nullopt;
}

std::optional<int64_t> Table::integer(std::string_view key) {
  const toml::node* node = config_->impl_->find(node_, key);
  if (!node) return std::nullopt;
  if (const auto* value = node->as_integer()) return value->get();
  config_->impl_->wrong(*node, key, "an integer");
  return std::nullopt;
}

std::optional<bool> Table::boolean(std::string_view key) {
  const toml::node* node = config_->impl_->find(node_, key);
  if (!node) return std::nullopt;
  if (const auto* value = node->as_boolean()) return value->get();
  config_->impl_->wrong(*node, key, "true or false");
  return std::nullopt;
}

std::optional<Duration> Table::duration(std::string_view key) {
  const toml::node* node = config_->impl_->find(node_, key);
  if (!node) return std::nullopt;
  if (const auto* text = node->as_string()) {
    return config_->impl_->keep(*node, key, parse_duration(text->get()));
  }
  if (const auto* number = node->as_integer(); number && number->get() == 0) return Duration(0);
  config_->impl_->wrong(*node, key, "a duration such as \"15m\"");
  return std::nullopt;
}

std::optional<uint64_t> Table::size(std::string_view key) {
  const toml::node* node = config_->impl_->find(node_, key);
  if (!node) return std::nullopt;
  if (const auto* text = node->as_string()) {
    return config_->impl_->keep(*node, key, parse_size(text->get()));
  }
  if (const auto* number = node->as_integer(); number && number->get() >= 0) {
    return static_cast<uint64_t>(number->get());
  }
  config_->impl_->wrong(*node, key, "a size such as \"64MB\" or a number of bytes");
  return std::nullopt;
}

std::optional<double> Table::rate(std::string_view key) {
  const toml::node* node = config_->impl_->find(node_, key);
  if (!node) return std::nullopt;
  if (const auto* text = node->as_string()) {
    return config_->impl_->keep(*node, key, parse_rate(text->get()));
  }
  config_->impl_->wrong(*node, key, "a rate such as \"100/s\"");
  return std::nullopt;
}

std::optional<double> Table::fraction(std::string_view key) {
  const toml::node* node = config_->impl_->find(node_, key);
  if (!node) return std::nullopt;
  if (const auto* text = node->as_string()) {
    return config_->impl_->keep(*node, key, parse_fraction(text->get()));
  }
  if (const auto number = node->value<double>(); number && *number >= 0 && *number <= 1) {
    return *number;
  }
  config_->impl_->wrong(*node, key, "a fraction such as \"5%\" or 0.05");
  return std::nullopt;
}

std::vector<std::string> Table::strings(std::string_view key) {
  const toml::node* node = config_->impl_->find(node_, key);
  if (!node) return {};
  if (const auto* one = node->as_string()) return {one->get()};
  const toml::array* array = node->as_array();
  if (!array) {
    config_->impl_->wrong(*node, key, "an array of strings");
    return {};
  }
  std::vector<std::string> out;
  for (const toml::node& element : *array) {
    if (const auto* text = element.as_string()) {
      out.push_back(text->get());
    } else {
      config_->impl_->wrong(element, key, "an array of strings");
    }
  }
  return out;
}

std::vector<std::pair<std::string, std::string>> Table::string_map(std::string_view key) {
  const toml::node* node = config_->impl_->find(node_, key);
  if (!node) return {};
  const toml::table* table = node->as_table();
  if (!table) {
    config_->impl_->wrong(*node, key, "a table of strings");
    return {};
  }
  std::vector<std::pair<std::string, std::string>> out;
  for (const toml::key* name : keys_in_file_order(*table)) {
    const toml::node* value = config_->impl_->find(table, name->str());
    if (const auto* text = value->as_string()) {
      out.emplace_back(name->str(), text->get());
    } else {
      config_->impl_->wrong(*value, name->str(), "a string");
    }
  }
  return out;
}

std::optional<Table> Table::table(std::string_view key) {
  const toml::node* node = config_->impl_->find(node_, key);
  if (!node) return std::nullopt;
  const toml::table* table = node->as_table();
  if (!table) {
    config_->impl_->wrong(*node, key, "a table");
    return std::nullopt;
  }
  config_->impl_->asked[table];  // a table somebody holds must have its keys asked for
  return Table(config_, table);
}

std::vector<std::pair<std::string, Table>> Table::tables(std::string_view key) {
  std::vector<std::pair<std::string, Table>> out;
  std::optional<Table> parent = table(key);
  if (!parent) return out;
  for (const toml::key* name : keys_in_file_order(as_table(parent->node_))) {
    if (auto child = parent->table(name->str())) out.emplace_back(name->str(), *child);
  }
  return out;
}

std::vector<Table> Table::array(std::string_view key) {
  const toml::node* node = config_->impl_->find(node_, key);
  if (!node) return {};
  const toml::array* array = node->as_array();
  std::vector<Table> out;
  if (!array) {
    config_->impl_->wrong(*node, key, fmt::format("tables written as [[{}]]", key));
    return out;
  }
  for (const toml::node& element : *array) {
    if (const toml::table* table = element.as_table()) {
      config_->impl_->asked[table];
      out.push_back(Table(config_, table));
    } else {
      config_->impl_->wrong(element, key, "a table");
    }
  }
  return out;
}

void Table::fail(std::string_view key, std::string_view message) {
  const bool named = message.starts_with(key) && message.substr(key.size()).starts_with(':');
  fail_name(key, named ? std::string(message) : fmt::format("{}: {}", key, message));
}

void Table::fail_name(std::string_view key, std::string_view message) {
  config_->impl_->note(config_->impl_->position(as_table(node_), key), message);
}

std::string Table::place(std::string_view key) const {
  const toml::source_position where = config_->impl_->position(as_table(node_), key);
  return fmt::format("{}:{}:{}: {}", config_->path(), where.line, where.column, key);
}

Config::Config(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Config::~Config() = default;

Result<std::unique_ptr<Config>> Config::load(const std::string& path, Errc code) {
  Result<std::string> text = read_file(path, uint64_t{16} << 20);
  if (!text) return text.error();
  return parse(*text, path, code);
}

Result<std::unique_ptr<Config>> Config::parse(std::string_view text, std::string name, Errc code) {
  auto impl = std::make_unique<Impl>();
  impl->path = std::move(name);
  impl->code = code;
  toml::parse_result parsed = toml::parse(text, std::string_view(impl->path));
  if (!parsed) return impl->at(parsed.error().source().begin, parsed.error().description());
  impl->root = std::move(parsed).table();
  return std::unique_ptr<Config>(new Config(std::move(impl)));
}

Table Config::root() {
  impl_->asked[&impl_->root];
  return Table(this, &impl_->root);
}

const std::string& Config::path() const { return impl_->path; }

std::string Config::directory() const {
  const size_t slash = impl_->path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : impl_->path.substr(0, slash);
}

std::string Config::resolve(std::string_view relative) const {
  if (relative.starts_with('/')) return std::string(relative);
  const std::string base = directory();
  if (base == ".") return std::string(relative);
  return (base == "/" ? base : base + '/') + std::string(relative);
}

Status Config::finish() {
  if (impl_->first) return *impl_->first;
  impl_->asked[&impl_->root];
  if (auto unknown = impl_->unknown_in(impl_->root)) return *unknown;
  return {};
}

}  // namespace volley
