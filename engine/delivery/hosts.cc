#include "engine/delivery/hosts.h"

#include <fmt/format.h>

#include "engine/delivery/retry.h"

namespace volley::delivery {
namespace {

constexpr Duration kTarpit = std::chrono::seconds(20);
constexpr uint32_t kLeastReplies = 3, kMostReplies = 20;

}  // namespace

bool Host::is_tarpit(Duration took, uint32_t replies) {
  rcpt_time += took;
  rcpt_replies += replies;
  while (rcpt_replies > kMostReplies) {
    rcpt_time /= 2;
    rcpt_replies /= 2;
  }
  return rcpt_replies >= kLeastReplies && rcpt_time > kTarpit * rcpt_replies;
}

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
