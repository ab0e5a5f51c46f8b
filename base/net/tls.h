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

#include "base/net/tls_identity.h"
#include "base/result.h"

namespace volley::net {

class TlsSession;

struct TlsClientOptions {
  // false: opportunistic, encrypt to whoever answers (RFC 7435). true: chain and name must be good.
  bool verify = false;
  std::string ca_file{};  // with verify; empty: the system's trust store
  size_t max_sessions = 10000;
};

enum class TlsVersion : unsigned char { kTls10, kTls11, kTls12, kTls13 };

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
