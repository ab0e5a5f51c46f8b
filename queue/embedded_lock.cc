#include "queue/embedded_lock.h"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <charconv>
#include <fstream>
#include <thread>

#include "base/time.h"
#include "queue/sync_connection.h"

namespace volley::queue {

namespace {

constexpr Duration kOrphanPatience = std::chrono::seconds(30);
constexpr Duration kPause = std::chrono::milliseconds(20);
constexpr Duration kTimeout = std::chrono::seconds(5);

struct Remembered {
  std::string socket;
  pid_t engine = 0;
};

Remembered remembered(const std::string& data_directory) {
  Remembered out;
  std::ifstream in(data_directory + "/redis.sock-path");
  std::getline(in, out.socket);
  in >> out.engine;
  return out;
}

pid_t parent_of(pid_t pid) {
  std::ifstream in(fmt::format("/proc/{}/stat", pid));
  std::string text;
  std::getline(in, text);
  // pid (name) state ppid; the name may hold anything but ends at the last ')'.
  const size_t close = text.rfind(')');
  if (close == std::string::npos || close + 4 > text.size()) return 0;
  pid_t parent = 0;
  const char* start = text.data() + close + 4;
  std::from_chars(start, text.data() + text.size(), parent);
  return parent;
}

QueueUrl unix_url(const std::string& path) {
  QueueUrl url;
  url.unix_socket = true;
  url.host_or_path = path;
  return url;
}

// The engine's pid when the server at the remembered socket still has its engine, else 0 and the server is told to stop.
pid_t living_engine_or_shut_down(const Remembered& last) {
  if (last.socket.empty()) return 0;
  auto connection = SyncConnection::connect(unix_url(last.socket), kTimeout);
  if (!connection) return 0;  // it is on its way out
  auto info = connection->run(Command("INFO").arg("server"), kTimeout);
  if (!info) return 0;
  const std::string_view text = info->view().text();
  const size_t at = text.find("process_id:");
  pid_t server = 0;
  if (at != std::string_view::npos)
    std::from_chars(text.data() + at + 11, text.data() + text.size(), server);
  if (server > 0 && last.engine > 0 && parent_of(server) == last.engine) return last.engine;
  // What is queued is in its append-only file; a fresh server reads it. No answer comes to this.
  (void)connection->run(Command("SHUTDOWN").arg("NOSAVE").arg("FORCE"), kTimeout);
  return 0;
}

}  // namespace

Result<FileLock> take_server_lock(const std::string& data_directory) {
  const std::string path = data_directory + "/redis.lock";
  const TimePoint end = monotonic_now() + kOrphanPatience;
  for (;;) {
    auto lock = FileLock::acquire(path);  // close-on-exec: spawn_server() hands it on
    if (lock || lock.error().code != Errc::kUnavailable) return lock;
    const Remembered last = remembered(data_directory);
    if (const pid_t engine = living_engine_or_shut_down(last); engine != 0) {
      return Error{
          Errc::kUnavailable,
          fmt::format("the queue in {} is in use by the engine with pid {}: stop it, or give "
                      "another --data",
                      data_directory, engine)};
    }
    if (monotonic_now() > end) {
      return Error{Errc::kUnavailable,
                   fmt::format("the queue in {} is held by a redis-server that does not stop: {}",
                               data_directory, lock.error().message)};
    }
    std::this_thread::sleep_for(kPause);
  }
}

Status remember_socket(const std::string& data_directory, const std::string& socket_path) {
  return write_file_atomically(data_directory + "/redis.sock-path",
                               fmt::format("{}\n{}\n", socket_path, ::getpid()));
}

void forget_socket(const std::string& data_directory) {
  const std::string socket = remembered(data_directory).socket;
  const size_t slash = socket.rfind('/');
  if (slash == std::string::npos || slash == 0) return;
  ::unlink(socket.c_str());
  ::rmdir(socket.substr(0, slash).c_str());
  ::unlink((data_directory + "/redis.sock-path").c_str());
}

}  // namespace volley::queue
