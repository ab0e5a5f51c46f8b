#include "tests/unit/dns/unbound.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>

#include "tests/unit/dns/packet.h"

extern char** environ;

namespace volley::dns {

namespace {

namespace fs = std::filesystem;

sockaddr_in loopback(uint16_t port) {
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return to;
}

const char* binary() {
  for (const char* path : {"/usr/sbin/unbound", "/usr/local/sbin/unbound"}) {
    if (::access(path, X_OK) == 0) return path;
  }
  return nullptr;
}

// Asks until something answers or the process is gone.
bool wait_until_it_answers(uint16_t port, pid_t pid) {
  int fd = ::socket(AF_INET, SOCK_DGRAM, 0);
  sockaddr_in to = loopback(port);
  ::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to);
  Packet query("ready.test", 1, 0x0100);
  bool answered = false;
  for (int tries = 0; tries < 500 && !answered; ++tries) {
    if (::waitpid(pid, nullptr, WNOHANG) != 0) break;
    (void)!::send(fd, query.bytes.data(), query.bytes.size(), MSG_NOSIGNAL);
    pollfd waiting{fd, POLLIN, 0};
    char buffer[512];
    answered = ::poll(&waiting, 1, 20) == 1 && ::recv(fd, buffer, sizeof buffer, 0) > 0;
    // A refused datagram comes back at once.
    if (!answered) ::poll(nullptr, 0, 20);
  }
  ::close(fd);
  return answered;
}

}  // namespace

uint16_t free_udp_port() {
  int fd = ::socket(AF_INET, SOCK_DGRAM, 0);
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  ::bind(fd, reinterpret_cast<sockaddr*>(&address), size);
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  ::close(fd);
  return ntohs(address.sin_port);
}

bool Unbound::installed() { return binary() != nullptr; }

std::unique_ptr<Unbound> Unbound::start(const std::string& options, const std::string& modules) {
  std::string pattern = (fs::temp_directory_path() / "volley-unbound-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) return nullptr;
  std::unique_ptr<Unbound> self(new Unbound);
  self->directory_ = pattern;
  uint16_t port = free_udp_port();
  std::string config = pattern + "/unbound.conf", log = pattern + "/unbound.log";
  std::ofstream(config)
      << "server:\n"
         "  interface: 127.0.0.1@"
      << port
      << "\n  access-control: 127.0.0.0/8 allow\n"
         "  do-not-query-localhost: no\n"
         "  chroot: \"\"\n  username: \"\"\n  use-syslog: no\n  do-daemonize: no\n"
         "  num-threads: 1\n  module-config: \""
      << modules << "\"\n  directory: \"" << pattern << "\"\n  pidfile: \"" << pattern
      << "/unbound.pid\"\n"
      << "  local-zone: \"ready.test.\" static\n"
      << options << "\nremote-control:\n  control-enable: no\n";

  std::string path = binary();
  char* const argv[] = {path.data(), const_cast<char*>("-d"), const_cast<char*>("-c"),
                        config.data(), nullptr};
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 1, log.c_str(), O_WRONLY | O_CREAT, 0600);
  posix_spawn_file_actions_adddup2(&actions, 1, 2);
  int rc = posix_spawn(&self->pid_, path.c_str(), &actions, nullptr, argv, environ);
  posix_spawn_file_actions_destroy(&actions);
  if (rc != 0) self->pid_ = -1;
  if (rc != 0 || !wait_until_it_answers(port, self->pid_)) {
    std::ifstream written(log);
    std::cerr << std::string(std::istreambuf_iterator<char>(written), {});
    return nullptr;
  }
  self->address_ = net::Endpoint::v4({127, 0, 0, 1}, port);
  return self;
}

Unbound::~Unbound() {
  if (pid_ > 0) {
    ::kill(pid_, SIGTERM);
    ::waitpid(pid_, nullptr, 0);
  }
  fs::remove_all(directory_);
}

}  // namespace volley::dns
