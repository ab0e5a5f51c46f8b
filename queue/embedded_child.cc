#include "queue/embedded_child.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>

#include "base/log.h"

namespace volley::queue {

namespace {

constexpr const char* kLogName = "redis.log";
constexpr off_t kLogCap = 4 << 20;
constexpr int kLockPlace = 3;

Error io(const char* what) {
  return {Errc::kIo, fmt::format("embedded queue: {}: {}", what,
                                 std::error_code(errno, std::generic_category()).message())};
}

// Only what POSIX allows between fork and exec in a process with threads.
[[noreturn]] void become_server(const ServerPlan& plan, const char* const* argv, int config_fd,
                                int log_fd, int error_fd, pid_t parent) {
  const auto give_up = [&] {
    const int error = errno;
    (void)!::write(error_fd, &error, sizeof error);
    ::_exit(127);
  };
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != parent) ::_exit(127);  // it died in between
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  for (const int sig : {SIGPIPE, SIGINT, SIGTERM, SIGHUP}) ::signal(sig, SIG_DFL);
  ::setsid();  // a terminal's Ctrl-C is for the engine, which then stops the server in its own order
  if (::chdir(plan.directory.c_str()) != 0) give_up();
  // Out of the way first: any of them may be one of the places to fill.
  const int config = ::fcntl(config_fd, F_DUPFD, 20), log = ::fcntl(log_fd, F_DUPFD, 20);
  const int error = ::fcntl(error_fd, F_DUPFD_CLOEXEC, 20);
  const int lock = plan.lock_fd < 0 ? -1 : ::fcntl(plan.lock_fd, F_DUPFD, 20);
  if (::dup2(config, 0) < 0 || ::dup2(log, 1) < 0 || ::dup2(log, 2) < 0) give_up();
  if (lock >= 0 && ::dup2(lock, kLockPlace) < 0) give_up();
  ::dup2(error, kLockPlace + 1);
  ::fcntl(kLockPlace + 1, F_SETFD, FD_CLOEXEC);
  ::close_range(kLockPlace + 2, ~0u, 0);
  error_fd = kLockPlace + 1;
  ::execvp(argv[0], const_cast<char* const*>(argv));
  give_up();
  ::_exit(127);
}

int open_log(const std::string& directory) {
  const std::string path = directory + '/' + kLogName;
  struct stat info {};
  const bool large = ::stat(path.c_str(), &info) == 0 && info.st_size > kLogCap;
  return ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | (large ? O_TRUNC : 0),
                0600);
}

void write_all(int fd, const std::string& text) {
  size_t sent = 0;
  while (sent < text.size()) {
    const ssize_t n = ::write(fd, text.data() + sent, text.size() - sent);
    if (n <= 0 && errno != EINTR) return;  // it died: seen when it is waited for
    if (n > 0) sent += static_cast<size_t>(n);
  }
}

}  // namespace

std::string server_config(const ServerPlan& plan) {
  std::string out = fmt::format(
      "port 0\nunixsocket {}\nunixsocketperm 600\ndaemonize no\ndatabases 1\ndir ./\nsave \"\"\n"
      "maxmemory {}\nmaxmemory-policy noeviction\ntimeout 0\nbusy-reply-threshold "
      "1000\nlatency-monitor-threshold 50\n"
      "maxclients 512\nlazyfree-lazy-user-del yes\nalways-show-logo no\nlogfile \"\"\n",
      plan.socket_path, plan.max_memory);
  if (plan.memory_durability) return out + "appendonly no\n";
  // A queue writes everything and keeps little: rewriting at the default 64 MB would fork every few seconds.
  return out +
         "appendonly yes\nappendfsync always\nno-appendfsync-on-rewrite no\naof-load-truncated "
         "yes\n"
         "auto-aof-rewrite-percentage 100\nauto-aof-rewrite-min-size 1gb\n";
}

Result<pid_t> spawn_server(const ServerPlan& plan) {
  int config[2], error[2];
  if (::pipe2(config, O_CLOEXEC) != 0) return io("pipe");
  if (::pipe2(error, O_CLOEXEC) != 0) {
    ::close(config[0]);
    ::close(config[1]);
    return io("pipe");
  }
  // Before anybody reads: it fits into the pipe, and nobody can be gone yet (SIGPIPE).
  write_all(config[1], server_config(plan));
  const int log = open_log(plan.directory);
  const char* argv[] = {plan.program.c_str(), "-", nullptr};
  const pid_t parent = ::getpid();
  const pid_t pid = log < 0 ? -1 : ::fork();
  if (pid == 0) become_server(plan, argv, config[0], log, error[1], parent);
  const Error failed = pid < 0 ? io(log < 0 ? "its log file" : "fork") : Error();
  ::close(config[0]);
  ::close(error[1]);
  if (log >= 0) ::close(log);
  int reason = 0;
  const bool refused = pid > 0 && ::read(error[0], &reason, sizeof reason) == sizeof reason;
  ::close(error[0]);
  ::close(config[1]);
  if (pid < 0) return failed;
  if (!refused) return pid;
  ::waitpid(pid, nullptr, 0);
  return Error{
      Errc::kUnavailable,
      fmt::format("cannot run '{}': {}: install it (Debian: apt install redis-server), or give "
                  "--queue the URL of "
                  "a Redis",
                  plan.program, std::error_code(reason, std::generic_category()).message())};
}

std::string last_log_line(const std::string& directory) {
  std::ifstream in(directory + '/' + kLogName, std::ios::binary);
  in.seekg(0, std::ios::end);
  const std::streamoff size = in.tellg();
  in.seekg(std::max<std::streamoff>(0, size - 4096));
  std::string line, last, alarm;
  while (std::getline(in, line)) {
    if (line.empty()) continue;
    last = line;
    if (line.find(" # ") != std::string::npos || line.find("***") != std::string::npos)
      alarm = line;
  }
  return sanitize(alarm.empty() ? last : alarm, 300);
}

}  // namespace volley::queue
