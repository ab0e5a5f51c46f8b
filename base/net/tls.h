// What TLS needs besides the bytes: trust, certificates, remembered sessions.
//
// Purpose   A TlsContext is made once and used by many streams (Stream::start_tls), whatever each of
//           them demands of its peer: one context per engine or per loop, never one per connection.
//           No renegotiation, no compression, no early data; a handshake may take at most 256 KiB of
//           the peer's bytes, and after it the peer may send 100 more handshake messages (tickets,
//           key updates, requests to renegotiate), then the connection fails.
//           Client contexts remember one session per server and demand (bounded, oldest out) and
//           offer it until the server does not take it any more: SMTP clients say who they are, so
//           there is nobody to hide from by using a ticket once. A session serves only the demand it
//           was made for, and vouches no longer than `max_session_age`.
// Ownership The context outlives its streams.
// Thread    Any: contexts may be shared by loops, and then their sessions are. The first kPkix demand
//           reads the system's CAs on its own thread, once (some 20 ms, 1 MB).
// Errors    kNoInput (CA file), kConfig (certificate or key unusable), kInternal (OpenSSL).
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "base/net/tls_demand.h"
#include "base/net/tls_identity.h"
#include "base/result.h"
#include "base/time.h"

namespace volley::net {

class TlsSession;

struct TlsClientOptions {
  std::string ca_file{};        // PEM: CAs to trust besides the system's
  bool system_cas = true;       // false: trust `ca_file` only
  size_t max_sessions = 10000;  // some 2 KB each, 5 KB once resumed
  Duration max_session_age = std::chrono::hours(24);
};

struct TlsServerOptions {
  TlsVersion min_version = TlsVersion::kTls12;  // lower: the weak hashes it needs are let in too
  TlsVersion max_version = TlsVersion::kTls13;
};

class TlsContext {
 public:
  static Result<std::unique_ptr<TlsContext>> client(const TlsClientOptions& options);
  static Result<std::unique_ptr<TlsContext>> server(const TlsIdentity& identity,
                                                    const TlsServerOptions& options = {});
  static Result<std::unique_ptr<TlsContext>> self_signed_server(
      std::string_view host, const TlsServerOptions& options = {});
  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

  size_t remembered_sessions() const;

 private:
  friend class TlsSession;
  struct Impl;
  explicit TlsContext(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace volley::net
