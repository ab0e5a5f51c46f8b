#include "engine/cli/interrupt.h"

#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

#include "engine/cli/exit_code.h"

namespace volley::cli {
namespace {

// The only globals: a signal handler has no other way in.
std::atomic<bool> flag{false};
std::atomic<unsigned> signals{0};
std::atomic<bool> awaited{false};  // by a SecondInterrupt
std::atomic<int> second{-1};       // eventfd; never closed: a handler may be about to write to it
static_assert(std::atomic<bool>::is_always_lock_free && std::atomic<int>::is_always_lock_free);

void post() {
  const uint64_t one = 1;
  (void)!write(second, &one, sizeof one);
}

void on_signal(int) {
  flag = true;
  const unsigned before = signals.fetch_add(1);
  if (before == 0) return;
  if (before > 1 || !awaited) _exit(kExitTempFail);
  const int interrupted_call = errno;
  post();
  errno = interrupted_call;
}

}  // namespace

void watch_interrupts() {
  if (second < 0) second = eventfd(0, EFD_CLOEXEC);
  struct sigaction action {};
  action.sa_handler = on_signal;
  sigemptyset(&action.sa_mask);
  for (int signal : {SIGINT, SIGTERM, SIGHUP}) sigaction(signal, &action, nullptr);
}

bool interrupted() { return flag.load(); }
bool interrupted_twice() { return signals.load() > 1; }
const std::atomic<bool>& interrupt_flag() { return flag; }

// Without a descriptor there is nothing to wait on, and the second signal ends the process as ever.
SecondInterrupt::SecondInterrupt() { awaited = second >= 0; }

SecondInterrupt::~SecondInterrupt() { awaited = false; }

bool SecondInterrupt::wait() {
  uint64_t posted = 0;
  while (!interrupted_twice() && !cancelled_) {
    if (read(second, &posted, sizeof posted) < 0 && errno != EINTR) break;
  }
  return interrupted_twice();
}

void SecondInterrupt::cancel() {
  cancelled_ = true;
  post();
}

}  // namespace volley::cli
