#include <sys/resource.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <string>
#include <thread>

#include "base/net/signals.h"
#include "engine/app/host.h"
#include "engine/cli/context.h"

namespace {

// A connection is a descriptor, and the usual soft limit is 1,024.
void use_all_descriptors() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

// Signing is what its threads do, and more of them than cores only take turns; but names are looked up there as well, which may block
// for long. Before there are threads.
void size_work_pool() {
  const unsigned threads = std::max(3u, std::thread::hardware_concurrency());
  ::setenv("UV_THREADPOOL_SIZE", std::to_string(threads).c_str(), 0);
}

}  // namespace

int main(int argc, char** argv) {
  volley::net::ignore_sigpipe();  // a peer that went away is an error where it is written to, never a signal
  std::signal(SIGXFSZ, SIG_IGN);  // a file that may not grow is a failed write, as a full disk is
  use_all_descriptors();
  size_work_pool();
  volley::app::AppHost host;
  return volley::cli::run(argc, argv, host);
}
