#include <csignal>

#include "base/net/signals.h"
#include "engine/app/host.h"
#include "engine/cli/context.h"

int main(int argc, char** argv) {
  volley::net::ignore_sigpipe();  // a peer that went away is an error where it is written to, never a signal
  std::signal(SIGXFSZ, SIG_IGN);  // a file that may not grow is a failed write, as a full disk is
  volley::app::AppHost host;
  return volley::cli::run(argc, argv, host);
}
