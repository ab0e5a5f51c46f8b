// A child process.
//
// Purpose   Starts a program, feeds it bytes on standard input, tells when it ends.
// Ownership Destroying a ChildProcess whose child still runs kills it (SIGKILL) and waits for it:
// stop it first.
//           The exit callback may destroy the ChildProcess; it never comes from inside spawn().
// Thread    The loop's. With `setpriv --pdeathsig` the signal comes when the *thread* that spawned
// ends, so that thread
//           must live as long as the child should.
// Errors    kUnavailable naming the program: not found, not executable, no processes left;
// kCantCreate for the output file.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"

namespace volley::net {

class Loop;

struct SpawnOptions {
  std::vector<std::string> argv{};  // argv[0] is looked up in PATH
  std::string standard_input{};     // written, then closed; empty: /dev/null
  std::string output_file{};  // standard output and error, appended, mode 0600; empty: /dev/null
  std::vector<int> inherited_fds{};        // become 3, 4, ... in the child, in this order
  std::string directory{};                 // working directory; empty: ours
  std::vector<std::string> environment{};  // "NAME=value"; empty: ours
};

struct ProcessExit {
  int status = 0;  // exit code
  int signal = 0;  // or the signal that ended it
};

class ChildProcess {
 public:
  static Result<std::unique_ptr<ChildProcess>> spawn(Loop& loop, const SpawnOptions& options,
                                                     std::function<void(ProcessExit)> on_exit);
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  int pid() const;
  bool running() const;
  void signal(int signal_number);  // ignored once it ended

 private:
  struct Handle;
  explicit ChildProcess(Handle* handle) : handle_(handle) {}
  Handle* handle_;  // freed by the loop once closed
};

}  // namespace volley::net
