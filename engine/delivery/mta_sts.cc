#include "engine/delivery/mta_sts.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "dns/mx.h"

namespace volley::delivery {
namespace {

constexpr std::string_view kTxtStart = "v=STSv1;", kVersion = "STSv1";
constexpr size_t kMaxId = 32, kMaxKey = 32, kMaxAgeDigits = 10;
constexpr std::array<std::pair<std::string_view, StsMode>, 3> kModes{
    {{"none", StsMode::kNone}, {"testing", StsMode::kTesting}, {"enforce", StsMode::kEnforce}}};

bool is_alnum(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}
bool is_blank(char c) { return c == ' ' || c == '\t'; }
bool is_key_char(char c) { return is_alnum(c) || c == '_' || c == '-' || c == '.'; }
bool is_key(std::string_view text) {
  return !text.empty() && text.size() <= kMaxKey && is_alnum(text[0]) &&
         std::all_of(text.begin(), text.end(), is_key_char);
}
// What a TXT field may hold: printable, and neither "=" nor ";".
bool is_txt_value(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(),
                                      [](char c) { return c > ' ' && c <= '~' && c != '='; });
}
// RFC 8461 allows UTF-8 in unknown values; control characters nowhere.
bool is_policy_value(std::string_view text) {
  return std::none_of(text.begin(), text.end(),
                      [](unsigned char c) { return (c < ' ' && c != '\t') || c == 0x7f; });
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

// The text before the separator, which is taken off with it.
std::string_view take_until(std::string_view& rest, char separator) {
  const size_t at = rest.find(separator);
  const std::string_view out = rest.substr(0, at);
  rest = at == std::string_view::npos ? std::string_view() : rest.substr(at + 1);
  return out;
}

// What follows "v=STSv1;". nullopt: a field that is none, or no id.
std::optional<std::string> id_of(std::string_view fields) {
  std::optional<std::string> id;
  while (!fields.empty()) {
    const std::string_view field = trim(take_until(fields, ';'));
    // Only the last ";" may have nothing behind it.
    if (field.empty() && trim(fields).empty()) break;
    const size_t equals = field.find('=');
    if (equals == std::string_view::npos) return std::nullopt;
    const std::string_view key = field.substr(0, equals), value = field.substr(equals + 1);
    if (!is_key(key) || !is_txt_value(value)) return std::nullopt;
    if (key != "id" || id) continue;
    if (value.size() > kMaxId || !std::all_of(value.begin(), value.end(), is_alnum)) {
      return std::nullopt;
    }
    id = std::string(value);
  }
  return id;
}

std::optional<std::chrono::seconds> age_of(std::string_view text) {
  int64_t seconds = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  if (text.size() > kMaxAgeDigits || seconds < 0 || seconds > kMaxStsAge.count()) {
    return std::nullopt;
  }
  return std::chrono::seconds(seconds);
}

// What has been read so far; of a key that came already nothing is taken.
struct Draft {
  std::optional<std::string_view> version;
  std::optional<StsMode> mode;
  std::optional<std::chrono::seconds> max_age;
  std::vector<std::string> mx;

  bool take(std::string_view key, std::string_view value) {
    if (key == "version") {
      if (!version) version = value;
      return version == kVersion;
    }
    if (key == "mode") {
      if (!mode) mode = sts_mode(value);
      return mode.has_value();
    }
    if (key == "max_age") {
      if (!max_age) max_age = age_of(value);
      return max_age.has_value();
    }
    if (key != "mx") return true;
    std::optional<std::string> pattern = sts_pattern(value);
    if (pattern) mx.push_back(std::move(*pattern));
    return pattern.has_value();
  }
};

Error invalid(std::string what) { return {Errc::kProtocol, "MTA-STS policy: " + std::move(what)}; }

// A stranger's line in a message of ours: short, and nothing that moves a cursor.
std::string shown(std::string_view line) {
  std::string out(line.substr(0, 80));
  for (char& c : out) {
    if (c < ' ' || c > '~') c = '?';
  }
  return "\"" + out + "\"";
}

}  // namespace

std::string_view to_string(StsMode mode) {
  for (const auto& [word, value] : kModes) {
    if (value == mode) return word;
  }
  return "";
}

std::optional<StsMode> sts_mode(std::string_view word) {
  for (const auto& [known, value] : kModes) {
    if (known == word) return value;
  }
  return std::nullopt;
}

std::optional<std::string> sts_pattern(std::string_view text) {
  std::string name = dns::canonical_name(text);
  const std::string_view host = std::string_view(name).substr(name.starts_with("*.") ? 2 : 0);
  if (!dns::is_usable_name(host)) return std::nullopt;
  return name;
}

std::optional<std::string> parse_sts_txt(std::span<const std::string> records) {
  const std::string* only = nullptr;
  for (const std::string& record : records) {
    if (!record.starts_with(kTxtStart)) continue;
    if (only != nullptr) return std::nullopt;
    only = &record;
  }
  if (only == nullptr) return std::nullopt;
  return id_of(std::string_view(*only).substr(kTxtStart.size()));
}

Result<StsPolicy> parse_sts_policy(std::string_view text) {
  if (text.size() > kMaxStsPolicy) return invalid("more than 64 KiB");
  Draft draft;
  while (!text.empty()) {
    std::string_view line = take_until(text, '\n');
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (trim(line).empty()) continue;
    std::string_view value = line;
    const std::string_view key = take_until(value, ':');
    if (key.size() == line.size() || !is_key(key) || !is_policy_value(value) ||
        !draft.take(key, trim(value))) {
      return invalid("wrong line " + shown(line));
    }
  }
  if (!draft.version) return invalid("no version");
  if (!draft.mode) return invalid("no mode");
  if (!draft.max_age) return invalid("no max_age");
  if (draft.mx.empty() && *draft.mode != StsMode::kNone) return invalid("no mx");
  return StsPolicy{*draft.mode, std::move(draft.mx), *draft.max_age};
}

bool matches(const StsPolicy& policy, std::string_view mx_host) {
  const std::string host = dns::canonical_name(mx_host);
  const size_t dot = host.find('.');
  // ".example.com" of "mx.example.com"; nothing for a name without a label in front.
  const std::string_view parent = dot == std::string::npos || dot == 0
                                      ? std::string_view()
                                      : std::string_view(host).substr(dot);
  return std::any_of(policy.mx.begin(), policy.mx.end(), [&](std::string_view pattern) {
    return pattern.starts_with("*.") ? pattern.substr(1) == parent : pattern == host;
  });
}

}  // namespace volley::delivery
