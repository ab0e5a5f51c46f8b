// Checked reading of TOML: every key is asked for by name and type, and what nobody asked for is an error.
//
// Purpose   Config::load parses a file; Table's getters return defaults for absent keys and note wrong types; finish()
//           returns the first problem: a parse error, a wrong type, a bad unit or an unknown key, each as
//           `file:line:column: message`.
// Ownership Table refers into its Config and must not outlive it.
// Thread    One owner. Errors kConfig (or what `Config::load` was told), kNoInput for a missing file.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace volley {

class Config;

class Table {
 public:
  bool has(std::string_view key) const;
  // Absent: nullopt. Wrong type or bad unit: noted, and nullopt.
  std::optional<std::string> string(std::string_view key);
  std::optional<int64_t> integer(std::string_view key);
  std::optional<bool> boolean(std::string_view key);
  std::optional<Duration> duration(std::string_view key);
  std::optional<uint64_t> size(std::string_view key);     // "64MB" or a number of bytes
  std::optional<double> rate(std::string_view key);       // "100/s"
  std::optional<double> fraction(std::string_view key);   // "5%" or 0.05
  std::vector<std::string> strings(std::string_view key);  // array of strings, or one string
  std::vector<std::pair<std::string, std::string>> string_map(std::string_view key);  // table of strings, file order
  std::optional<Table> table(std::string_view key);
  std::vector<std::pair<std::string, Table>> tables(std::string_view key);  // [key."a"] [key."b"]: name and table
  std::vector<Table> array(std::string_view key);                           // [[key]]

  // Notes a problem at this key's line (or the table's, when the key is absent), as `key: message`.
  void fail(std::string_view key, std::string_view message);
  // The same for a key whose name is what is wrong: the message alone.
  void fail_name(std::string_view key, std::string_view message);
  // `file:line:column: key`: for what is found out later, when the value is used.
  std::string place(std::string_view key) const;

 private:
  friend class Config;
  Table(Config* config, const void* node) : config_(config), node_(node) {}
  Config* config_;
  const void* node_;
};

class Config {
 public:
  static Result<std::unique_ptr<Config>> load(const std::string& path, Errc code = Errc::kConfig);
  static Result<std::unique_ptr<Config>> parse(std::string_view text, std::string name, Errc code = Errc::kConfig);
  ~Config();

  Table root();
  const std::string& path() const;
  std::string directory() const;             // of the file; relative paths in it hang on this
  std::string resolve(std::string_view relative) const;
  Status finish();                           // first noted problem, else unknown keys, else ok

 private:
  friend class Table;
  struct Impl;
  explicit Config(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace volley
