#include "engine/cli/interrupt.h"

#include <semaphore.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>

#include "engine/cli/exit_code.h"

namespace volley::cli {
namespace {

// The only globals: a signal handler has no other way in.
std::atomic<bool> flag{false};
std::atomic<unsigned> signals{0};
std::atomic<bool> awaited{false};  // by a SecondInterrupt
sem_t second;
static_assert(std::atomic<bool>::is_always_lock_free && std::atomic<unsigned>::is_always_lock_free);

void on_signal(int) {
  flag = true;
  const unsigned before = signals.fetch_add(1);
  if (before == 0) return;
  if (before > 1 || !awaited) _exit(kExitTempFail);
  const int interrupted_call = errno;
  sem_post(&second);
  errno = interrupted_call;
}

}  // namespace

void watch_interrupts() {
  struct sigaction action {};
  action.sa_handler = on_signal;
  sigemptyset(&action.sa_mask);
  for (int signal : {SIGINT, SIGTERM, SIGHUP}) sigaction(signal, &action, nullptr);
}

bool interrupted() { return flag.load(); }
bool interrupted_twice() { return signals.load() > 1; }
const std::atomic<bool>& interrupt_flag() { return flag; }

SecondInterrupt::SecondInterrupt() {
  sem_init(&second, 0, 0);
  awaited = true;
}

// The semaphore stays: a handler may be about to post it.
SecondInterrupt::~SecondInterrupt() { awaited = false; }

bool SecondInterrupt::wait() {
  while (sem_wait(&second) != 0 && errno == EINTR) {
  }
  return interrupted_twice();
}

void SecondInterrupt::cancel() { sem_post(&second); }

}  // namespace volley::cli
