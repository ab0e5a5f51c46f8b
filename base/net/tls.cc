#include "base/net/tls.h"

#include <openssl/pem.h>

#include <memory>
#include <utility>

#include "base/files.h"
#include "base/net/tls_context.h"
#include "base/net/tls_openssl.h"
#include "base/net/tls_session.h"
#include "base/net/tls_verify.h"

namespace volley::net {
namespace {

constexpr uint64_t kMostCas = uint64_t{64} << 20;
constexpr int kLongestChain = 10;  // certificates between the peer's and the anchor

int no_passphrase(char*, int, int, void*) { return 0; }

BioPtr reader(const std::string& text) {
  return BioPtr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

void harden(SSL_CTX* ctx) {
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

// Read by ourselves first: OpenSSL does not say why a file cannot be.
Status add_cas(X509_STORE* store, const std::string& file) {
  if (auto text = read_file(file, kMostCas); !text) return text.error();
  if (X509_STORE_load_file(store, file.c_str()) != 1) {
    return openssl_error(Errc::kNoInput, file + ": no usable CA certificates (PEM)");
  }
  return {};
}

}  // namespace

X509_STORE* TlsContext::Impl::trusted() {
  std::call_once(system_cas_read, [this] {
    if (system_cas) X509_STORE_set_default_paths(cas.get());
    ERR_clear_error();  // a machine without CAs trusts none
  });
  return cas.get();
}

TlsContext::TlsContext(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TlsContext::~TlsContext() = default;

Result<std::unique_ptr<TlsContext>> TlsContext::client(const TlsClientOptions& options) {
  auto impl = std::make_unique<Impl>(options);
  impl->ctx.reset(SSL_CTX_new(TLS_client_method()));
  impl->cas.reset(X509_STORE_new());
  SSL_CTX* ctx = impl->ctx.get();
  if (!ctx || !impl->cas || SSL_CTX_dane_enable(ctx) != 1) {
    return openssl_error(Errc::kInternal, "TLS cannot be set up");
  }
  harden(ctx);
  if (!options.ca_file.empty()) {
    if (Status added = add_cas(impl->cas.get(), options.ca_file); !added) return added.error();
  }
  SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, nullptr);
  SSL_CTX_set_verify_depth(ctx, kLongestChain);
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
  TlsSession::install_hooks(ctx);
  return std::unique_ptr<TlsContext>(new TlsContext(std::move(impl)));
}

Result<std::unique_ptr<TlsContext>> TlsContext::server(const TlsIdentity& identity,
                                                       const TlsServerOptions& options) {
  auto impl = std::make_unique<Impl>(TlsClientOptions{});
  impl->ctx.reset(SSL_CTX_new(TLS_server_method()));
  SSL_CTX* ctx = impl->ctx.get();
  if (!ctx) return openssl_error(Errc::kInternal, "TLS cannot be set up");
  harden(ctx);
  // TLS 1.0 and 1.1 sign with MD5 and SHA-1, which only level 0 lets through.
  if (options.min_version < TlsVersion::kTls12) SSL_CTX_set_security_level(ctx, 0);
  SSL_CTX_set_min_proto_version(ctx, wire_version(options.min_version));
  SSL_CTX_set_max_proto_version(ctx, wire_version(options.max_version));
  SSL_CTX_set_num_tickets(ctx, 1);
  TlsSession::install_hooks(ctx);
  if (Status used = use_identity(ctx, identity); !used) return used.error();
  return std::unique_ptr<TlsContext>(new TlsContext(std::move(impl)));
}

Result<std::unique_ptr<TlsContext>> TlsContext::self_signed_server(
    std::string_view host, const TlsServerOptions& options) {
  Result<TlsIdentity> identity = make_self_signed(host);
  if (!identity) return identity.error();
  return server(*identity, options);
}

size_t TlsContext::remembered_sessions() const { return impl_->sessions.size(); }

}  // namespace volley::net
