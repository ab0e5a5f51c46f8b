#include "engine/message/campaign_file.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include "base/address.h"
#include "base/civil_time.h"
#include "base/config.h"
#include "base/files.h"
#include "base/utf8.h"
#include "base/weekly_window.h"
#include "engine/message/file_type.h"
#include "engine/message/headers.h"
#include "engine/message/mustache.h"

namespace volley::message {
namespace {

constexpr size_t kMaxName = 200;

bool same_name(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) {
    return x == y || ((x ^ y) == 0x20 && ((x | 0x20) >= 'a' && (x | 0x20) <= 'z'));
  });
}

class Reader {
 public:
  Reader(Config& config, std::string text)
      : config_(config), root_(config.root()), text_(std::move(text)) {}

  Result<CampaignSpec> run();

 private:
  void identity();
  void texts();
  void header_table();
  void files();
  void policy();
  void schedule();
  std::optional<int64_t> moment(std::string_view key);
  void brakes();
  std::string text(std::string_view key);
  void check_template(Table& table, std::string_view key, std::string_view value);
  std::string path(std::string_view key);
  std::vector<FileRef> file_list(std::string_view key, bool shown_inline);
  FileRef complete(Table& table, std::string_view key, FileRef file, bool shown_inline);
  bool is_array_of_tables(std::string_view key) const;
  Status check_files();

  Config& config_;
  Table root_;
  std::string text_;  // of the whole file
  CampaignSpec spec_;
};

// One-line text that may be a template; its syntax is checked here, where the file's line is known.
std::string Reader::text(std::string_view key) {
  std::string value = root_.string(key).value_or("");
  check_template(root_, key, value);
  return value;
}

void Reader::check_template(Table& table, std::string_view key, std::string_view value) {
  if (Status status = check_header_text(key, value); !status.ok()) {
    return table.fail(key, status.error().message);
  }
  if (auto parsed = Template::parse(value, std::string(key)); !parsed.ok()) {
    table.fail(key, parsed.error().message);
  }
}

std::string Reader::path(std::string_view key) {
  const std::string value = root_.string(key).value_or("");
  return value.empty() ? value : config_.resolve(value);
}

void Reader::identity() {
  spec_.name = root_.string("name").value_or("");
  spec_.id = root_.string("id").value_or("");
  for (const auto& [key, value] : {std::pair("name", &spec_.name), std::pair("id", &spec_.id)}) {
    const bool control = std::any_of(value->begin(), value->end(),
                                     [](unsigned char c) { return c < 0x20 || c == 0x7F; });
    if (control || value->size() > kMaxName) {
      root_.fail(
          key, fmt::format("{}: at most {} characters, without control characters", key, kMaxName));
    }
  }
  if (spec_.identity().empty()) {
    root_.fail("name", "missing: it identifies the campaign, as in name = \"november\"");
  }
  if (spec_.name.empty()) spec_.name = spec_.id;
}

void Reader::texts() {
  spec_.from = text("from");
  spec_.to = text("to");
  spec_.subject = text("subject");
  spec_.reply_to = text("reply_to");
  spec_.return_path = text("return_path");
  if (spec_.from.empty()) {
    root_.fail("from", "missing, as in from = \"Example News <news@example.com>\"");
  } else if (spec_.from.find("{{") == std::string::npos) {
    const auto parsed = parse_mailbox(spec_.from);
    if (!parsed.ok()) {
      root_.fail("from",
                 fmt::format("from: {}: write \"Name <local@domain>\"", parsed.error().message));
    }
  }
  if (spec_.subject.empty()) root_.fail("subject", "missing");
  spec_.list_unsubscribe = root_.strings("list_unsubscribe");
  for (const std::string& uri : spec_.list_unsubscribe) {
    check_template(root_, "list_unsubscribe", uri);
    const bool known = uri.starts_with("https:") || uri.starts_with("mailto:") ||
                       uri.starts_with("http:") || uri.starts_with("{{");
    if (!known) {
      root_.fail("list_unsubscribe",
                 "list_unsubscribe: expected an https: or mailto: URI, or a variable that holds "
                 "one, without <>");
    }
  }
}

void Reader::header_table() {
  spec_.headers = root_.string_map("headers");
  auto table = root_.table("headers");
  if (!table) return;
  for (const auto& [name, value] : spec_.headers) {
    if (Status status = check_user_header_name(name); !status.ok()) {
      table->fail_name(name, status.error().message);
    }
    if (!spec_.list_unsubscribe.empty() &&
        (same_name(name, "List-Unsubscribe") || same_name(name, "List-Unsubscribe-Post"))) {
      table->fail(name, name + ": the key `list_unsubscribe` writes it already; keep one of them");
    }
    check_template(*table, name, value);
  }
}

// An array of strings and an array of tables are asked for differently: a reading of its own finds out which it is.
bool Reader::is_array_of_tables(std::string_view key) const {
  const auto probe = Config::parse(text_, config_.path());
  return probe.ok() && !(*probe)->root().array(key).empty();
}

FileRef Reader::complete(Table& table, std::string_view key, FileRef file, bool shown_inline) {
  if (file.name.empty()) file.name = file.path.substr(file.path.rfind('/') + 1);
  if (file.type.empty()) file.type = type_by_suffix(file.path);
  file.path = config_.resolve(file.path);
  if (Status status = check_header_text("name", file.name); !status.ok()) {
    table.fail(key, status.error().message);
  }
  if (!is_media_type(file.type)) {
    table.fail("type", fmt::format("type: `{}` is no media type, as \"image/png\" is", file.type));
  }
  if (shown_inline && file.cid.empty()) file.cid = file.name;
  const bool cid_ok = std::all_of(file.cid.begin(), file.cid.end(), [](unsigned char c) {
    return c > 0x20 && c < 0x7F && c != '<' && c != '>';
  });
  if (!cid_ok) {
    table.fail(key, fmt::format("`{}` cannot be a Content-ID: give `cid` letters, digits, dots",
                                file.cid));
  }
  return file;
}

std::vector<FileRef> Reader::file_list(std::string_view key, bool shown_inline) {
  std::vector<FileRef> files;
  if (!root_.has(key) || !is_array_of_tables(key)) {
    for (std::string& path : root_.strings(key)) {
      files.push_back(complete(root_, key, {std::move(path), "", "", ""}, shown_inline));
    }
    return files;
  }
  for (Table& table : root_.array(key)) {
    FileRef file{table.string("file").value_or(""), table.string("name").value_or(""),
                 table.string("type").value_or(""), table.string("cid").value_or("")};
    if (file.path.empty()) table.fail("file", fmt::format("missing, of an entry of `{}`", key));
    files.push_back(complete(table, "file", std::move(file), shown_inline));
  }
  return files;
}

void Reader::files() {
  spec_.text_file = path("text_file");
  spec_.html_file = path("html_file");
  spec_.recipients = path("recipients");
  if (spec_.text_file.empty() && spec_.html_file.empty()) {
    root_.fail("text_file", "no body: give text_file, html_file or both");
  }
  spec_.attachments = file_list("attachments", false);
  spec_.inline_files = file_list("inline", true);
  if (!spec_.inline_files.empty() && spec_.html_file.empty()) {
    root_.fail("inline", "inline: images need an html_file that shows them");
  }
  for (auto& [name, file] : root_.string_map("partials")) {
    spec_.partials.emplace_back(name, config_.resolve(file));
  }
  for (const std::string& file : root_.strings("suppress")) {
    spec_.suppress.push_back(config_.resolve(file));
  }
}

void Reader::policy() {
  const std::string encoding = root_.string("encoding").value_or("utf-8");
  if (same_name(encoding, "windows-1252") || same_name(encoding, "cp1252")) {
    spec_.encoding = ListEncoding::kWindows1252;
  } else if (!same_name(encoding, "utf-8") && !same_name(encoding, "utf8")) {
    root_.fail("encoding", "encoding: expected \"utf-8\" or \"windows-1252\"");
  }
  spec_.max_invalid = root_.fraction("max_invalid").value_or(spec_.max_invalid);
  spec_.rate = root_.rate("rate");
  if (spec_.rate && *spec_.rate <= 0) root_.fail("rate", "rate: expected more than zero");
  spec_.sign = root_.boolean("sign");
  const int64_t priority = root_.integer("priority").value_or(spec_.priority);
  if (priority < 1 || priority > kHighestPriority) {
    root_.fail("priority",
               fmt::format("priority: expected a weight from 1 to {} ({} is the usual one)",
                           kHighestPriority, kUsualPriority));
  } else {
    spec_.priority = static_cast<uint32_t>(priority);
  }
  auto retry = root_.table("retry");
  if (!retry) return;
  spec_.first_delay = retry->duration("first_delay");
  spec_.max_delay = retry->duration("max_delay");
  spec_.give_up_after = retry->duration("give_up_after");
  for (const auto& [key, value] :
       {std::pair("first_delay", spec_.first_delay), std::pair("max_delay", spec_.max_delay),
        std::pair("give_up_after", spec_.give_up_after)}) {
    if (value && *value <= Duration(0)) {
      retry->fail(key, fmt::format("{}: expected more than zero", key));
    }
  }
  if (spec_.first_delay && spec_.max_delay && *spec_.first_delay > *spec_.max_delay) {
    retry->fail("max_delay", "max_delay: shorter than first_delay");
  }
}

std::optional<int64_t> Reader::moment(std::string_view key) {
  const auto text = root_.string(key);
  if (!text) return std::nullopt;
  auto parsed = parse_moment(*text);
  if (parsed.ok()) return *parsed;
  root_.fail(key, fmt::format("{}: {}", key, parsed.error().message));
  return std::nullopt;
}

void Reader::schedule() {
  spec_.start_ms = moment("start");
  spec_.end_ms = moment("end");
  if (spec_.start_ms && spec_.end_ms && *spec_.end_ms <= *spec_.start_ms)
    root_.fail("end", "end: not after start");
  if (const auto text = root_.string("window")) {
    auto window = WeeklyWindow::parse(*text);
    if (!window.ok()) return root_.fail("window", "window: " + window.error().message);
    spec_.window = window->text();
  }
}

void Reader::brakes() {
  const int64_t canary = root_.integer("canary").value_or(0);
  if (root_.has("canary") && canary < 1) root_.fail("canary", "canary: expected at least 1");
  spec_.canary = static_cast<uint64_t>(std::max<int64_t>(0, canary));
  auto stop = root_.table("stop");
  if (!stop) return;
  spec_.stop_bounced = stop->fraction("bounced");
  if (!stop->has("bounced")) stop->fail("bounced", "missing, as in bounced = \"5%\"");
  if (spec_.stop_bounced && *spec_.stop_bounced <= 0)
    stop->fail("bounced", "bounced: expected more than zero");
  const int64_t after = stop->integer("after").value_or(static_cast<int64_t>(spec_.stop_after));
  if (after < 1) stop->fail("after", "after: expected at least 1");
  spec_.stop_after = static_cast<uint64_t>(std::max<int64_t>(1, after));
}

Status Reader::check_files() {
  std::vector<std::pair<std::string, std::string>> named = {{"text_file", spec_.text_file},
                                                            {"html_file", spec_.html_file}};
  for (const auto& [name, path] : spec_.partials) named.emplace_back("partials", path);
  for (const auto& file : spec_.attachments) named.emplace_back("attachments", file.path);
  for (const auto& file : spec_.inline_files) named.emplace_back("inline", file.path);
  for (const std::string& path : spec_.suppress) named.emplace_back("suppress", path);
  for (const auto& [key, path] : named) {
    if (path.empty()) continue;
    struct stat info {};
    std::string fault;
    if (::stat(path.c_str(), &info) != 0 || ::access(path.c_str(), R_OK) != 0) {
      fault = std::generic_category().message(errno);
    } else if (S_ISDIR(info.st_mode)) {
      fault = "is a directory";
    }
    if (fault.empty()) continue;
    root_.fail(key, fmt::format("{}: {}: {} (paths are relative to this file)", key, path, fault));
    return Error{Errc::kNoInput, config_.finish().error().message};
  }
  return {};
}

Result<CampaignSpec> Reader::run() {
  spec_.path = config_.path();
  identity();
  texts();
  header_table();
  files();
  policy();
  schedule();
  brakes();
  if (Status status = config_.finish(); !status.ok()) return status.error();
  if (Status status = check_files(); !status.ok()) return status.error();
  return std::move(spec_);
}

}  // namespace

Result<CampaignSpec> load_campaign(const std::string& path) {
  auto text = read_file(path, uint64_t{1} << 20);
  if (!text.ok()) return text.error();
  auto config = Config::parse(*text, path, Errc::kData);
  if (!config.ok()) return config.error();
  return Reader(**config, std::move(*text)).run();
}

}  // namespace volley::message
