#include "queue/types.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/hash.h"

namespace volley::queue {

namespace {

// Mailbox providers that make up a large share of almost every list. Sorted.
constexpr std::array<std::string_view, 16> kBigDomains = {
    "aol.com",    "free.fr",  "gmail.com", "gmx.de",   "gmx.net",   "hotmail.com",
    "icloud.com", "live.com", "mail.ru",   "msn.com",  "orange.fr", "outlook.com",
    "qq.com",     "web.de",   "yahoo.com", "yandex.ru"};
constexpr uint64_t kSplits = 8;

}  // namespace

std::string queue_domain(std::string_view domain, uint64_t number) {
  if (!std::binary_search(kBigDomains.begin(), kBigDomains.end(), domain))
    return std::string(domain);
  return fmt::format("{}#{}", domain, number % kSplits);
}

std::string_view domain_of(std::string_view queue_domain) {
  return queue_domain.substr(0, queue_domain.find('#'));
}

uint32_t partition_of(std::string_view queue_domain, uint32_t partitions) {
  return static_cast<uint32_t>(xxh64(queue_domain) % partitions);
}

std::vector<uint32_t> partitions_of(std::string_view domain, uint32_t partitions) {
  std::vector<uint32_t> out;
  if (domain.empty()) {
    for (uint32_t p = 0; p < partitions; ++p) out.push_back(p);
    return out;
  }
  for (uint64_t split = 0; split < kSplits; ++split) {
    out.push_back(partition_of(queue_domain(domain, split), partitions));
  }
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

std::string_view to_string(Outcome outcome) {
  switch (outcome) {
    case Outcome::kDelivered:
      return "delivered";
    case Outcome::kBounced:
      return "bounced";
    case Outcome::kExpired:
      return "expired";
    case Outcome::kSuppressed:
      return "suppressed";
    case Outcome::kCancelled:
      return "cancelled";
    case Outcome::kRetried:
      return "retried";
  }
  return "unknown";
}

std::string_view to_string(Lane lane) {
  return lane == Lane::kTransactional ? "transactional" : "bulk";
}

Counts& Counts::operator+=(const Counts& other) {
  accepted += other.accepted;
  delivered += other.delivered;
  bounced += other.bounced;
  expired += other.expired;
  suppressed += other.suppressed;
  cancelled += other.cancelled;
  queued += other.queued;
  in_flight += other.in_flight;
  deferrals += other.deferrals;
  waiting_retry += other.waiting_retry;
  parked += other.parked;
  held += other.held;
  return *this;
}

}  // namespace volley::queue
