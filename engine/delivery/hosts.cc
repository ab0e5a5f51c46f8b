#include "engine/delivery/hosts.h"

#include <fmt/format.h>

#include "engine/delivery/retry.h"

namespace volley::delivery {

void Host::failed(TimePoint now, Random& random) {
  ++failures;
  bad_until = now + connect_backoff(failures, random);
}

std::shared_ptr<Host> Hosts::find(std::string_view name, uint16_t port) {
  std::string key = fmt::format("{}:{}", name, port);
  auto& host = hosts_[key];
  if (!host) {
    host = std::make_shared<Host>();
    host->name = name;
    host->key = std::move(key);
  }
  return host;
}

void Hosts::forget_stale(TimePoint now) {
  std::erase_if(hosts_, [now](const auto& entry) {
    return entry.second.use_count() == 1 && !entry.second->bad(now);
  });
}

}  // namespace volley::delivery
