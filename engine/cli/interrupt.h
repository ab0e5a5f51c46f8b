// SIGINT, SIGTERM, SIGHUP for a command: the first asks it to wind up, the second ends the process at once.
//
// Purpose  Commands poll interrupted(); the second signal calls _exit(75) from the handler: everything durable is on disk.
//          A command that has something left to say then holds a SecondInterrupt: the second signal ends its wait(), and
//          the third ends the process.
// Thread   Install once, on the main thread, before other threads start. The handler stores, writes to an eventfd, or exits:
//          all of that is async-signal-safe.
#pragma once

#include <atomic>

namespace volley::cli {

void watch_interrupts();
bool interrupted();
bool interrupted_twice();
const std::atomic<bool>& interrupt_flag();

// One at a time, after watch_interrupts(). wait() may run on another thread, which is joined before this goes.
class SecondInterrupt {
 public:
  SecondInterrupt();
  ~SecondInterrupt();
  SecondInterrupt(const SecondInterrupt&) = delete;
  SecondInterrupt& operator=(const SecondInterrupt&) = delete;

  bool wait();      // blocks until the second signal comes, or until cancel(): false then
  void cancel();

 private:
  std::atomic<bool> cancelled_{false};
};

}  // namespace volley::cli
