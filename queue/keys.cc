#include "queue/keys.h"

#include <fmt/format.h>
#include <sys/random.h>

#include <algorithm>
#include <charconv>

#include "base/hash.h"
#include "queue/store.h"

namespace volley::queue {

std::string global_key(std::string_view name) { return fmt::format("volley:{{g}}:{}", name); }

std::string campaign_key(std::string_view id, std::string_view name) {
  return fmt::format("volley:{{c:{}}}:{}", id, name);
}

std::string partition_key(uint32_t partition, std::string_view name) {
  return fmt::format("volley:{{p{:02}}}:{}", partition, name);
}

std::string idempotency_key(std::string_view key) {
  const auto digest = Sha256::of(key);
  return fmt::format("volley:{{i{:02}}}:{}", digest[0] % 64, to_hex(digest.data(), 16));
}

std::string lane_tenant(Lane lane, std::string_view tenant) {
  return fmt::format("{}:{}", lane == Lane::kTransactional ? 't' : 'b', tenant);
}

bool parse_lane_tenant(std::string_view text, Lane& lane, std::string& tenant) {
  if (text.size() < 2 || text[1] != ':' || (text[0] != 't' && text[0] != 'b')) return false;
  lane = text[0] == 't' ? Lane::kTransactional : Lane::kBulk;
  tenant = text.substr(2);
  return true;
}

Status check_key_part(std::string_view what, std::string_view text) {
  const bool bad = text.empty() || text.size() > 300 ||
                   std::any_of(text.begin(), text.end(), [](unsigned char c) {
                     return c <= ' ' || c == 0x7f || c == '|' || c == ':' || c == '{' || c == '}';
                   });
  if (bad) return Error{Errc::kData, fmt::format("{} cannot be part of a queue key", what)};
  return {};
}

std::string single_message_id(uint64_t number, uint32_t partition) {
  return fmt::format("{:016x}{:03x}", number, partition);
}

bool parse_single_message_id(std::string_view id, uint64_t& number, uint32_t& partition) {
  if (id.size() < 19 || id.size() > 24) return false;
  const char* middle = id.data() + 16;
  const char* end = id.data() + id.size();
  const auto first = std::from_chars(id.data(), middle, number, 16);
  const auto second = std::from_chars(middle, end, partition, 16);
  return first.ec == std::errc() && first.ptr == middle && second.ec == std::errc() &&
         second.ptr == end && single_message_id(number, partition) == id;
}

std::string random_bytes(size_t count) {
  std::string key(count, '\0');
  size_t have = 0;
  while (have < key.size()) {
    const ssize_t n = getrandom(key.data() + have, key.size() - have, 0);
    if (n > 0) have += static_cast<size_t>(n);
  }
  return key;
}

}  // namespace volley::queue
