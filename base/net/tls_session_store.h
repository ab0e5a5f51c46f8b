// TLS sessions to be resumed, one per key.
//
// Purpose   A client's memory of its peers. What a session vouches for stays with it: the key says
//           what was demanded, the entry what was found.
//           Most sessions never see a second connection: they are kept serialised, which leaves the
//           peer's chain out and takes a tenth of the room. Reading one back costs as much as the
//           rest of a resumed handshake, so once used they are kept as OpenSSL has them.
// Ownership Values. At most `max_sessions`, least recently renewed out first.
// Thread    Any; guarded by a mutex. Not for: knowing whether a peer takes a session back.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/net/tls_demand.h"
#include "base/time.h"

struct ssl_session_st;

namespace volley::net {

struct RememberedSession {
  std::string der;                       // serialised; or
  std::shared_ptr<ssl_session_st> open;  // as it is, shared by the connections that offer it
  TlsTrust trust = TlsTrust::kNone;
  std::string matched_name;
  TimePoint since{};    // of the full handshake it descends from
  uint64_t number = 0;  // the store's
};

class TlsSessionStore {
 public:
  // `max_age`: of the full handshake. Tickets renew each other for ever; certificates do not.
  TlsSessionStore(size_t max_sessions, Duration max_age)
      : max_sessions_(max_sessions), max_age_(max_age) {}

  std::optional<RememberedSession> recall(std::string_view key, TimePoint now);
  void remember(std::string_view key, RememberedSession session);  // in place of the key's last
  // The session read back, for those who come next.
  void keep_open(std::string_view key, uint64_t number, std::shared_ptr<ssl_session_st> open);
  void forget(std::string_view key, uint64_t number);  // unless it was renewed
  size_t size() const;

 private:
  struct Entry {
    std::string key;
    RememberedSession session;
  };
  using Entries = std::list<Entry>;
  void erase(Entries::iterator entry);

  const size_t max_sessions_;
  const Duration max_age_;
  mutable std::mutex mutex_;
  Entries entries_;                                                // oldest first
  std::unordered_map<std::string_view, Entries::iterator> index_;  // keys live in the entries
  uint64_t last_number_ = 0;
};

}  // namespace volley::net
