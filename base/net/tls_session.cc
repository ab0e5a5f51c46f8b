#include "base/net/tls_session.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cstring>

#include "base/net/tls.h"
#include "base/net/tls_context.h"

namespace volley::net {
namespace {

constexpr size_t kHandshakeCap = size_t{256} << 10;

std::string openssl_reason(const char* fallback) {
  const unsigned long code = ERR_peek_last_error();
  const char* reason = code ? ERR_reason_error_string(code) : nullptr;
  return reason ? reason : fallback;
}

}  // namespace

struct TlsSession::Bio {
  static int read(BIO* bio, char* out, size_t size, size_t* done) {
    auto* self = static_cast<TlsSession*>(BIO_get_data(bio));
    BIO_clear_retry_flags(bio);
    *done = 0;
    if (self->input_.empty()) {
      BIO_set_retry_read(bio);
      return 0;
    }
    const size_t n = std::min(size, self->input_.size());
    if (!self->ready_) {
      self->handshake_bytes_ += n;
      self->too_much_ = self->handshake_bytes_ > kHandshakeCap;
      if (self->too_much_) return 0;
    }
    std::memcpy(out, self->input_.data(), n);
    self->input_ = self->input_.subspan(n);
    *done = n;
    return 1;
  }
  static int write(BIO* bio, const char* bytes, size_t size, size_t* done) {
    BIO_clear_retry_flags(bio);
    static_cast<TlsSession*>(BIO_get_data(bio))->wire_.append(bytes, size);
    *done = size;
    return 1;
  }
  static long control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }
  static BIO_METHOD* method() {
    static BIO_METHOD* const kMethod = [] {
      BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "stream");
      BIO_meth_set_read_ex(made, &Bio::read);
      BIO_meth_set_write_ex(made, &Bio::write);
      BIO_meth_set_ctrl(made, &Bio::control);
      return made;
    }();
    return kMethod;
  }
};

Result<std::unique_ptr<TlsSession>> TlsSession::make(TlsContext& context, const TlsStart& start) {
  std::unique_ptr<TlsSession> session(new TlsSession);
  session->context_ = &context;
  session->ssl_ = SSL_new(context.impl_->ctx);
  BIO* bio = session->ssl_ ? BIO_new(Bio::method()) : nullptr;
  if (!bio) return Error{Errc::kInternal, "TLS: out of memory"};
  BIO_set_data(bio, session.get());
  BIO_set_init(bio, 1);
  SSL_set_bio(session->ssl_, bio, bio);
  SSL_set_app_data(session->ssl_, session.get());
  if (start.role == TlsRole::kServer) {
    SSL_set_accept_state(session->ssl_);
    return session;
  }
  SSL_set_connect_state(session->ssl_);
  session->wants_verified_ = context.impl_->verify;
  const std::string& name = start.server_name;
  const bool is_ip = Endpoint::from_ip(name, 0).has_value();
  if (!name.empty() && !is_ip) SSL_set_tlsext_host_name(session->ssl_, name.c_str());
  if (context.impl_->verify) {
    if (name.empty()) return Error{Errc::kInternal, "TLS: no name to verify"};
    const int set = is_ip
                        ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(session->ssl_), name.c_str())
                        : SSL_set1_host(session->ssl_, name.c_str());
    if (set != 1) return Error{Errc::kData, "TLS: unusable server name " + name};
  }
  session->session_key_ = start.session_key.empty() ? name : start.session_key;
  // A session vouches for the name it was verified for, and for no other.
  if (context.impl_->verify) session->session_key_ += '\n' + name;
  if (SSL_SESSION* known = context.impl_->recall(session->session_key_)) {
    session->offered_session_ = SSL_set_session(session->ssl_, known) == 1;
    SSL_SESSION_free(known);
  }
  return session;
}

TlsSession::~TlsSession() {
  if (!ssl_) return;
  // OpenSSL drops the session of a connection that ends without close_notify; mail peers rarely send one.
  SSL_set_shutdown(ssl_, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  SSL_free(ssl_);
}

void TlsSession::feed(std::span<const char> ciphertext) { input_ = ciphertext; }

TlsSession::State TlsSession::fail(int ssl_result) {
  const int why = SSL_get_error(ssl_, ssl_result);
  if (why == SSL_ERROR_WANT_READ && !too_much_) return State::kMore;
  if (why == SSL_ERROR_ZERO_RETURN) return State::kPeerClosed;
  broken_ = true;
  if (too_much_) {
    error_ = "TLS handshake: more than 256 KiB from the peer";
  } else if (!ready_) {
    const long verify = SSL_get_verify_result(ssl_);
    error_ = wants_verified_ && verify != X509_V_OK
                 ? std::string("TLS handshake: certificate refused: ") +
                       X509_verify_cert_error_string(verify)
                 : "TLS handshake: " + openssl_reason("failed");
    if (offered_session_) context_->impl_->forget(session_key_);
  } else {
    error_ = "TLS: " + openssl_reason("failed");
  }
  ERR_clear_error();
  return State::kFailed;
}

TlsSession::State TlsSession::handshake() {
  if (broken_) return State::kFailed;
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl_);
  if (result != 1) {
    const State state = fail(result);
    if (state != State::kPeerClosed) return state;
    broken_ = true;
    error_ = "TLS handshake: refused by the peer";
    return State::kFailed;
  }
  ready_ = true;
  return State::kReady;
}

TlsSession::State TlsSession::read(std::span<char> out, size_t& size) {
  size = 0;
  if (broken_) return State::kFailed;
  ERR_clear_error();
  const int result = SSL_read_ex(ssl_, out.data(), out.size(), &size);
  return result == 1 ? State::kReady : fail(result);
}

bool TlsSession::has_buffered() const { return SSL_has_pending(ssl_) == 1; }

size_t TlsSession::encrypt(std::string_view plaintext) {
  if (broken_ || plaintext.empty()) return 0;
  ERR_clear_error();
  size_t taken = 0;
  if (SSL_write_ex(ssl_, plaintext.data(), plaintext.size(), &taken) == 1) return taken;
  broken_ = true;
  error_ = "TLS: " + openssl_reason("cannot encrypt");
  ERR_clear_error();
  return 0;
}

void TlsSession::say_goodbye() {
  if (!ready_ || broken_) return;
  ERR_clear_error();
  SSL_shutdown(ssl_);
}

TlsInfo TlsSession::info() const {
  TlsInfo info;
  info.version = SSL_get_version(ssl_);
  info.cipher = SSL_get_cipher_name(ssl_);
  info.resumed = SSL_session_reused(ssl_) == 1;
  if (wants_verified_) {
    const long verify = SSL_get_verify_result(ssl_);
    info.verified = verify == X509_V_OK;
    if (!info.verified) info.verify_error = X509_verify_cert_error_string(verify);
  }
  return info;
}

}  // namespace volley::net
