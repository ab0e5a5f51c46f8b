#include "base/net/tls.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cctype>
#include <memory>
#include <utility>

#include "base/net/endpoint.h"
#include "base/net/tls_context.h"
#include "base/net/tls_session.h"

namespace volley::net {
namespace {

template <auto Free>
struct Freer {
  template <typename T>
  void operator()(T* object) const {
    Free(object);
  }
};
using BioPtr = std::unique_ptr<BIO, Freer<BIO_free_all>>;
using X509Ptr = std::unique_ptr<X509, Freer<X509_free>>;
using PkeyPtr = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY_free>>;
using ExtensionPtr = std::unique_ptr<X509_EXTENSION, Freer<X509_EXTENSION_free>>;

Error openssl_error(Errc code, std::string what) {
  const unsigned long raised = ERR_peek_last_error();
  const char* reason = raised ? ERR_reason_error_string(raised) : nullptr;
  if (reason) what += std::string(": ") + reason;
  ERR_clear_error();
  return Error{code, std::move(what)};
}

int no_passphrase(char*, int, int, void*) { return 0; }

BioPtr reader(const std::string& text) {
  return BioPtr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

std::string contents(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return std::string(data, static_cast<size_t>(size));
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

bool add_extension(X509* certificate, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
  const ExtensionPtr extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
  return extension && X509_add_ext(certificate, extension.get(), -1) == 1;
}

bool fill_certificate(X509* certificate, EVP_PKEY* key, const std::string& host) {
  uint64_t serial = 0;
  if (RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof serial) != 1) return false;
  const bool is_ip = Endpoint::from_ip(host, 0).has_value();
  X509_NAME* name = X509_get_subject_name(certificate);
  // A common name holds 64 characters; the subjectAltName is what counts.
  const auto common = host.substr(0, 64);
  return X509_set_version(certificate, 2) == 1 &&
         ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), serial >> 1) == 1 &&
         X509_gmtime_adj(X509_getm_notBefore(certificate), -86400) &&
         X509_gmtime_adj(X509_getm_notAfter(certificate), 3650L * 86400) &&
         X509_set_pubkey(certificate, key) == 1 &&
         X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                                    reinterpret_cast<const unsigned char*>(common.c_str()), -1, -1,
                                    0) == 1 &&
         X509_set_issuer_name(certificate, name) == 1 &&
         add_extension(certificate, NID_subject_alt_name, (is_ip ? "IP:" : "DNS:") + host) &&
         add_extension(certificate, NID_basic_constraints, "critical,CA:TRUE") &&
         X509_sign(certificate, key, EVP_sha256()) != 0;
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

Result<std::unique_ptr<TlsContext>> TlsContext::server(const TlsIdentity& identity) {
  auto impl = std::make_unique<Impl>();
  impl->ctx = SSL_CTX_new(TLS_server_method());
  if (!impl->ctx) return openssl_error(Errc::kInternal, "TLS cannot be set up");
  harden(impl->ctx);
  SSL_CTX_set_num_tickets(impl->ctx, 1);
  if (Status used = use_identity(impl->ctx, identity); !used) return used.error();
  return std::unique_ptr<TlsContext>(new TlsContext(std::move(impl)));
}

Result<std::unique_ptr<TlsContext>> TlsContext::self_signed_server(std::string_view host) {
  Result<TlsIdentity> identity = make_self_signed(host);
  if (!identity) return identity.error();
  return server(*identity);
}

size_t TlsContext::remembered_sessions() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->sessions.size();
}

Result<TlsIdentity> make_self_signed(std::string_view host) {
  const bool plain = std::all_of(host.begin(), host.end(), [](unsigned char c) {
    return std::isalnum(c) || c == '.' || c == '-' || c == ':';
  });
  if (host.empty() || !plain) {
    return Error{Errc::kConfig, "cannot make a certificate for \"" + std::string(host) + "\""};
  }
  const PkeyPtr key(EVP_EC_gen("P-256"));
  const X509Ptr certificate(X509_new());
  if (!key || !certificate || !fill_certificate(certificate.get(), key.get(), std::string(host))) {
    return openssl_error(Errc::kInternal, "cannot make a certificate for " + std::string(host));
  }
  const BioPtr certificate_text(BIO_new(BIO_s_mem()));
  const BioPtr key_text(BIO_new(BIO_s_mem()));
  if (PEM_write_bio_X509(certificate_text.get(), certificate.get()) != 1 ||
      PEM_write_bio_PrivateKey(key_text.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) !=
          1) {
    return openssl_error(Errc::kInternal, "cannot write a certificate");
  }
  return TlsIdentity{contents(certificate_text.get()), contents(key_text.get())};
}

}  // namespace volley::net
