#include "engine/cli/interrupt.h"

#include <signal.h>
#include <unistd.h>

#include "engine/cli/exit_code.h"

namespace volley::cli {
namespace {

std::atomic<bool> flag{false};  // the one global: a signal handler has no other way in
static_assert(std::atomic<bool>::is_always_lock_free);

void on_signal(int) {
  if (flag.exchange(true)) _exit(kExitTempFail);
}

}  // namespace

void watch_interrupts() {
  struct sigaction action {};
  action.sa_handler = on_signal;
  sigemptyset(&action.sa_mask);
  for (int signal : {SIGINT, SIGTERM, SIGHUP}) sigaction(signal, &action, nullptr);
}

bool interrupted() { return flag.load(); }
const std::atomic<bool>& interrupt_flag() { return flag; }

}  // namespace volley::cli
