// TLS for one connection, without sockets: ciphertext in, ciphertext out.
//
// Purpose   OpenSSL's engine on a BIO of our own that reads straight from the bytes just received and writes straight
//           into the buffer to be sent: one copy less each way than memory BIOs.
// Ownership The stream owns it. The span given to feed() must stay valid until the next feed() or keep_unread().
// Thread    One owner.
// Errors    State::kFailed, with error() for a person. Not for: sockets, timeouts.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/net/stream.h"
#include "base/result.h"

struct ssl_st;

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

 private:
  friend class TlsContext;  // keeps sessions under session_key_
  struct Bio;
  TlsSession() = default;
  State fail(int ssl_result);

  ssl_st* ssl_ = nullptr;
  TlsContext* context_ = nullptr;
  std::string session_key_;
  std::string wire_;
  std::span<const char> input_;
  std::string error_;
  size_t handshake_bytes_ = 0;
  bool ready_ = false;
  bool too_much_ = false;
  bool broken_ = false;
  bool offered_session_ = false;
  bool wants_verified_ = false;
};

}  // namespace volley::net
