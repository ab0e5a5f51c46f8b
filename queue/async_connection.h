// A pipelined connection to Redis on an event loop, that never gives up.
//
// Purpose    Calls leave in order, those of one loop turn in one write. When the connection dies, or the server cannot serve
//            (loading, busy, full disk), everything unanswered is sent again after a back-off of 50 ms to 5 s with jitter:
//            calls must be idempotent. Loads the function library where it is missing, and has somebody else's server
//            rewrite its file after a start (aof_tail.h): before anything is sent again.
// Ownership  A callback is moved out before it runs, and may destroy the connection. None runs after destruction.
// Thread     The loop's. A host name is resolved (blocking) until that worked once.
// Errors     A callback gets an Error for what repeating cannot mend only (error_of()).
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>

#include "base/net/endpoint.h"
#include "base/net/stream.h"
#include "base/net/timer.h"
#include "base/random.h"
#include "queue/call_counts.h"
#include "queue/command.h"
#include "queue/url.h"

namespace volley::queue {

class AsyncConnection final : private net::StreamListener {
 public:
  using Callback = std::function<void(Result<Reply>)>;

  AsyncConnection(net::Loop& loop, QueueUrl url, CallCounts counts = CallCounts());
  ~AsyncConnection();

  void call(const Command& command, Callback done);
  bool connected() const { return state_ == State::kReady; }
  const std::string& last_error() const { return last_error_; }
  size_t pending() const { return calls_.size(); }
  // How often another server process answered than before, which may not know all that the last one had confirmed: not one with
  // appendfsync always.
  uint64_t restarts() const { return restarts_; }
  // Redis's TIME when last told, carried forward by the loop's clock. 0: never told.
  // Steady: a clock of the server's that leaps is not followed while we live.
  int64_t server_now_ms() const;
  int64_t leap_ms() const {
    return leap_ms_;
  }  // how far it is ahead of that now; 0: it has not leapt

 private:
  enum class State { kWaiting, kConnecting, kGreeting, kLoading, kReady };
  struct Call {
    std::string bytes;
    Callback done;
    TimePoint sent_at;
    bool optional = false;  // if the server refuses, it is not asked again
  };

  void on_connected() override;
  void on_data(std::span<const char> bytes) override;
  void on_closed(Error error) override;

  void connect();
  void drop(std::string why);
  void greeted(const ReplyView& answer);
  void become_ready();
  void have_file_rewritten();
  Call& add(const Command& command, Callback done);
  bool answered(Reply answer);  // false: stop reading
  void note_server(std::string_view info);
  void note_durability(const ReplyView& config);
  void note_time(const ReplyView& answer);
  void note_leap(int64_t sample_ms, int64_t boot_ms);
  void on_clock();

  net::Loop& loop_;
  QueueUrl url_;
  Random random_;
  CallCounts counts_;
  net::Endpoint endpoint_;
  State state_ = State::kWaiting;
  net::StreamPtr stream_;
  ReplyReader reader_;
  std::deque<Call> calls_;
  size_t sent_ = 0;       // of calls_, from the front
  size_t greetings_ = 0;  // answers to the handshake still to come
  bool needs_library_ = false;
  bool wants_rewrite_ = false;    // the server, of its file (aof_tail.h)
  bool rewrite_refused_ = false;  // and said so
  TimePoint ask_again_at_{};      // a server that failed to is not pressed
  Duration ask_wait_{};
  bool was_ready_ = false;
  std::string run_id_;  // of the server process; empty: not known
  bool restarted_ = false;
  uint64_t restarts_ = 0;
  unsigned failures_ = 0;
  std::string last_error_;
  int64_t server_ms_ = 0;
  int64_t sampled_ms_ = 0,
          sampled_boot_ms_ = 0;  // its own time, and when that was, by our clock since boot
  int64_t leap_ms_ = 0;
  TimePoint server_at_;
  net::Timer again_;    // reconnect
  net::Timer silence_;  // calls are out and nothing comes back
  net::Timer clock_;    // asks for TIME now and then
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace volley::queue
