#include "engine/delivery/sts_cache.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>
#include <vector>

#include "dns/mx.h"

namespace volley::delivery {
namespace {

using nlohmann::json;

constexpr int kFormat = 1;
constexpr std::chrono::minutes kRetryAfter{5};
constexpr std::chrono::minutes kMinLife{1};
constexpr std::chrono::hours kRefreshAfter{24};
constexpr size_t kMaxDetail = 500;

WallTime end_of_life(WallTime fetched, std::chrono::seconds max_age) {
  return fetched + std::max<std::chrono::seconds>(max_age, kMinLife);
}

bool is_alive(const StsEntry& entry, WallTime now) {
  return entry.policy != nullptr && now < entry.expires;
}

// Half of max_age for what lives less than two days.
bool is_due_for_refresh(const StsEntry& entry, WallTime now) {
  const auto half = (entry.expires - entry.fetched) / 2;
  return now - entry.fetched >= std::min<WallTime::duration>(half, kRefreshAfter);
}

bool failed_lately(const StsEntry& entry, const std::string& id, WallTime now) {
  return entry.failure != StsFailure::kNone && entry.failed_id == id && now < entry.retry;
}

// When an entry is of no more use.
WallTime end_of(const StsEntry& entry) {
  const WallTime retry = entry.failure == StsFailure::kNone ? WallTime::min() : entry.retry;
  return entry.policy == nullptr ? retry : std::max(entry.expires, retry);
}

Error bad(std::string what) { return {Errc::kData, "MTA-STS policies: " + std::move(what)}; }

json to_json(const std::string& domain, const StsEntry& entry) {
  return {{"domain", domain},
          {"id", entry.id},
          {"mode", to_string(entry.policy->mode)},
          {"mx", entry.policy->mx},
          {"max_age", entry.policy->max_age.count()},
          {"fetched_ms", to_ms(entry.fetched)}};
}

const json* member(const json& object, const char* key) {
  const auto found = object.find(key);
  return found == object.end() ? nullptr : &*found;
}

std::optional<std::string> text_of(const json& object, const char* key) {
  const json* found = member(object, key);
  if (found == nullptr || !found->is_string()) return std::nullopt;
  return found->get<std::string>();
}

std::optional<int64_t> number_of(const json& object, const char* key) {
  const json* found = member(object, key);
  if (found == nullptr || !found->is_number_integer()) return std::nullopt;
  return found->get<int64_t>();
}

std::optional<std::vector<std::string>> patterns_of(const json& object) {
  const json* list = member(object, "mx");
  if (list == nullptr || !list->is_array()) return std::nullopt;
  std::vector<std::string> out;
  for (const json& item : *list) {
    if (!item.is_string()) return std::nullopt;
    auto pattern = sts_pattern(item.get_ref<const std::string&>());
    if (!pattern) return std::nullopt;
    out.push_back(std::move(*pattern));
  }
  return out;
}

std::optional<std::pair<std::string, StsEntry>> entry_of(const json& object, WallTime now) {
  if (!object.is_object()) return std::nullopt;
  const auto domain = text_of(object, "domain"), id = text_of(object, "id"),
             word = text_of(object, "mode");
  const auto max_age = number_of(object, "max_age"), fetched = number_of(object, "fetched_ms");
  auto mx = patterns_of(object);
  if (!domain || !id || !word || !max_age || !fetched || !mx) return std::nullopt;
  const auto mode = sts_mode(*word);
  if (!mode || *max_age < 0 || *max_age > kMaxStsAge.count()) return std::nullopt;
  if (*domain != dns::canonical_name(*domain) || !dns::is_usable_name(*domain)) return std::nullopt;
  StsEntry entry;
  entry.id = *id;
  // A clock that was ahead when the policy was fetched must not make it live longer than it may.
  entry.fetched = std::min(from_ms(*fetched), now);
  const std::chrono::seconds age(*max_age);
  entry.expires = end_of_life(entry.fetched, age);
  entry.policy = std::make_shared<const StsPolicy>(StsPolicy{*mode, std::move(*mx), age});
  return std::pair(*domain, std::move(entry));
}

StsDecision apply(const StsEntry& entry) {
  StsDecision out;
  if (entry.policy->mode == StsMode::kNone) return out;
  out.verdict =
      entry.policy->mode == StsMode::kEnforce ? StsVerdict::kEnforce : StsVerdict::kTesting;
  out.policy = entry.policy;
  return out;
}

}  // namespace

std::string_view result_type(StsFailure failure) {
  switch (failure) {
    case StsFailure::kFetchError:
      return "sts-policy-fetch-error";
    case StsFailure::kPolicyInvalid:
      return "sts-policy-invalid";
    case StsFailure::kWebPkiInvalid:
      return "sts-webpki-invalid";
    case StsFailure::kNone:
      break;
  }
  return "";
}

std::string sts_txt_name(std::string_view domain) { return "_mta-sts." + std::string(domain); }

StsDecision decide_sts(const StsEntry* entry, const dns::TxtAnswer& txt, WallTime now) {
  const bool alive = entry != nullptr && is_alive(*entry, now);
  StsDecision out = alive ? apply(*entry) : StsDecision();
  // Without a good TXT record nothing is fetched, and what is cached stays good.
  const std::optional<std::string> id =
      txt.failed ? std::nullopt : parse_sts_txt(std::span(txt.strings));
  if (!id) return out;
  if (entry != nullptr && failed_lately(*entry, *id, now)) {
    out.failure = entry->failure;
    out.detail = entry->detail;
    return out;
  }
  const bool current = alive && entry->id == *id;
  if (current && !is_due_for_refresh(*entry, now)) return out;
  out.fetch = true;
  out.id = *id;
  if (current) return out;
  out.verdict = StsVerdict::kWait;
  out.policy = nullptr;
  return out;
}

StsDecision StsCache::decide(std::string_view domain, const dns::TxtAnswer& txt,
                             WallTime now) const {
  const std::string name = dns::canonical_name(domain);
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(name);
  return decide_sts(found == entries_.end() ? nullptr : &found->second, txt, now);
}

void StsCache::store(std::string_view domain, std::string_view id, const StsOutcome& outcome,
                     WallTime now) {
  std::string name = dns::canonical_name(domain);
  const std::lock_guard lock(mutex_);
  if (!entries_.contains(name)) make_room(now);
  StsEntry& entry = entries_[std::move(name)];
  if (outcome.failure != StsFailure::kNone) {
    entry.failure = outcome.failure;
    entry.failed_id = id;
    entry.detail = outcome.detail.substr(0, kMaxDetail);
    entry.retry = now + kRetryAfter;
    return;
  }
  entry = StsEntry();
  entry.policy = std::make_shared<const StsPolicy>(outcome.policy);
  entry.id = id;
  entry.fetched = now;
  entry.expires = end_of_life(now, outcome.policy.max_age);
}

// For one more.
void StsCache::make_room(WallTime now) {
  if (entries_.size() < kMaxStsDomains) return;
  std::erase_if(entries_, [now](const auto& item) { return end_of(item.second) <= now; });
  if (entries_.size() < kMaxStsDomains) return;
  entries_.erase(std::min_element(
      entries_.begin(), entries_.end(),
      [](const auto& a, const auto& b) { return end_of(a.second) < end_of(b.second); }));
}

size_t StsCache::size() const {
  const std::lock_guard lock(mutex_);
  return entries_.size();
}

std::string StsCache::export_json(WallTime now) const {
  json policies = json::array();
  const std::lock_guard lock(mutex_);
  for (const auto& [domain, entry] : entries_) {
    if (is_alive(entry, now)) policies.push_back(to_json(domain, entry));
  }
  return json{{"format", kFormat}, {"policies", std::move(policies)}}.dump(
             1, ' ', false, json::error_handler_t::replace) +
         "\n";
}

Status StsCache::import_json(std::string_view text, WallTime now) {
  const json root = json::parse(text, nullptr, false);
  if (!root.is_object()) return bad("not a JSON object");
  if (number_of(root, "format") != kFormat) return bad("not of format " + std::to_string(kFormat));
  const json* policies = member(root, "policies");
  if (policies == nullptr || !policies->is_array()) return bad("no list \"policies\"");
  std::vector<std::pair<std::string, StsEntry>> read;
  for (const json& item : *policies) {
    auto one = entry_of(item, now);
    if (!one) return bad("entry " + std::to_string(read.size() + 1) + " is malformed");
    read.push_back(std::move(*one));
  }
  const std::lock_guard lock(mutex_);
  for (auto& [domain, entry] : read) {
    if (!is_alive(entry, now)) continue;
    const auto found = entries_.find(domain);
    if (found == entries_.end()) {
      make_room(now);
      entries_.emplace(domain, std::move(entry));
    } else if (found->second.fetched < entry.fetched) {
      found->second = std::move(entry);
    }
  }
  return {};
}

}  // namespace volley::delivery
