#include "queue/embedded.h"

#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "base/files.h"
#include "base/time.h"
#include "queue/aof_tail.h"
#include "queue/embedded_child.h"
#include "queue/embedded_lock.h"
#include "queue/server_check.h"
#include "queue/sync_connection.h"

namespace volley::queue {

namespace {

constexpr Duration kFirstWait = std::chrono::milliseconds(100);
constexpr Duration kLongestWait = std::chrono::seconds(5);
constexpr Duration kHealthy = std::chrono::seconds(10);
constexpr Duration kStopPatience = std::chrono::seconds(60);  // it syncs its file first
constexpr Duration kCallTimeout = std::chrono::seconds(5);
constexpr size_t kSocketPathCap = 107;

uint64_t default_memory() {
  const auto pages = static_cast<uint64_t>(std::max(0L, sysconf(_SC_PHYS_PAGES)));
  const auto page = static_cast<uint64_t>(std::max(0L, sysconf(_SC_PAGESIZE)));
  return pages * page / 100 * 55;  // the rest is room for the fork that rewrites the file
}

// Short and private: a Unix socket's path has 107 bytes, a data directory may be anywhere.
Result<std::string> make_socket_directory() {
  const char* runtime = ::getenv("XDG_RUNTIME_DIR");
  std::string bases[2] = {runtime == nullptr ? "" : runtime, "/tmp"};
  for (const std::string& base : bases) {
    if (base.empty() || base[0] != '/' || base.size() > kSocketPathCap - 24 ||
        base.find_first_of(" \"'\\\n") != std::string::npos)
      continue;
    std::string path = base + "/volley-XXXXXX";
    if (::mkdtemp(path.data()) != nullptr) return path;
  }
  return Error{
      Errc::kIo,
      "embedded queue: cannot make a directory for its socket in $XDG_RUNTIME_DIR or /tmp"};
}

std::string how_it_ended(int status) {
  if (WIFSIGNALED(status)) return fmt::format("signal {}", WTERMSIG(status));
  return fmt::format("exit code {}", WEXITSTATUS(status));
}

}  // namespace

// The supervisor thread spawns and waits; it lives as long as the object, so PR_SET_PDEATHSIG means the engine's death.
struct Embedded::Impl {
  EmbeddedOptions options;
  ServerPlan plan;
  FileLock lock;
  QueueUrl url;
  int wake = -1;  // eventfd: stop
  std::atomic<int> pid{0};
  std::atomic<bool> stopping{false};
  std::atomic<unsigned> deaths{0};
  Error first_failure;  // written before `failed`
  std::atomic<bool> failed{false};
  std::thread supervisor;

  ~Impl() {
    stopping = true;
    if (wake >= 0) {
      const uint64_t one = 1;
      (void)!::write(wake, &one, sizeof one);
    }
    if (supervisor.joinable()) supervisor.join();
    if (wake >= 0) ::close(wake);
    if (!plan.socket_path.empty()) forget_socket(options.data_directory);
  }

  void event(const std::string& text) const {
    if (options.on_event) options.on_event(text);
  }

  // True when told to stop.
  bool pause(Duration duration) const {
    pollfd p{wake, POLLIN, 0};
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
    return ::poll(&p, 1, static_cast<int>(ms)) > 0 || stopping;
  }

  // Until it ends by itself (true, with its status) or we are to stop.
  bool watch(pid_t child, int& status) const {
    const int pidfd = static_cast<int>(::syscall(SYS_pidfd_open, child, 0));
    bool ended = false;
    while (!ended && !stopping) {
      pollfd both[2] = {{wake, POLLIN, 0}, {pidfd, POLLIN, 0}};
      // A kernel without pidfd (before 5.3): look ten times a second.
      (void)::poll(both, pidfd < 0 ? 1 : 2, pidfd < 0 ? 100 : -1);
      ended = ::waitpid(child, &status, WNOHANG) == child;
    }
    if (pidfd >= 0) ::close(pidfd);
    return ended;
  }

  static void stop_child(pid_t child) {
    ::kill(child, SIGTERM);
    const TimePoint end = monotonic_now() + kStopPatience;
    int status = 0;
    while (::waitpid(child, &status, WNOHANG) == 0) {
      if (monotonic_now() > end) {
        ::kill(child, SIGKILL);
        ::waitpid(child, &status, 0);
        return;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
  }

  Result<pid_t> start_server() const {
    auto torn = cut_torn_transaction(plan.directory + "/appendonlydir");
    if (!torn) return torn.error();
    if (*torn > 0)
      event(fmt::format(
          "power went while the queue was writing: {} bytes of a call not yet answered are cut off",
          *torn));
    return spawn_server(plan);
  }

  void supervise() {
    Duration wait = kFirstWait;
    while (!stopping) {
      const TimePoint began = monotonic_now();
      auto child = start_server();
      std::string why;
      if (child) {
        pid = *child;
        int status = 0;
        if (!watch(*child, status)) {
          stop_child(*child);
          pid = 0;
          return;
        }
        pid = 0;
        why = fmt::format("queue server died ({}): {}", how_it_ended(status),
                          last_log_line(plan.directory));
      } else {
        why = child.error().message;
      }
      if (!failed) {
        first_failure = {child ? Errc::kUnavailable : child.error().code, why};
        failed = true;
      }
      ++deaths;
      if (monotonic_now() - began > kHealthy) wait = kFirstWait;
      event(why + "; restarting");
      if (pause(wait)) return;
      wait = std::min(wait * 2, kLongestWait);
    }
  }

  // Waits for the first answer that is not LOADING; gives up only when the server ended.
  Status await_first_answer() {
    for (;;) {
      if (failed) {
        const bool full = first_failure.message.find("No space left") != std::string::npos;
        return full ? Error{Errc::kIo,
                            fmt::format("{}: disk full: {}", plan.directory, first_failure.message)}
                    : first_failure;
      }
      if (auto connection = SyncConnection::connect(url, kCallTimeout)) {
        if (auto pong = connection->run(Command("PING"), kCallTimeout);
            pong && !pong->view().is_error()) {
          std::vector<std::string> warnings;
          return check_server(*connection, options.memory_durability, warnings);
        }
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }
};

Embedded::Embedded(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Embedded::~Embedded() = default;
const QueueUrl& Embedded::url() const { return impl_->url; }
int Embedded::pid() const { return impl_->pid; }

Result<std::unique_ptr<Embedded>> Embedded::start(EmbeddedOptions options) {
  auto impl = std::make_unique<Impl>();
  const std::string& data = options.data_directory;
  impl->plan.directory = data + "/redis";
  if (Status made = make_directories(impl->plan.directory, 0700); !made) return made.error();
  auto lock = take_server_lock(data);
  if (!lock) return lock.error();
  impl->lock = std::move(*lock);
  forget_socket(data);
  auto socket_directory = make_socket_directory();
  if (!socket_directory) return socket_directory.error();
  impl->plan.program = options.server;
  if (options.server.find('/') != std::string::npos && options.server[0] != '/') {
    char* absolute = ::realpath(options.server.c_str(), nullptr);  // the child changes directory
    if (absolute != nullptr) impl->plan.program = absolute;
    ::free(absolute);
  }
  impl->plan.socket_path = *socket_directory + "/q.sock";
  impl->plan.memory_durability = options.memory_durability;
  impl->plan.max_memory = options.max_memory != 0 ? options.max_memory : default_memory();
  impl->plan.lock_fd = impl->lock.fd();
  impl->url.unix_socket = true;
  impl->url.embedded = true;
  impl->url.host_or_path = impl->plan.socket_path;
  impl->options = std::move(options);
  if (Status kept = remember_socket(impl->options.data_directory, impl->plan.socket_path); !kept)
    return kept.error();
  impl->wake = ::eventfd(0, EFD_CLOEXEC);
  if (impl->wake < 0) return Error{Errc::kIo, "embedded queue: out of file descriptors"};
  impl->supervisor = std::thread([raw = impl.get()] { raw->supervise(); });
  if (Status ready = impl->await_first_answer(); !ready) return ready.error();
  return std::unique_ptr<Embedded>(new Embedded(std::move(impl)));
}

}  // namespace volley::queue
