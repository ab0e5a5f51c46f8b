// A real redis-server for one test: its own directory, its own socket, gone at the end.
//
// Purpose   Included by the tests of every box that meets the queue. redis-server must be installed.
// Ownership Stops the server by its pid and removes the directory. Thread: the test's.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "queue/store.h"
#include "queue/sync_connection.h"

namespace volley::queue::testing {

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    char path[] = "/tmp/volley-test-XXXXXX";
    if (::mkdtemp(path) == nullptr) abort();
    path_ = path;
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

class RedisServer {
 public:
  // Options as on redis-server's command line.
  explicit RedisServer(std::vector<std::string> options = {}) : options_(std::move(options)) {
    url_.unix_socket = true;
    url_.host_or_path = directory_.path() + "/r.sock";
    start();
  }
  ~RedisServer() { stop(SIGKILL); }

  const QueueUrl& url() const { return url_; }
  const std::string& directory() const { return directory_.path(); }

  void start() {
    std::vector<std::string> args = {
        "redis-server",    "--port", "0", "--unixsocket", url_.host_or_path, "--dir",
        directory_.path(), "--save", "",  "--loglevel",   "warning"};
    args.insert(args.end(), options_.begin(), options_.end());
    std::vector<char*> argv;
    argv.reserve(args.size() + 1);
    for (std::string& arg : args) argv.push_back(arg.data());
    argv.push_back(nullptr);
    pid_ = ::fork();
    if (pid_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // a test that crashed leaves nothing behind
      const int null = ::open("/dev/null", O_RDWR);
      ::dup2(null, 1);
      ::dup2(null, 2);
      ::execvp(argv[0], argv.data());
      ::_exit(127);
    }
    // Its own socket appearing is the only sign a server gives; a server that ended is a failed test.
    for (;;) {
      if (auto c = SyncConnection::connect(url_, std::chrono::seconds(5))) {
        auto pong = c->run(Command("PING"), std::chrono::seconds(5));
        if (pong && pong->view().text() == "PONG") return;
      }
      if (::waitpid(pid_, nullptr, WNOHANG) == pid_) {
        pid_ = 0;
        ADD_FAILURE() << "redis-server does not start; is it installed?";
        return;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
  }

  void stop(int signal) {
    if (pid_ <= 0) return;
    ::kill(pid_, signal);
    ::waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }

  // One plain command, for looking and for meddling.
  Reply run(const std::vector<std::string>& args) {
    Command command(args.at(0));
    for (size_t i = 1; i < args.size(); ++i) command.arg(args[i]);
    if (!connection_.open()) {
      auto made = SyncConnection::connect(url_, std::chrono::seconds(5));
      if (made) connection_ = std::move(*made);
    }
    auto answer = connection_.run(command, std::chrono::seconds(30));
    if (!answer) {
      ADD_FAILURE() << answer.error().message;
      return Reply();
    }
    return std::move(*answer);
  }
  int64_t number(const std::vector<std::string>& args) { return run(args).view().number(); }
  std::string text(const std::vector<std::string>& args) {
    return std::string(run(args).view().text());
  }

  // A store on it; the server keeps nothing on disk, and says so.
  std::unique_ptr<Store> store(uint32_t partitions = kDefaultPartitions) {
    auto opened = Store::open(url_, partitions, /*memory_durability=*/true);
    if (!opened) {
      ADD_FAILURE() << opened.error().message;
      return nullptr;
    }
    return std::move(*opened);
  }

 private:
  TemporaryDirectory directory_;
  std::vector<std::string> options_;
  QueueUrl url_;
  pid_t pid_ = 0;
  SyncConnection connection_;
};

}  // namespace volley::queue::testing
