// One redis-server process: its configuration, its start, its end.
//
// Purpose    fork, PR_SET_PDEATHSIG (the server stops when the thread that called spawn() is gone), exec, configuration on
//            standard input. Everything but standard input, output and the lock's descriptor is closed in the child.
// Ownership  The caller waits for the pid. Thread: spawn() belongs to the thread that supervises.
// Errors     kUnavailable: the program is missing (with the remedy); kIo: pipe, fork or log file.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "base/result.h"

namespace volley::queue {

struct ServerPlan {
  std::string program;
  std::string directory;  // working directory: append-only file and log
  std::string socket_path;
  bool memory_durability = false;
  uint64_t max_memory = 0;
  int lock_fd = -1;  // stays open in the child
};

std::string server_config(const ServerPlan& plan);
Result<pid_t> spawn_server(const ServerPlan& plan);
// The last line of its log that says what went wrong, for people.
std::string last_log_line(const std::string& directory);

}  // namespace volley::queue
