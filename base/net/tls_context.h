// The inside of a TlsContext, shared by tls.cc and tls_session.cc.
//
// Ownership The context frees its SSL_CTX and sessions. Thread: `mutex` guards the sessions.
#pragma once

#include <openssl/ssl.h>

#include <deque>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/net/tls.h"

namespace volley::net {

struct TlsContext::Impl {
  SSL_CTX* ctx = nullptr;
  bool verify = false;
  size_t max_sessions = 0;

  mutable std::mutex mutex;
  std::unordered_map<std::string, SSL_SESSION*> sessions;  // one reference each
  std::deque<std::string> order;                           // keys, oldest first

  Impl() = default;
  ~Impl();
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  SSL_SESSION* recall(const std::string& key) const;  // a reference for the caller, or null
  void remember(const std::string& key, SSL_SESSION* session);  // takes the reference
  void forget(const std::string& key);
};

}  // namespace volley::net
