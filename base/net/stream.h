// A byte stream to a peer: TCP or Unix socket, with TLS from any point on.
//
// Purpose   write() collects bytes; at the end of the loop's turn they leave in one system call,
// with at most one
//           uv_write in flight behind it. Reading uses one buffer per loop: an idle stream has
//           none.
// Ownership StreamPtr owns; destroying it closes at once and drops unsent bytes (use end() to say
// goodbye). It is safe
//           from any callback, its own included. After destruction, close() or on_closed() no
//           listener call follows. Streams must be destroyed before their Loop, or have had
//           on_closed().
// Thread    The loop's.
// Errors    All through on_closed(), never from inside connect() or write():
//             kConnection  refused, reset, timed out, unreachable, closed by the peer
//             kTempFail    this machine lacks something: descriptors, ports, memory, the source
//             address
//             kProtocol    TLS: handshake or record failed, certificate refused (only TLS gives
//             this one)
//           A peer's FIN: everything read first, then one flush of what on_data() wrote, then
//           on_closed("closed by peer"). A failed write (EPIPE, ECONNRESET): what the peer had sent
//           before is still delivered, even when reading is paused, then on_closed().
// Not for   Timeouts: the owner arms one Timer. Limits on what is queued: the owner looks at
// pending().
#pragma once

#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/net/endpoint.h"
#include "base/net/tls_demand.h"
#include "base/result.h"

namespace volley::net {

class Loop;
class TlsContext;

struct TlsInfo {
  std::string version;       // "TLSv1.3"
  std::string cipher;        // "TLS_AES_256_GCM_SHA384"
  bool verified = false;     // the peer is who was demanded: `how` is not kNone
  TlsTrust how = TlsTrust::kNone;
  std::string matched_name;  // of the certificate, "*.example.com" perhaps; kPkix, kDaneTa
  std::string verify_error;  // why not; empty when verified or nothing was demanded
  TlsFailure failure = TlsFailure::kNone;  // the same as a class
  bool resumed = false;      // what was verified, was when the session was made
};

enum class TlsRole : unsigned char { kClient, kServer };

struct TlsStart {
  TlsRole role = TlsRole::kClient;
  std::string server_name{};  // client: SNI; with DANE, where the TLSA records are
  TlsDemand demand{};         // client
  // Client: sessions are kept and resumed under this, the server's name and the demand; empty: the
  // name and the demand.
  std::string session_key{};
  // Bytes the caller received but has not used. Not zero means that the peer (or someone between)
  // sent plaintext after agreeing to TLS: start_tls() refuses, and the stream must be closed (RFC
  // 3207, response injection).
  size_t unread_plaintext = 0;
};

class StreamListener {
 public:
  virtual void on_connected() {}  // connect() succeeded; accepted streams never call it
  virtual void on_data(std::span<const char> bytes) = 0;  // valid during the call only; never empty
  virtual void on_tls_ready(const TlsInfo&) {}
  virtual void on_drained() {}  // all that was written is with the kernel: pending() == 0
  virtual void on_closed(Error error) = 0;  // the stream is dead; destroying it is all that is left

 protected:
  virtual ~StreamListener() = default;
};

class Stream {
 public:
  struct Closer {
    void operator()(Stream* stream) const { stream->release(); }
  };

  // Copies the bytes. Before the connection or the TLS handshake is there, they wait. Ignored once
  // dead.
  virtual void write(std::string_view bytes) = 0;
  virtual void write_gather(std::span<const std::string_view> pieces) = 0;
  void write_gather(std::initializer_list<std::string_view> pieces) {
    write_gather(std::span<const std::string_view>(pieces.begin(), pieces.size()));
  }
  virtual size_t pending() const = 0;  // bytes written but not yet with the kernel

  virtual void pause_reading() = 0;
  virtual void resume_reading() = 0;  // data held back comes later, never from inside

  // From here on TLS. What was written before still leaves in the clear, what follows waits for the
  // handshake, whose end is on_tls_ready() or on_closed(kProtocol). Needs a connected stream. The
  // context outlives the stream.
  virtual Status start_tls(TlsContext& context, const TlsStart& start) = 0;
  virtual bool is_tls() const = 0;  // start_tls() was accepted
  // Why the handshake failed; for on_closed(kProtocol), kNone when it was not that.
  virtual TlsFailure tls_failure() const = 0;

  // No more writes: flush, TLS close_notify, FIN. on_closed() comes when the peer closes too.
  virtual void end() = 0;
  // Close now, drop unsent bytes; no further listener call. Idempotent.
  virtual void close() = 0;
  // close(), and where there is TCP the peer sees a reset (RST) instead of an end.
  virtual void abort() = 0;
  virtual bool is_open() const = 0;

  // Accepted streams read nothing until they have one. May be changed at any time.
  virtual void set_listener(StreamListener& listener) = 0;
  virtual void quickack() = 0;  // TCP: acknowledge at once what is there now; no-op elsewhere
  virtual Endpoint local() const = 0;
  virtual Endpoint peer() const = 0;

 protected:
  Stream() = default;
  virtual ~Stream() = default;
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  virtual void release() = 0;
};

using StreamPtr = std::unique_ptr<Stream, Stream::Closer>;

// Starts connecting; the answer is on_connected() or on_closed(). `source`: the local address to
// bind (its port is normally 0). TCP_NODELAY is always on.
StreamPtr connect(Loop& loop, const Endpoint& to, const std::optional<Endpoint>& source,
                  StreamListener& listener);

}  // namespace volley::net
