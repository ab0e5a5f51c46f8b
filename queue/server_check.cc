#include "queue/server_check.h"

#include <fmt/format.h>

#include <charconv>

#include "base/log.h"
#include "queue/command.h"
#include "queue/keys.h"
#include "queue/sync_connection.h"

namespace volley::queue {

namespace {

constexpr Duration kTimeout = std::chrono::seconds(10);
constexpr int64_t kKeysLookedAt = 1000;

Error refuse(std::string message) { return {Errc::kUnavailable, std::move(message)}; }

}  // namespace

ServerFacts parse_info(std::string_view info) {
  ServerFacts facts;
  while (!info.empty()) {
    const size_t end = std::min(info.find('\n'), info.size());
    std::string_view line = info.substr(0, end);
    info.remove_prefix(std::min(end + 1, info.size()));
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    const std::string_view key = line.substr(0, colon), value = line.substr(colon + 1);
    if (key == "redis_version") facts.version = sanitize(value, 32);
    if (key == "run_id") facts.run_id = sanitize(value, 64);
    if (key == "aof_last_rewrite_time_sec") facts.aof_never_rewritten = value == "-1";
    if (key == "aof_rewrite_in_progress" || key == "aof_rewrite_scheduled")
      facts.aof_rewriting = facts.aof_rewriting || value == "1";
    if (key == "aof_last_bgrewrite_status") facts.aof_rewrite_failed = value == "err";
    if (key == "role") facts.role = sanitize(value, 32);
    if (key == "loading") facts.loading = value == "1";
    if (key == "aof_enabled") facts.aof = value == "1";
    if (key.starts_with("db") && value.starts_with("keys=")) ++facts.databases;
    if (key == "aof_last_write_status") facts.aof_last_write = value;
    if (key == "maxmemory_policy") facts.eviction = sanitize(value, 32);
  }
  return facts;
}

Status judge_server(const ServerFacts& facts, bool memory_durability,
                    std::vector<std::string>& warnings) {
  int major = 0;
  std::from_chars(facts.version.data(), facts.version.data() + facts.version.size(), major);
  if (major < 7) {
    return refuse(fmt::format("Redis {} is too old: version 7.0 or newer (or Valkey) is needed",
                              facts.version));
  }
  if (facts.loading) return refuse("Redis is still loading its data: try again soon");
  if (!facts.role.empty() && facts.role != "master") {
    return refuse(fmt::format("this Redis is a {}: point the queue URL at the master", facts.role));
  }
  if (!facts.eviction.empty() && facts.eviction != "noeviction") {
    return refuse(
        fmt::format("Redis would evict queued mail (maxmemory-policy {}): CONFIG SET "
                    "maxmemory-policy noeviction",
                    facts.eviction));
  }
  if (facts.databases > 1) {
    warnings.push_back(
        "other databases of this Redis hold keys, too: they share its maxmemory, and its load; "
        "give the "
        "queue a Redis of its own");
  }
  if (memory_durability) return {};
  if (!facts.aof) {
    return refuse(
        "Redis keeps nothing on disk (appendonly no): CONFIG SET appendonly yes, or say durability "
        "= \"memory\"");
  }
  if (!facts.aof_last_write.empty() && facts.aof_last_write != "ok") {
    return refuse(
        "Redis failed to write its append-only file: free space on its disk, see its log");
  }
  if (facts.appendfsync.empty()) {
    warnings.push_back(
        "Redis does not show its configuration (CONFIG is blocked): make sure that appendfsync is "
        "always and "
        "maxmemory-policy noeviction");
  } else if (facts.appendfsync != "always") {
    warnings.push_back(fmt::format(
        "Redis has appendfsync {}: a power loss may lose what was accepted in the last {}; "
        "CONFIG SET appendfsync always",
        facts.appendfsync, facts.appendfsync == "everysec" ? "2 seconds" : "half minute"));
  }
  if (facts.no_appendfsync_on_rewrite == "yes") {
    warnings.push_back(
        "Redis does not sync while it rewrites its file: CONFIG SET no-appendfsync-on-rewrite no");
  }
  return {};
}

Status check_contents(SyncConnection& connection, std::vector<std::string>& warnings) {
  auto schema = connection.run(Command("HGET").arg(global_key("meta")).arg("schema"), kTimeout);
  if (!schema) return schema.error();
  if (schema->view().is_error()) return error_of(schema->view().text());
  if (!schema->view().is_nil() && schema->view().number() != kSchema) {
    return refuse(
        fmt::format("the queue has schema {}, this Volley reads {}: use the Volley that made it, "
                    "or let that one "
                    "send what is in it first",
                    sanitize(schema->view().text(), 20), kSchema));
  }
  auto page = connection.run(Command("SCAN").arg("0").arg("COUNT").number(kKeysLookedAt), kTimeout);
  if (!page) return page.error();
  const ReplyView keys = page->view().at(1);
  for (size_t i = 0; i < keys.size(); ++i) {
    const std::string_view key = keys.at(i).text();
    if (key.starts_with("volley:")) continue;
    warnings.push_back(fmt::format(
        "this Redis database holds keys that are not the queue's ('{}' among them): whoever "
        "empties it empties the queue; use a database of its own",
        sanitize(key, 60)));
    break;
  }
  return {};
}

Status check_server(SyncConnection& connection, bool memory_durability,
                    std::vector<std::string>& warnings) {
  auto info = connection.run(Command("INFO"), kTimeout);
  if (!info) return info.error();
  if (info->view().is_error()) return error_of(info->view().text());
  ServerFacts facts = parse_info(info->view().text());
  for (const std::string name : {"appendfsync", "no-appendfsync-on-rewrite", "maxmemory-policy"}) {
    auto config = connection.run(Command("CONFIG").arg("GET").arg(name), kTimeout);
    if (!config) return config.error();
    const std::string value = sanitize(config->view().at(1).text(), 32);
    if (name == "appendfsync") facts.appendfsync = value;
    if (name == "no-appendfsync-on-rewrite") facts.no_appendfsync_on_rewrite = value;
    if (name == "maxmemory-policy" && !value.empty()) facts.eviction = value;
  }
  return judge_server(facts, memory_durability, warnings);
}

}  // namespace volley::queue
