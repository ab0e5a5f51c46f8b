// What TLS needs besides the bytes: trust, certificates, remembered sessions.
//
// Purpose   A TlsContext is made once and used by many streams (Stream::start_tls). TLS 1.2
// and 1.3, no renegotiation,
//           no compression; a handshake may take at most 256 KiB of the peer's bytes.
//           Client contexts remember one session per key (bounded, oldest out) and offer it next
//           time.
// Ownership The context outlives its streams.
// Thread    Any: contexts may be shared by loops.
// Errors    kNoInput (CA file), kConfig (certificate or key unusable), kInternal (OpenSSL).
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace volley::net {

class TlsSession;

struct TlsClientOptions {
  // false: opportunistic, encrypt to whoever answers (RFC 7435). true: chain and name must be good.
  bool verify = false;
  std::string ca_file{};  // with verify; empty: the system's trust store
  size_t max_sessions = 10000;
};

struct TlsIdentity {
  std::string certificate_pem;  // leaf first, then intermediates
  std::string key_pem;
};

// ECDSA P-256, valid from a day ago for 10 years, subjectAltName `host` (a name or an IP address).
Result<TlsIdentity> make_self_signed(std::string_view host);

class TlsContext {
 public:
  static Result<std::unique_ptr<TlsContext>> client(const TlsClientOptions& options);
  static Result<std::unique_ptr<TlsContext>> server(const TlsIdentity& identity);
  static Result<std::unique_ptr<TlsContext>> self_signed_server(std::string_view host);
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
