// The event loop: one thread, one uv_loop_t, and turns with a defined end.
//
// Purpose   A turn is: wake, run every callback that is due (I/O, timers, posted functions), then
// *end of turn*, then
//           block again. At the end of a turn, in this order and once each:
//             1. every kJournal hook (what must be written down before any peer hears of it),
//             2. every kFlush hook, then on_flush() of every entry that asked for it: bytes go out,
//             nobody is called,
//             3. on_flushed() of those whose on_flush() returned true: here listeners may be
//             called.
//           What step 3 makes dirty goes out at the end of the next turn, which starts without
//           blocking; so no byte ever leaves before the journal hooks that followed its making.
// Ownership The Loop outlives every Timer, Stream, Listener... made on it. Its destructor waits for
// work in the pool,
//           completes pending closes, and aborts with a list of what was left open: a leak is a
//           bug. Functions posted but not yet run are then destroyed without running.
// Thread    Everything on the loop's own thread (the one in run()), except post() and stop().
// Destroy it where nobody
//           runs it any more, after every thread that may post is done.
// Errors    None: failing to make a loop (out of file descriptors) aborts with a message.
#pragma once

#include <functional>
#include <memory>
#include <span>

#include "base/time.h"

struct uv_loop_s;

namespace volley::net {

class Loop;

enum class Phase : unsigned char { kJournal, kFlush };

class TurnHook {
 public:
  virtual void on_turn_end() = 0;

 protected:
  virtual ~TurnHook() = default;
};

// Something with bytes to send. A link of the loop's list; leaves it when destroyed.
class FlushEntry {
 public:
  FlushEntry() = default;
  FlushEntry(const FlushEntry&) = delete;
  FlushEntry& operator=(const FlushEntry&) = delete;

 protected:
  virtual ~FlushEntry() { unlink(); }
  virtual bool on_flush() = 0;  // do the I/O, call nobody; true: call on_flushed()
  virtual void on_flushed() {}
  void unlink();

 private:
  friend class Loop;
  FlushEntry* next_ = nullptr;
  FlushEntry* previous_ = nullptr;
  bool waiting_ = false;  // for its on_flushed()
  bool again_ = false;    // asked for the next turn meanwhile
};

class Loop {
 public:
  Loop();
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // Turns until stop(). A stop() that came before makes it return after one turn.
  void run();
  // One turn, ended; may_block: waits for the first thing to happen. For tests and for draining at
  // the end.
  void run_once(bool may_block);
  void stop();  // any thread
  void post(std::function<void()>
                function);  // any thread; runs on the loop's, in order, never inside post()

  // Read once per turn, when first asked; inside a Timer's callback it is never before the timer's
  // time.
  TimePoint now();
  void refresh_now();
  // For tests: the clock jumps ahead, and what was due meanwhile goes off at the next turn.
  void skip(Duration ahead);

  void add_turn_hook(Phase phase, TurnHook& hook);
  void remove_turn_hook(TurnHook& hook);  // also from inside a hook
  void request_flush(FlushEntry& entry);  // idempotent
  bool flushing() const;                  // inside steps 1 to 3

  // Told after each turn how long it worked: from waking to blocking again.
  void set_turn_observer(std::function<void(Duration)> observer);

  // For the boxes of base/net.
  uv_loop_s* uv();
  std::span<char> read_buffer();   // 64 KiB shared by all streams: valid until the next read
  std::span<char> plain_buffer();  // the same, for what TLS decrypted
  void work_started();
  void work_finished();
  bool closing() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace volley::net
