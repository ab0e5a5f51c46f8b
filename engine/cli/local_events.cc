#include "engine/cli/local_events.h"

#include <unordered_map>

#include "base/utf8.h"
#include "engine/cli/address_match.h"
#include "metrics/event_reader.h"

namespace volley::cli {

std::string events_path(const Settings& settings, const std::string& option) {
  if (!option.empty()) return option;
  return settings.events_file.empty() ? settings.data + "/events.jsonl" : settings.events_file;
}

Result<std::set<std::string>> domains_at_site(const std::string& path, const std::string& site) {
  std::unordered_map<std::string, bool> there;  // by domain, as spelled
  const Status read = metrics::each_event_line(path, [&](std::string_view line) {
    const std::string_view at = metrics::event_field(line, "site");
    const std::string_view recipient = metrics::event_field(line, "recipient");
    const size_t sign = recipient.rfind('@');
    if (at.empty() || sign == std::string_view::npos) return true;  // no attempt
    std::string domain = ascii_lower(recipient.substr(sign + 1));
    if (at == site) {
      there[std::move(domain)] = true;
    } else if (const auto known = there.find(domain); known != there.end()) {
      known->second = false;
    }
    return true;
  });
  if (!read) return read.error();
  std::set<std::string> out;
  for (const auto& [spelled, is_there] : there) {
    if (!is_there) continue;
    if (auto key = domain_key(spelled)) out.insert(*key);
  }
  return out;
}

}  // namespace volley::cli
