#include "base/net/tls.h"

#include <openssl/pem.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "base/net/tls_context.h"
#include "base/net/tls_openssl.h"
#include "base/net/tls_session.h"

namespace volley::net {
namespace {

int no_passphrase(char*, int, int, void*) { return 0; }

BioPtr reader(const std::string& text) {
  return BioPtr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

int wire_version(TlsVersion version) {
  switch (version) {
    case TlsVersion::kTls10: return TLS1_VERSION;
    case TlsVersion::kTls11: return TLS1_1_VERSION;
    case TlsVersion::kTls12: return TLS1_2_VERSION;
    case TlsVersion::kTls13: break;
  }
  return TLS1_3_VERSION;
}

void harden(SSL_CTX* ctx) {
  SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
  SSL_CTX_set_options(
      ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                            SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
}

Status use_identity(SSL_CTX* ctx, const TlsIdentity& identity) {
  const BioPtr certificates = reader(identity.certificate_pem);
  const X509Ptr leaf(PEM_read_bio_X509(certificates.get(), nullptr, no_passphrase, nullptr));
  if (!leaf || SSL_CTX_use_certificate(ctx, leaf.get()) != 1) {
    return openssl_error(Errc::kConfig, "TLS certificate unusable");
  }
  while (X509* next = PEM_read_bio_X509(certificates.get(), nullptr, no_passphrase, nullptr)) {
    if (SSL_CTX_add0_chain_cert(ctx, next) != 1) {
      X509_free(next);
      return openssl_error(Errc::kConfig, "TLS certificate chain unusable");
    }
  }
  ERR_clear_error();  // the end of the file counts as an error
  const BioPtr key_text = reader(identity.key_pem);
  const PkeyPtr key(PEM_read_bio_PrivateKey(key_text.get(), nullptr, no_passphrase, nullptr));
  if (!key) return openssl_error(Errc::kConfig, "TLS private key unusable (is it encrypted?)");
  if (SSL_CTX_use_PrivateKey(ctx, key.get()) != 1 || SSL_CTX_check_private_key(ctx) != 1) {
    return openssl_error(Errc::kConfig, "TLS private key does not belong to the certificate");
  }
  return {};
}

}  // namespace

TlsContext::Impl::~Impl() {
  for (auto& [key, session] : sessions) SSL_SESSION_free(session);
  SSL_CTX_free(ctx);
}

SSL_SESSION* TlsContext::Impl::recall(const std::string& key) const {
  const std::lock_guard lock(mutex);
  const auto it = sessions.find(key);
  if (it == sessions.end() || !SSL_SESSION_is_resumable(it->second)) return nullptr;
  SSL_SESSION_up_ref(it->second);
  return it->second;
}

void TlsContext::Impl::remember(const std::string& key, SSL_SESSION* session) {
  const std::lock_guard lock(mutex);
  const auto [it, added] = sessions.try_emplace(key, session);
  if (!added) {
    SSL_SESSION_free(std::exchange(it->second, session));
    return;
  }
  order.push_back(key);
  while (sessions.size() > max_sessions) {
    const auto oldest = sessions.find(order.front());
    SSL_SESSION_free(oldest->second);
    sessions.erase(oldest);
    order.pop_front();
  }
}

void TlsContext::Impl::forget(const std::string& key) {
  const std::lock_guard lock(mutex);
  const auto it = sessions.find(key);
  if (it == sessions.end()) return;
  SSL_SESSION_free(it->second);
  sessions.erase(it);
  order.erase(std::find(order.begin(), order.end(), key));
}

TlsContext::TlsContext(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TlsContext::~TlsContext() = default;

Result<std::unique_ptr<TlsContext>> TlsContext::client(const TlsClientOptions& options) {
  auto impl = std::make_unique<Impl>();
  impl->ctx = SSL_CTX_new(TLS_client_method());
  if (!impl->ctx) return openssl_error(Errc::kInternal, "TLS cannot be set up");
  harden(impl->ctx);
  impl->verify = options.verify;
  impl->max_sessions = options.max_sessions;
  if (options.verify) {
    SSL_CTX_set_verify(impl->ctx, SSL_VERIFY_PEER, nullptr);
    const bool loaded = options.ca_file.empty()
                            ? SSL_CTX_set_default_verify_paths(impl->ctx) == 1
                            : SSL_CTX_load_verify_file(impl->ctx, options.ca_file.c_str()) == 1;
    if (!loaded) {
      return openssl_error(Errc::kNoInput, options.ca_file + ": no usable CA certificates");
    }
  } else {
    SSL_CTX_set_verify(impl->ctx, SSL_VERIFY_NONE, nullptr);
    // A weak certificate, unverified anyway, is still better than the clear text that would follow a refusal.
    SSL_CTX_set_security_level(impl->ctx, 1);
  }
  SSL_CTX_set_session_cache_mode(impl->ctx,
                                 SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
  SSL_CTX_sess_set_new_cb(impl->ctx, [](SSL* ssl, SSL_SESSION* session) {
    auto* connection = static_cast<TlsSession*>(SSL_get_app_data(ssl));
    if (connection->session_key_.empty() || connection->context_->impl_->max_sessions == 0)
      return 0;
    connection->context_->impl_->remember(connection->session_key_, session);
    return 1;
  });
  return std::unique_ptr<TlsContext>(new TlsContext(std::move(impl)));
}

Result<std::unique_ptr<TlsContext>> TlsContext::server(const TlsIdentity& identity,
                                                       const TlsServerOptions& options) {
  auto impl = std::make_unique<Impl>();
  impl->ctx = SSL_CTX_new(TLS_server_method());
  if (!impl->ctx) return openssl_error(Errc::kInternal, "TLS cannot be set up");
  harden(impl->ctx);
  // TLS 1.0 and 1.1 sign with MD5 and SHA-1, which only level 0 lets through.
  if (options.min_version < TlsVersion::kTls12) SSL_CTX_set_security_level(impl->ctx, 0);
  SSL_CTX_set_min_proto_version(impl->ctx, wire_version(options.min_version));
  SSL_CTX_set_max_proto_version(impl->ctx, wire_version(options.max_version));
  SSL_CTX_set_num_tickets(impl->ctx, 1);
  if (Status used = use_identity(impl->ctx, identity); !used) return used.error();
  return std::unique_ptr<TlsContext>(new TlsContext(std::move(impl)));
}

Result<std::unique_ptr<TlsContext>> TlsContext::self_signed_server(
    std::string_view host, const TlsServerOptions& options) {
  Result<TlsIdentity> identity = make_self_signed(host);
  if (!identity) return identity.error();
  return server(*identity, options);
}

size_t TlsContext::remembered_sessions() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->sessions.size();
}

}  // namespace volley::net
