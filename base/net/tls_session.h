// TLS for one connection, without sockets: ciphertext in, ciphertext out.
//
// Purpose   OpenSSL's engine on a BIO of our own that reads straight from the bytes just received and writes straight
//           into the buffer to be sent: one copy less each way than memory BIOs.
// Ownership The stream owns it. The span given to feed() must stay valid until the next feed().
// Thread    One owner.
// Errors    State::kFailed, with error() for a person and, of a handshake, failure() for reports.
//           Not for: sockets, timeouts.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/net/stream.h"
#include "base/net/tls_session_store.h"
#include "base/result.h"

struct ssl_st;
struct ssl_ctx_st;

namespace volley::net {

class TlsSession {
 public:
  enum class State : unsigned char { kMore, kReady, kPeerClosed, kFailed };

  static Result<std::unique_ptr<TlsSession>> make(TlsContext& context, const TlsStart& start);
  ~TlsSession();
  TlsSession(const TlsSession&) = delete;
  TlsSession& operator=(const TlsSession&) = delete;

  void feed(std::span<const char> ciphertext);
  std::span<const char> unread() const { return input_; }  // fed, but not yet used

  State handshake();  // kMore until kReady
  // Decrypts into `out`; `size` > 0 with kReady, else why there is nothing.
  State read(std::span<char> out, size_t& size);
  bool has_buffered() const;                   // decrypted bytes that read() has not handed out
  size_t encrypt(std::string_view plaintext);  // bytes taken; 0: broken
  void say_goodbye();                          // close_notify

  std::string& wire() { return wire_; }  // ciphertext to be sent
  TlsInfo info() const;
  const std::string& error() const { return error_; }
  TlsFailure failure() const { return failure_; }

 private:
  friend class TlsContext;  // installs the hooks
  struct Bio;
  struct Hooks;
  TlsSession() = default;
  static void install_hooks(ssl_ctx_st* ctx);
  Status prepare_client(const TlsStart& start);
  void offer_session();
  void remember_session();
  void judge();
  State fail(int ssl_result);
  State fail_with(std::string error, TlsFailure failure);
  void forget_offered();

  ssl_st* ssl_ = nullptr;
  TlsContext* context_ = nullptr;
  std::string session_key_;
  std::optional<RememberedSession> offered_;
  TlsTrust trust_ = TlsTrust::kNone;
  std::string matched_name_;
  std::string wire_;
  std::span<const char> input_;
  std::string error_;
  TlsFailure failure_ = TlsFailure::kNone;
  const char* excess_ = nullptr;  // what the peer has sent too much of
  size_t handshake_bytes_ = 0;
  size_t late_messages_ = 0;  // of the handshake protocol, after the handshake
  TlsDemand::Kind kind_ = TlsDemand::Kind::kNone;
  bool enforced_ = false;
  bool ready_ = false;
  bool has_ticket_ = false;  // a new one, not yet remembered
  bool broken_ = false;
};

}  // namespace volley::net
