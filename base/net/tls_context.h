// The inside of a TlsContext, shared by tls.cc and tls_session.cc.
//
// Ownership The context frees its SSL_CTX and its trusted CAs. Thread: any, as TlsContext.
#pragma once

#include <mutex>
#include <string>

#include "base/net/tls.h"
#include "base/net/tls_openssl.h"
#include "base/net/tls_session_store.h"

namespace volley::net {

struct TlsContext::Impl {
  explicit Impl(const TlsClientOptions& options)
      : system_cas(options.system_cas), sessions(options.max_sessions, options.max_session_age) {}

  // The CAs that kPkix trusts; the system's are read when first asked for.
  X509_STORE* trusted();

  SslCtxPtr ctx;
  const bool system_cas;
  X509StorePtr cas;
  std::once_flag system_cas_read;
  TlsSessionStore sessions;
};

}  // namespace volley::net
