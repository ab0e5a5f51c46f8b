#include "dns/mx.h"

#include <algorithm>
#include <cctype>
#include <utility>

#include "base/utf8.h"

namespace volley::dns {

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool is_name_char(char c) { return (c >= 'a' && c <= 'z') || is_digit(c) || c == '-' || c == '_'; }

// The same host twice: its better preference counts.
void drop_repeated(std::vector<MxHost>& sorted) {
  std::vector<MxHost> kept;
  for (MxHost& host : sorted) {
    auto same = [&host](const MxHost& other) { return other.name == host.name; };
    if (std::none_of(kept.begin(), kept.end(), same)) kept.push_back(std::move(host));
  }
  sorted = std::move(kept);
}

void order(std::vector<MxHost>& hosts, Random& random) {
  auto better = [](const MxHost& a, const MxHost& b) { return a.preference < b.preference; };
  std::shuffle(hosts.begin(), hosts.end(), random);
  std::stable_sort(hosts.begin(), hosts.end(), better);
  // A crafted answer can hold thousands; the cut before the quadratic pass bounds the work.
  if (hosts.size() > 8 * kMaxMxHosts) hosts.resize(8 * kMaxMxHosts);
  drop_repeated(hosts);
  if (hosts.size() > kMaxMxHosts) hosts.resize(kMaxMxHosts);
}

}  // namespace

std::string canonical_name(std::string_view name) {
  if (name.ends_with('.')) name.remove_suffix(1);
  return ascii_lower(name);
}

bool is_usable_name(std::string_view name) {
  if (name.empty() || name.size() > 253) return false;
  while (true) {
    size_t dot = name.find('.');
    std::string_view label = name.substr(0, dot);
    if (label.empty() || label.size() > 63) return false;
    if (!std::all_of(label.begin(), label.end(), is_name_char)) return false;
    if (dot == std::string_view::npos) return !std::all_of(label.begin(), label.end(), is_digit);
    name.remove_prefix(dot + 1);
  }
}

MxAnswer apply_mx_rules(const std::string& domain, RawMx raw, Random& random) {
  MxAnswer answer;
  answer.ttl = raw.ttl;
  answer.authenticated = raw.authenticated;
  answer.detail = std::move(raw.detail);
  if (raw.nxdomain) {
    answer.kind = MxKind::kNxDomain;
    return answer;
  }
  if (raw.temporary) return answer;
  if (raw.records.empty()) {
    answer.kind = MxKind::kHosts;
    answer.implicit = true;
    answer.hosts.push_back({0, canonical_name(domain)});
    return answer;
  }
  for (MxHost& record : raw.records) record.name = canonical_name(record.name);
  if (raw.records.size() == 1 && raw.records.front().name.empty()) {
    answer.kind = MxKind::kNullMx;
    answer.detail = "null MX";
    return answer;
  }
  for (MxHost& record : raw.records) {
    if (is_usable_name(record.name)) answer.hosts.push_back(std::move(record));
  }
  if (answer.hosts.empty()) {
    answer.detail = "no MX record names a usable host";
    return answer;
  }
  answer.kind = MxKind::kHosts;
  order(answer.hosts, random);
  return answer;
}

}  // namespace volley::dns
