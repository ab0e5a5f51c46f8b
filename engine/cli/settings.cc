#include "engine/cli/settings.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <utility>

#include "base/address.h"
#include "base/config.h"
#include "base/files.h"

namespace volley::cli {
namespace {

std::string find_config(const std::string& path_option) {
  if (!path_option.empty()) return path_option;
  for (const char* path : {"volley.toml", "/etc/volley/volley.toml"}) {
    if (access(path, R_OK) == 0) return path;
  }
  return {};
}

void read_queue(Table table, const Config& config, Settings& out) {
  out.queue_url = table.string("url").value_or("");
  out.places.queue_url = table.place("url");
  out.places.queue_password_file = table.place("password_file");
  if (auto file = table.string("password_file")) out.queue_password_file = config.resolve(*file);
  if (auto durability = table.string("durability")) {
    if (*durability == "memory") {
      out.memory_durability = true;
    } else if (*durability != "disk") {
      table.fail("durability", "must be \"disk\" or \"memory\" (mail is lost when Redis stops)");
    }
  }
  out.queue_max_memory = table.size("max_memory").value_or(0);
}

void read_dns(Table table, Settings& out) {
  for (const std::string& text : table.strings("servers")) {
    const bool bare = text.find(':') == std::string::npos;
    auto server = net::Endpoint::parse(bare ? text + ":53" : text);
    if (!server) {
      table.fail("servers", "\"" + text + "\" is no address, expected like \"192.0.2.53\" or \"[::1]:53\"");
      continue;
    }
    out.dns.servers.push_back(*server);
  }
  out.dns.allow_private = table.boolean("allow_private").value_or(false);
  out.dns.ipv6 = table.boolean("ipv6").value_or(true);
  out.dns.trust_ad = table.boolean("dnssec").value_or(dns::is_loopback(out.dns.servers));
}

void read_http(Table table, const Config& config, Settings& out) {
  out.http_listen = table.string("listen").value_or("");
  if (auto file = table.string("token_file")) out.http_token_file = config.resolve(*file);
  out.places.http_listen = table.place("listen");
  out.places.http_token_file = table.place("token_file");
}

void read_intake(Table table, Settings& out) {
  out.intake_stream = table.boolean("stream").value_or(false);
  if (out.intake_stream && out.senders.empty()) {
    table.fail("stream", "nobody may send: name the addresses or domains that programs may send as in `senders`");
  }
}

void read_smtp(Table table, Settings& out) {
  if (auto port = table.integer("port")) {
    if (*port < 1 || *port > 65535) table.fail("port", "must be from 1 to 65535");
    out.smtp_port = static_cast<uint16_t>(*port);
  }
  if (auto most = table.integer("max_connections")) {
    if (*most < 1 || *most > 1'000'000) table.fail("max_connections", "must be from 1 to 1000000");
    out.max_connections = static_cast<uint32_t>(*most);
  }
  out.rate = table.rate("rate").value_or(0);
  if (table.has("rate") && out.rate <= 0) table.fail("rate", "must be more than zero");
  out.idle_timeout = table.duration("idle_timeout");
  if (out.idle_timeout && (*out.idle_timeout < std::chrono::seconds(1) || *out.idle_timeout > std::chrono::minutes(5))) {
    table.fail("idle_timeout", "must be from 1s to 5m");  // servers wait 5 minutes at least, RFC 5321 4.5.3.2.7
  }
  if (auto ip = table.string("source_ip")) {
    const bool v6 = ip->find(':') != std::string::npos;
    if (!net::Endpoint::parse(v6 ? "[" + *ip + "]:0" : *ip + ":0")) {
      table.fail("source_ip", "is no IP address");
    }
    out.source_ip = *ip;
  }
}

void read_tls(Table table, const Config& config, Settings& out) {
  if (auto file = table.string("ca_file")) out.ca_file = config.resolve(*file);
  out.places.ca_file = table.place("ca_file");
  out.mta_sts = table.boolean("mta_sts").value_or(true);
  out.dane = table.boolean("dane").value_or(true);
}

message::DkimSettings read_key(Table table, const Config& config, const std::string& domain) {
  message::DkimSettings key{domain, table.string("selector").value_or(""), "",
                            table.place("key_file")};
  if (auto file = table.string("key_file")) key.key_file = config.resolve(*file);
  if (key.selector.empty()) table.fail("selector", "missing: the name before ._domainkey in DNS");
  if (key.key_file.empty()) table.fail("key_file", "missing: `volley dkim keygen` makes one");
  return key;
}

// [dkim."example.com"] with selector and key_file, or one sub-table per key: every key signs.
void read_dkim(Table& root, const Config& config, Settings& out) {
  for (auto& [domain, table] : root.tables("dkim")) {
    if (!is_fqdn(domain))
      root.table("dkim")->fail_name(domain, fmt::format("[dkim.\"{}\"]: is no domain", domain));
    if (table.has("selector") || table.has("key_file")) {
      out.dkim.push_back(read_key(table, config, domain));
      continue;
    }
    auto parent = root.table("dkim");
    for (auto& [name, key] : parent->tables(domain)) out.dkim.push_back(read_key(key, config, domain));
  }
}

void read_transactional(Table table, Settings& out) {
  TransactionalSetting& retry = out.transactional;
  retry.first_delay = table.duration("first_delay");
  retry.max_delay = table.duration("max_delay");
  retry.give_up_after = table.duration("give_up_after");
  for (const auto& [key, value] : {std::pair("first_delay", retry.first_delay), std::pair("max_delay", retry.max_delay),
                                   std::pair("give_up_after", retry.give_up_after)}) {
    if (value && *value <= Duration(0)) table.fail(key, "must be more than zero");
  }
  if (retry.first_delay && retry.max_delay && *retry.first_delay > *retry.max_delay) {
    table.fail("max_delay", "must not be shorter than first_delay");
  }
}

void read_privacy(Table table, Settings& out) {
  out.retain = table.duration("retain");
  if (out.retain && *out.retain < std::chrono::hours(1)) table.fail("retain", "must be an hour at least");
}

void read_root(Table root, const Config& config, Settings& out) {
  out.hostname = root.string("hostname").value_or("");
  if (!out.hostname.empty() && !is_fqdn(out.hostname)) {
    root.fail("hostname", "\"" + out.hostname + "\" is no fully qualified name, as in \"mail.example.com\"");
  }
  if (auto data = root.string("data")) out.data = config.resolve(*data);
  if (auto loops = root.integer("loops")) {
    if (*loops < 1 || *loops > 256) root.fail("loops", "must be from 1 to 256");
    out.loops = static_cast<unsigned>(*loops);
  }
  if (auto level = root.string("log_level")) {
    if (!parse_log_level(*level, out.log_level)) {
      root.fail("log_level", "must be \"debug\", \"info\", \"warn\", \"error\" or \"off\"");
    }
  }
  out.senders = root.strings("senders");
  if (auto table = root.table("queue")) read_queue(*table, config, out);
  if (auto table = root.table("dns")) read_dns(*table, out);
  if (auto table = root.table("smtp")) read_smtp(*table, out);
  if (auto table = root.table("tls")) read_tls(*table, config, out);
  if (auto table = root.table("relay")) out.relay = read_relay(*table, config);
  if (auto table = root.table("intake")) read_intake(*table, out);
  if (auto table = root.table("http")) read_http(*table, config, out);
  if (auto table = root.table("events")) {
    if (auto file = table->string("file")) out.events_file = config.resolve(*file);
    out.events_max_size = table->size("max_size").value_or(out.events_max_size);
    out.events_keep = table->integer("keep").value_or(out.events_keep);
  }
  if (auto table = root.table("privacy")) read_privacy(*table, out);
  if (auto table = root.table("transactional")) read_transactional(*table, out);
  read_dkim(root, config, out);
  out.sites = read_sites(root);
}

}  // namespace

std::string Settings::file() const { return path.empty() ? "no volley.toml here or in /etc/volley" : path; }

std::string default_data_directory() {
  if (const char* state = std::getenv("XDG_STATE_HOME"); state && *state == '/') {
    return std::string(state) + "/volley";
  }
  const char* home = std::getenv("HOME");
  return std::string(home && *home ? home : "/var/lib") + (home && *home ? "/.local/state/volley" : "/volley");
}

Result<Settings> load_settings(const std::string& path_option) {
  Settings out;
  out.path = find_config(path_option);
  if (!out.path.empty()) {
    auto config = Config::load(out.path);
    if (!config) return config.error();
    read_root((*config)->root(), **config, out);
    if (Status status = (*config)->finish(); !status) return status.error();
  }
  if (out.data.empty()) out.data = default_data_directory();
  return out;
}

}  // namespace volley::cli
