// A cache whose entries live as long as DNS says, within limits of ours.
//
// Purpose    TtlCache<Value>: by name, of bounded size; the least recently used goes first.
// Ownership  find()'s pointer is good until the next put().
// Thread     Pure: `now` is an argument.
// Limits     positive answers 60 s to 1 day (a TTL of 0 would make us ask once per message);
//            negative ones 30 s to 15 min, from the SOA as RFC 2308 section 5 says; failures of
//            DNS itself 10 s, so that they are noticed soon and not hammered meanwhile.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "base/time.h"

namespace volley::dns {

Duration clamp_positive_ttl(uint32_t seconds);
// nullopt: the answer had no SOA.
Duration clamp_negative_ttl(std::optional<uint32_t> soa_seconds);
Duration failure_ttl();

template <typename Value>
class TtlCache {
 public:
  explicit TtlCache(size_t capacity) : capacity_(capacity) {}

  const Value* find(const std::string& key, TimePoint now) {
    auto found = index_.find(key);
    if (found == index_.end()) return nullptr;
    if (found->second->expires <= now) {
      erase(found->second);
      return nullptr;
    }
    entries_.splice(entries_.begin(), entries_, found->second);
    return &found->second->value;
  }

  void put(const std::string& key, Value value, Duration ttl, TimePoint now) {
    if (auto found = index_.find(key); found != index_.end()) erase(found->second);
    if (capacity_ == 0) return;
    while (entries_.size() >= capacity_) erase(std::prev(entries_.end()));
    entries_.push_front(Entry{key, std::move(value), now + ttl});
    // The key is stored once: the index looks into the list's string, which never moves.
    index_.emplace(entries_.front().key, entries_.begin());
  }

  size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    std::string key;
    Value value;
    TimePoint expires;
  };
  using Place = typename std::list<Entry>::iterator;

  void erase(Place place) {
    index_.erase(place->key);
    entries_.erase(place);
  }

  size_t capacity_;
  std::list<Entry> entries_;  // most recently used first
  std::unordered_map<std::string_view, Place> index_;
};

}  // namespace volley::dns
