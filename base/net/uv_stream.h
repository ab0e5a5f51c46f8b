// The one Stream there is: a libuv TCP or pipe handle, a cork buffer, and TLS when asked for.
//
// Ownership Freed when both its owner has let go and libuv has called back from uv_close(). So after any listener call
//           the object is still there, and `closed_` says whether to go on.
// Rule      A listener is never called from inside a call of the owner's (write, resume_reading, start_tls...): what
//           is to be told waits for on_flushed() at the end of the turn.
#pragma once

#include <uv.h>

#include <memory>
#include <optional>
#include <string>

#include "base/net/loop.h"
#include "base/net/stream.h"
#include "base/net/tls_session.h"

namespace volley::net {

Error connection_lost(int uv_code);

class UvStream final : public Stream, private FlushEntry {
 public:
  enum class Kind : unsigned char { kTcp, kPipe };

  UvStream(Loop& loop, Kind kind);

  void write(std::string_view bytes) override;
  void write_gather(std::span<const std::string_view> pieces) override;
  size_t pending() const override;
  void pause_reading() override;
  void resume_reading() override;
  Status start_tls(TlsContext& context, const TlsStart& start) override;
  bool is_tls() const override { return tls_ != nullptr; }
  TlsFailure tls_failure() const override { return tls_ ? tls_->failure() : TlsFailure::kNone; }
  void end() override;
  void close() override;
  void abort() override;
  bool is_open() const override { return !closed_; }
  void set_listener(StreamListener& listener) override;
  void quickack() override;
  Endpoint local() const override;
  Endpoint peer() const override { return peer_; }
  void release() override;

  void connect_to(const Endpoint& to, const std::optional<Endpoint>& source,
                  StreamListener& listener);
  bool accept_from(uv_stream_t* server);

 private:
  ~UvStream() override = default;

  static UvStream* self_of(void* data) { return static_cast<UvStream*>(data); }
  uv_stream_t* stream() { return &uv_.stream; }
  uv_handle_t* handle() { return &uv_.handle; }
  int fd() const;
  bool takes_writes() const { return !closed_ && !ended_ && !failure_ && !write_error_; }

  // Out.
  bool on_flush() override;
  void on_flushed() override;
  void pump();
  std::string& ready_bytes() { return tls_ ? tls_->wire() : out_; }
  void encrypt_some();
  bool send(std::string& bytes);
  void on_written(int status);
  void finish_writing();

  // In.
  void start_reading();
  void stop_reading();
  void on_read(ssize_t size);
  void deliver(std::span<const char> bytes);
  void deliver_tls(std::span<const char> bytes);
  TlsSession::State decrypt();
  void deliver_held();

  // Ends.
  Status prepare_source(const Endpoint& source);
  void fail_later(Error error);
  void got_end(Error error);
  void drain_after_write_error();
  void die(Error error);
  void start_close();

  union Uv {
    uv_handle_t handle;
    uv_stream_t stream;
    uv_tcp_t tcp;
    uv_pipe_t pipe;
  } uv_;
  uv_connect_t connect_{};
  uv_write_t write_{};

  Loop& loop_;
  StreamListener* listener_ = nullptr;
  std::unique_ptr<TlsSession> tls_;
  std::string out_;                   // written and not yet encrypted or sent
  std::string in_flight_;             // with the one uv_write there may be
  std::string held_;                  // ciphertext that came when the listener paused
  std::optional<Error> failure_;      // to be told at the end of the turn
  std::optional<Error> write_error_;  // to be told once what the peer sent is delivered
  Endpoint peer_;
  const Kind kind_;
  bool connected_ = false;
  bool reading_ = false;
  bool paused_ = false;
  bool draining_ = false;  // delivering although paused
  bool holding_ = false;   // TLS has bytes that were not delivered
  bool tls_ready_ = false;
  bool writing_ = false;
  bool drained_ = false;  // to be told at the end of the turn
  bool ended_ = false;
  bool fin_sent_ = false;
  bool closed_ = false;
  bool released_ = false;
  bool uv_closed_ = false;
};

}  // namespace volley::net
