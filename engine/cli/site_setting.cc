#include "engine/cli/site_setting.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/address.h"
#include "base/nearest.h"
#include "base/net/endpoint.h"
#include "base/utf8.h"
#include "engine/smtp/providers.h"

namespace volley::cli {
namespace {

constexpr std::string_view kDefault = "default";

bool is_suffix(std::string_view text) {
  if (text.size() < 2 || text[0] != '.' || text.ends_with('.')) return false;
  if (text.find("..") != std::string_view::npos) return false;
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
  });
}

Error no_site(std::string_view name, std::string_view why) {
  return Error{Errc::kConfig, fmt::format("[site.\"{}\"]: {}", name, why)};
}

Error no_provider(std::string_view name, const std::vector<std::string_view>& providers) {
  Nearest meant(name);
  for (const std::string_view provider : providers) meant.consider(provider);
  meant.consider(kDefault);
  const std::string guess =
      meant.best().empty() ? std::string() : fmt::format(" (did you mean \"{}\"?)", meant.best());
  return no_site(
      name,
      fmt::format(
          "no such site{}: write a provider ({}), a recipient domain (\"example.com\"), an MX "
          "suffix (\".example.net\"), the address of a route's host or \"default\"",
          guess, fmt::join(providers, ", ")));
}

// What delivery compares with.
Result<std::string> site_name(std::string_view written) {
  const std::string name = ascii_lower(written);
  if (name == kDefault) return name;
  if (name == smtp::kRelayProvider)
    return no_site(written, "the relay's limits are keys of [relay]");
  if (name == "*")
    return no_site(written, "for all that no other section names, write [site.\"default\"]");
  if (name.starts_with("*."))
    return no_site(written, fmt::format("an MX suffix is written \"{}\"", name.substr(1)));
  const std::vector<std::string_view> providers = smtp::provider_names();
  if (std::find(providers.begin(), providers.end(), name) != providers.end()) return name;
  if (const auto address = net::Endpoint::from_ip(name, 0)) return address->host();
  if (name.starts_with('[')) return no_site(written, "an address is written without [ ]");
  if (name.starts_with('.')) {
    if (is_suffix(name)) return name;
    return no_site(written, "is no MX suffix, as \".example.net\" is");
  }
  if (name.find('.') == std::string::npos) return no_provider(written, providers);
  auto address = parse_address("x@" + name);
  if (!address) return no_site(written, fmt::format("is no domain: {}", address.error().message));
  return address->domain;
}

void read_words(Table& table, SiteSetting& site) {
  site.tls = table.string("tls");
  if (site.tls && *site.tls != "opportunistic" && *site.tls != "required" &&
      *site.tls != "verified" && *site.tls != "never") {
    table.fail("tls", "must be \"opportunistic\", \"required\", \"verified\" or \"never\"");
  }
  site.chunking = table.string("chunking");
  if (site.chunking && *site.chunking != "auto" && *site.chunking != "always" &&
      *site.chunking != "never") {
    table.fail("chunking", "must be \"auto\", \"always\" or \"never\"");
  }
}

}  // namespace

std::vector<SiteSetting> read_sites(Table& root) {
  std::vector<SiteSetting> out;
  auto parent = root.table("site");
  for (auto& [written, table] : root.tables("site")) {
    SiteSetting site;
    auto name = site_name(written);
    if (!name) {
      parent->fail_name(written, name.error().message);
      continue;
    }
    const bool twice =
        std::any_of(out.begin(), out.end(), [&](const SiteSetting& s) { return s.match == *name; });
    if (twice) parent->fail_name(written, no_site(written, "is there twice").message);
    site.match = std::move(*name);
    read_limits(table, site);
    read_words(table, site);
    out.push_back(std::move(site));
  }
  return out;
}

}  // namespace volley::cli
