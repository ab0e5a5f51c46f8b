#include "engine/delivery/host_memory.h"

#include <algorithm>
#include <bit>
#include <nlohmann/json.hpp>
#include <vector>

namespace volley::delivery {
namespace {

using Json = nlohmann::json;
using std::chrono::hours;
using std::chrono::milliseconds;

constexpr size_t kMostHosts = 100'000;
constexpr uint32_t kSureAfter = 2;
constexpr size_t kMessages = 16, kRecipients = 17, kProven = 18, kTarpit = 19;

constexpr size_t bit_of(smtp::Quirks quirk) { return static_cast<size_t>(std::countr_zero(quirk)); }

int64_t number(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number_integer() ? found->get<int64_t>() : 0;
}

}  // namespace

struct HostMemory::Fact {
  size_t index;
  const char* name;  // in the file
  milliseconds lasts;
};

// Broken TLS is usually mended soon, and going without is the worse choice.
const std::array<HostMemory::Fact, 12>& HostMemory::table() {
  static const std::array<Fact, 12> kTable{{
      {bit_of(smtp::kNoPipelining), "no_pipelining", hours(7 * 24)},
      {bit_of(smtp::kNoTls), "no_tls", hours(1)},
      {bit_of(smtp::kNeedsRset), "needs_rset", hours(7 * 24)},
      {bit_of(smtp::kHeloOnly), "helo_only", hours(7 * 24)},
      {bit_of(smtp::kNoParameters), "no_parameters", hours(7 * 24)},
      {bit_of(smtp::kNoChunking), "no_chunking", hours(30 * 24)},
      {bit_of(smtp::kNoDsn), "no_dsn", hours(7 * 24)},
      {bit_of(smtp::kNoCrossMessage), "no_cross_message", hours(7 * 24)},
      {kMessages, "messages", hours(24)},
      {kRecipients, "recipients", hours(7 * 24)},
      {kProven, "proven", hours(7 * 24)},
      {kTarpit, "tarpit", hours(1)},
  }};
  return kTable;
}

void HostMemory::keep(Entry& entry, size_t fact, WallTime now) {
  for (const Fact& known : table()) {
    if (known.index == fact) entry.until[fact] = now + known.lasts;
  }
}

HostFacts HostMemory::facts(const std::string& host, WallTime now) const {
  HostFacts facts;
  const std::lock_guard lock(mutex_);
  const auto found = hosts_.find(host);
  if (found == hosts_.end()) return facts;
  const Entry& entry = found->second;
  for (size_t bit = 0; bit < kMessages; ++bit) {
    if (now < entry.until[bit]) facts.quirks = static_cast<smtp::Quirks>(facts.quirks | 1u << bit);
  }
  if (now < entry.until[kMessages]) facts.messages = entry.messages;
  if (now < entry.until[kRecipients]) facts.recipients = entry.recipients;
  facts.tarpit = now < entry.until[kTarpit];
  facts.proven = now < entry.until[kProven];
  return facts;
}

HostMemory::Entry& HostMemory::entry_of(const std::string& host) {
  if (hosts_.size() >= kMostHosts && !hosts_.contains(host)) make_room();
  return hosts_[host];
}

// A tenth goes at once, so that this is rare.
void HostMemory::make_room() {
  std::vector<std::pair<WallTime, std::string>> ends;
  ends.reserve(hosts_.size());
  for (const auto& [host, entry] : hosts_) {
    ends.emplace_back(*std::max_element(entry.until.begin(), entry.until.end()), host);
  }
  const auto cut = ends.begin() + static_cast<std::ptrdiff_t>(ends.size() / 10);
  std::nth_element(ends.begin(), cut, ends.end());
  for (auto it = ends.begin(); it != cut; ++it) hosts_.erase(it->second);
}

bool HostMemory::learn(const std::string& host, smtp::Quirks shown, WallTime now) {
  if (shown == 0) return false;
  const std::lock_guard lock(mutex_);
  Entry& entry = entry_of(host);
  bool fresh = false;
  for (size_t bit = 0; bit < kMessages; ++bit) {
    if (!(shown >> bit & 1u)) continue;
    fresh |= entry.until[bit] <= now;
    keep(entry, bit, now);
  }
  return fresh;
}

void HostMemory::closed_after(const std::string& host, uint32_t messages, WallTime now) {
  if (messages == 0) return;
  const std::lock_guard lock(mutex_);
  Entry& entry = entry_of(host);
  entry.closed_times = messages == entry.closed_after ? entry.closed_times + 1 : 1;
  entry.closed_after = messages;
  if (entry.closed_times < kSureAfter) return;
  entry.messages = messages;
  keep(entry, kMessages, now);
}

void HostMemory::takes_recipients(const std::string& host, uint32_t recipients, WallTime now) {
  if (recipients == 0) return;
  const std::lock_guard lock(mutex_);
  Entry& entry = entry_of(host);
  const bool known = now < entry.until[kRecipients];
  entry.recipients = known ? std::min(entry.recipients, recipients) : recipients;
  keep(entry, kRecipients, now);
}

bool HostMemory::tarpit(const std::string& host, WallTime now) {
  const std::lock_guard lock(mutex_);
  Entry& entry = entry_of(host);
  const bool news = entry.until[kTarpit] <= now;
  keep(entry, kTarpit, now);
  return news;
}

void HostMemory::proven(const std::string& host, WallTime now) {
  const std::lock_guard lock(mutex_);
  keep(entry_of(host), kProven, now);
}

void HostMemory::disproven(const std::string& host) {
  const std::lock_guard lock(mutex_);
  const auto found = hosts_.find(host);
  if (found != hosts_.end()) found->second.until[kProven] = {};
}

size_t HostMemory::size() const {
  const std::lock_guard lock(mutex_);
  return hosts_.size();
}

std::string HostMemory::to_json(WallTime now) const {
  Json all = Json::object();
  const std::lock_guard lock(mutex_);
  for (const auto& [host, entry] : hosts_) {
    Json facts = Json::object();
    for (const Fact& fact : table()) {
      const WallTime until = entry.until[fact.index];
      if (until <= now) continue;
      if (fact.index == kMessages) {
        facts[fact.name] = {{"limit", entry.messages}, {"until", to_ms(until)}};
      } else if (fact.index == kRecipients) {
        facts[fact.name] = {{"limit", entry.recipients}, {"until", to_ms(until)}};
      } else {
        facts[fact.name] = {{"until", to_ms(until)}};
      }
    }
    if (!facts.empty()) all[host] = std::move(facts);
  }
  return all.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Status HostMemory::load(std::string_view json, WallTime now) {
  const Json all = Json::parse(json, nullptr, false);
  if (!all.is_object()) return Error{Errc::kData, "what was learned about hosts is no JSON object"};
  const std::lock_guard lock(mutex_);
  for (const auto& [host, facts] : all.items()) {
    if (!facts.is_object() || hosts_.size() >= kMostHosts) continue;
    Entry entry;
    bool any = false;
    for (const Fact& fact : table()) {
      const auto found = facts.find(fact.name);
      if (found == facts.end() || !found->is_object()) continue;
      const WallTime until = from_ms(number(*found, "until"));
      const auto limit = static_cast<uint32_t>(number(*found, "limit"));
      const bool counted = fact.index == kMessages || fact.index == kRecipients;
      if (until <= now || (counted && limit == 0)) continue;
      entry.until[fact.index] = std::min(until, now + fact.lasts);
      if (fact.index == kMessages) entry.messages = limit;
      if (fact.index == kRecipients) entry.recipients = limit;
      any = true;
    }
    if (any) hosts_[host] = entry;
  }
  return {};
}

}  // namespace volley::delivery
