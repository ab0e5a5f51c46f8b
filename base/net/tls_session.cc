#include "base/net/tls_session.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/net/tls.h"
#include "base/net/tls_context.h"
#include "base/net/tls_verify.h"

namespace volley::net {
namespace {

constexpr size_t kHandshakeCap = size_t{256} << 10;
constexpr size_t kLateMessages = 100;
constexpr int kBiggestGroup = 4096;       // bits; 10000 would stop the loop for a second
constexpr size_t kBiggestSession = 8192;  // serialised; tickets alone may have 64 KiB

}  // namespace

struct TlsSession::Bio {
  static int read(BIO* bio, char* out, size_t size, size_t* done) {
    auto* self = static_cast<TlsSession*>(BIO_get_data(bio));
    BIO_clear_retry_flags(bio);
    *done = 0;
    if (self->excess_) return 0;
    if (self->input_.empty()) {
      BIO_set_retry_read(bio);
      return 0;
    }
    const size_t n = std::min(size, self->input_.size());
    if (!self->ready_) {
      self->handshake_bytes_ += n;
      if (self->handshake_bytes_ > kHandshakeCap) {
        self->excess_ = "TLS handshake: more than 256 KiB from the peer";
        return 0;
      }
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

// What OpenSSL calls back for, set once per context.
struct TlsSession::Hooks {
  static TlsSession* owner(const SSL* ssl) {
    return static_cast<TlsSession*>(SSL_get_app_data(ssl));
  }
  // Nothing demanded, nothing looked at: a stranger's chain is not worth the work.
  static int verify(X509_STORE_CTX* chain, void*) {
    const auto* ssl = static_cast<const SSL*>(
        X509_STORE_CTX_get_ex_data(chain, SSL_get_ex_data_X509_STORE_CTX_idx()));
    return owner(ssl)->kind_ == TlsDemand::Kind::kNone ? 1 : X509_verify_cert(chain);
  }
  using Security = int (*)(const SSL*, const SSL_CTX*, int, int, int, void*, void*);
  static Security openssl_security(SSL_CTX* fresh) {
    static const Security kOpenssl = SSL_CTX_get_security_callback(fresh);
    return kOpenssl;
  }
  // OpenSSL knows what is too small only.
  static int security(const SSL* ssl, const SSL_CTX* ctx, int operation, int bits, int nid,
                      void* other, void* ex) {
    if (ssl && operation == SSL_SECOP_TMP_DH && other &&
        EVP_PKEY_get_bits(static_cast<const EVP_PKEY*>(other)) > kBiggestGroup) {
      owner(ssl)->excess_ = "TLS handshake: Diffie-Hellman group of more than 4096 bits";
      return 0;
    }
    return openssl_security(nullptr)(ssl, ctx, operation, bits, nid, other, ex);
  }
  static void on_message(int is_ours, int, int type, const void* message, size_t size, SSL* ssl,
                         void*) {
    TlsSession* self = owner(ssl);
    if (is_ours || type != SSL3_RT_HANDSHAKE || !self->ready_ || size == 0) return;
    if (*static_cast<const unsigned char*>(message) == SSL3_MT_NEWSESSION_TICKET) {
      self->has_ticket_ = true;
    }
    if (++self->late_messages_ > kLateMessages) {
      self->excess_ = "TLS: more than 100 handshake messages after the handshake";
    }
  }
};

void TlsSession::install_hooks(SSL_CTX* ctx) {
  Hooks::openssl_security(ctx);
  SSL_CTX_set_security_callback(ctx, &Hooks::security);
  SSL_CTX_set_cert_verify_callback(ctx, &Hooks::verify, nullptr);
  SSL_CTX_set_msg_callback(ctx, &Hooks::on_message);
}

// ---- starting

Result<std::unique_ptr<TlsSession>> TlsSession::make(TlsContext& context, const TlsStart& start) {
  std::unique_ptr<TlsSession> session(new TlsSession);
  session->context_ = &context;
  session->ssl_ = SSL_new(context.impl_->ctx.get());
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
  if (Status prepared = session->prepare_client(start); !prepared) return prepared.error();
  return session;
}

Status TlsSession::prepare_client(const TlsStart& start) {
  const TlsDemand& demand = start.demand;
  const std::string& name = start.server_name;
  kind_ = demand.kind;
  enforced_ = demand.kind != TlsDemand::Kind::kNone && demand.enforce;
  if (!name.empty() && !Endpoint::from_ip(name, 0)) SSL_set_tlsext_host_name(ssl_, name.c_str());
  X509_STORE* cas = kind_ == TlsDemand::Kind::kPkix ? context_->impl_->trusted() : nullptr;
  if (Status applied = apply(demand, name, ssl_, cas); !applied) return applied;
  session_key_ = start.session_key.empty() ? name : start.session_key;
  if (session_key_.empty()) return {};
  // A session vouches for what it was verified for, and for nothing else.
  session_key_ += '\n' + digest(demand, name);
  offer_session();
  return {};
}

void TlsSession::offer_session() {
  TlsSessionStore& store = context_->impl_->sessions;
  offered_ = store.recall(session_key_, monotonic_now());
  if (!offered_) return;
  std::shared_ptr<SSL_SESSION>& open = offered_->open;
  if (!open) {
    const auto* at = reinterpret_cast<const unsigned char*>(offered_->der.data());
    const auto size = static_cast<long>(offered_->der.size());
    open.reset(d2i_SSL_SESSION(nullptr, &at, size), SSL_SESSION_free);
    store.keep_open(session_key_, offered_->number, open);
    std::string().swap(offered_->der);
  }
  const bool good_enough = !enforced_ || offered_->trust != TlsTrust::kNone;
  if (!good_enough || !open || SSL_SESSION_is_resumable(open.get()) != 1 ||
      SSL_set_session(ssl_, open.get()) != 1) {
    forget_offered();
  }
}

TlsSession::~TlsSession() {
  if (!ssl_) return;
  if (!ready_) forget_offered();  // there are servers that hang up on a ticket they don't like
  // OpenSSL drops the session of a connection that ends without close_notify; mail peers rarely send one.
  SSL_set_shutdown(ssl_, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  SSL_free(ssl_);
}

void TlsSession::feed(std::span<const char> ciphertext) { input_ = ciphertext; }

// ---- sessions

// TLS 1.2: at the end of the handshake; TLS 1.3: when a ticket has come. OpenSSL's own cache is off:
// it would call a TLS 1.3 session used up when it has been offered once.
void TlsSession::remember_session() {
  has_ticket_ = false;
  SSL_SESSION* session = SSL_get0_session(ssl_);
  if (session_key_.empty() || !session || SSL_SESSION_is_resumable(session) != 1) return;
  if (offered_ && session == offered_->open.get()) return;
  if (SSL_SESSION_get_protocol_version(session) == TLS1_3_VERSION &&
      SSL_SESSION_get_ticket_lifetime_hint(session) == 0) {
    return;  // "discard at once" (RFC 8446 section 4.6.1)
  }
  const int size = i2d_SSL_SESSION(session, nullptr);
  if (size <= 0 || static_cast<size_t>(size) > kBiggestSession) return;
  RememberedSession made;
  made.trust = trust_;
  made.matched_name = matched_name_;
  if (offered_) {
    // Resumed: it has no chain to get rid of, and the next connection is likely.
    made.since = offered_->since;
    made.open.reset(SSL_get1_session(ssl_), SSL_SESSION_free);
  } else {
    made.since = monotonic_now();
    made.der.resize(static_cast<size_t>(size));
    auto* out = reinterpret_cast<unsigned char*>(made.der.data());
    i2d_SSL_SESSION(session, &out);
  }
  context_->impl_->sessions.remember(session_key_, std::move(made));
}

void TlsSession::forget_offered() {
  if (!offered_) return;
  context_->impl_->sessions.forget(session_key_, offered_->number);
  offered_.reset();
}

// Who the peer is, once the handshake has told. A session that the server did not take is worth
// nothing: used up, expired, or another server's.
void TlsSession::judge() {
  if (SSL_session_reused(ssl_) != 1) {
    forget_offered();
    trust_ = find_trust(kind_, ssl_);
    const char* matched = SSL_get0_peername(ssl_);
    if (trust_ != TlsTrust::kNone && matched) matched_name_ = matched;
  } else if (offered_) {
    trust_ = offered_->trust;
    matched_name_ = offered_->matched_name;
  }
}

// ---- running

TlsSession::State TlsSession::fail_with(std::string error, TlsFailure failure) {
  broken_ = true;
  error_ = std::move(error);
  failure_ = failure;
  ERR_clear_error();
  return State::kFailed;
}

TlsSession::State TlsSession::fail(int ssl_result) {
  if (excess_) {
    return fail_with(excess_, ready_ ? TlsFailure::kNone : TlsFailure::kValidationFailure);
  }
  const int why = SSL_get_error(ssl_, ssl_result);
  if (why == SSL_ERROR_WANT_READ) return State::kMore;
  if (why == SSL_ERROR_ZERO_RETURN) return State::kPeerClosed;
  if (ready_) return fail_with("TLS: " + openssl_reason("failed"), TlsFailure::kNone);
  const long verify = SSL_get_verify_result(ssl_);
  if (enforced_ && verify != X509_V_OK) {
    return fail_with(std::string("TLS handshake: certificate refused: ") +
                         X509_verify_cert_error_string(verify),
                     failure_of(verify));
  }
  return fail_with("TLS handshake: " + openssl_reason("failed"), TlsFailure::kValidationFailure);
}

TlsSession::State TlsSession::handshake() {
  if (broken_) return State::kFailed;
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl_);
  if (result != 1) {
    const State state = fail(result);
    if (state != State::kPeerClosed) return state;
    return fail_with("TLS handshake: refused by the peer", TlsFailure::kValidationFailure);
  }
  judge();
  if (enforced_ && trust_ == TlsTrust::kNone) {
    return fail_with("TLS handshake: peer not verified", TlsFailure::kValidationFailure);
  }
  ready_ = true;
  if (SSL_version(ssl_) < TLS1_3_VERSION) remember_session();
  return State::kReady;
}

TlsSession::State TlsSession::read(std::span<char> out, size_t& size) {
  size = 0;
  if (broken_) return State::kFailed;
  ERR_clear_error();
  const int result = excess_ ? 0 : SSL_read_ex(ssl_, out.data(), out.size(), &size);
  if (has_ticket_ && !excess_) remember_session();
  return result == 1 ? State::kReady : fail(result);
}

bool TlsSession::has_buffered() const { return SSL_has_pending(ssl_) == 1; }

size_t TlsSession::encrypt(std::string_view plaintext) {
  if (broken_ || plaintext.empty()) return 0;
  ERR_clear_error();
  size_t taken = 0;
  if (SSL_write_ex(ssl_, plaintext.data(), plaintext.size(), &taken) == 1) return taken;
  fail_with("TLS: " + openssl_reason("cannot encrypt"), TlsFailure::kNone);
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
  info.verified = trust_ != TlsTrust::kNone;
  info.how = trust_;
  info.matched_name = matched_name_;
  if (kind_ != TlsDemand::Kind::kNone && !info.verified) {
    const long verify = SSL_get_verify_result(ssl_);
    info.verify_error = X509_verify_cert_error_string(verify);
    info.failure = failure_of(verify);
  }
  return info;
}

}  // namespace volley::net
