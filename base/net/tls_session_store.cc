#include "base/net/tls_session_store.h"

#include <utility>

namespace volley::net {

std::optional<RememberedSession> TlsSessionStore::recall(std::string_view key, TimePoint now) {
  const std::lock_guard lock(mutex_);
  const auto found = index_.find(key);
  if (found == index_.end()) return std::nullopt;
  if (now - found->second->session.since >= max_age_) {
    erase(found->second);
    return std::nullopt;
  }
  return found->second->session;
}

void TlsSessionStore::remember(std::string_view key, RememberedSession session) {
  if (max_sessions_ == 0) return;
  const std::lock_guard lock(mutex_);
  session.number = ++last_number_;
  const auto found = index_.find(key);
  if (found != index_.end()) {
    found->second->session = std::move(session);
    entries_.splice(entries_.end(), entries_, found->second);
    return;
  }
  entries_.push_back(Entry{std::string(key), std::move(session)});
  index_.emplace(entries_.back().key, std::prev(entries_.end()));
  if (entries_.size() > max_sessions_) erase(entries_.begin());
}

void TlsSessionStore::keep_open(std::string_view key, uint64_t number,
                                std::shared_ptr<ssl_session_st> open) {
  const std::lock_guard lock(mutex_);
  const auto found = index_.find(key);
  if (found == index_.end() || found->second->session.number != number) return;
  found->second->session.open = std::move(open);
  std::string().swap(found->second->session.der);
}

void TlsSessionStore::forget(std::string_view key, uint64_t number) {
  const std::lock_guard lock(mutex_);
  const auto found = index_.find(key);
  if (found != index_.end() && found->second->session.number == number) erase(found->second);
}

size_t TlsSessionStore::size() const {
  const std::lock_guard lock(mutex_);
  return entries_.size();
}

void TlsSessionStore::erase(Entries::iterator entry) {
  index_.erase(entry->key);
  entries_.erase(entry);
}

}  // namespace volley::net
