// A receiver on loopback that takes everything, on a thread of its own.
//
// Purpose   Counts messages by recipient and the most connections it saw at once. Knows just enough SMTP: EHLO with
//           PIPELINING, MAIL, RCPT, DATA, RSET, NOOP, QUIT.
// Thread    Any may ask; one poll loop serves all connections.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace volley::delivery::testing {

class SmtpPeer {
 public:
  SmtpPeer() {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof at;
    if (::bind(listener_, reinterpret_cast<sockaddr*>(&at), size) != 0 ||
        ::listen(listener_, 128) != 0)
      ::abort();
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&at), &size);
    port_ = ntohs(at.sin_port);
    if (::pipe2(wake_, O_CLOEXEC) != 0) ::abort();
    thread_ = std::thread([this] { serve(); });
  }
  ~SmtpPeer() {
    if (::write(wake_[1], "x", 1) != 1) ::abort();
    thread_.join();
    for (const auto& c : connections_) ::close(c.fd);
    for (const int fd : {listener_, wake_[0], wake_[1]}) ::close(fd);
  }

  uint16_t port() const { return port_; }
  size_t messages() const { return messages_; }
  size_t most_connections() const { return most_; }
  // From now on every recipient is told to come back later.
  void defer_all() { deferring_ = true; }
  size_t deferrals() const { return deferrals_; }
  std::map<std::string, unsigned> inbox() const {
    const std::lock_guard lock(mutex_);
    return inbox_;
  }

 private:
  struct Connection {
    int fd = -1;
    bool data = false, closed = false;
    std::string in;
    std::vector<std::string> recipients;
  };

  void serve() {
    for (;;) {
      std::vector<pollfd> fds = {{wake_[0], POLLIN, 0}, {listener_, POLLIN, 0}};
      for (const auto& c : connections_) fds.push_back({c.fd, POLLIN, 0});
      ::poll(fds.data(), fds.size(), -1);
      if (fds[0].revents != 0) return;
      for (size_t i = 2; i < fds.size(); ++i) {
        if (fds[i].revents != 0) read(connections_[i - 2]);
      }
      std::erase_if(connections_, [](const Connection& c) { return c.closed; });
      if (fds[1].revents != 0) greet();
    }
  }
  void greet() {
    Connection c;
    c.fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (c.fd < 0) return;
    say(c, "220 peer.example.net ESMTP\r\n");
    connections_.push_back(std::move(c));
    most_ = std::max<size_t>(most_, connections_.size());
  }
  static void say(Connection& c, const std::string& text) {
    if (::send(c.fd, text.data(), text.size(), MSG_NOSIGNAL) < 0) c.closed = true;
  }
  void read(Connection& c) {
    char buffer[65536];
    const ssize_t n = ::recv(c.fd, buffer, sizeof buffer, 0);
    if (n > 0) c.in.append(buffer, static_cast<size_t>(n));
    size_t end = 0;
    std::string out;
    while (!c.closed && (end = c.in.find("\r\n")) != std::string::npos) {
      const std::string line = c.in.substr(0, end);
      c.in.erase(0, end + 2);
      this->line(c, line, out);
    }
    if (!out.empty()) say(c, out);
    if (n <= 0) c.closed = true;
    if (c.closed) ::close(c.fd);
  }
  void line(Connection& c, const std::string& line, std::string& out) {
    if (c.data) {
      if (line != ".") return;
      c.data = false;
      ++messages_;
      const std::lock_guard lock(mutex_);
      for (const auto& r : c.recipients) ++inbox_[r];
      c.recipients.clear();
      out += "250 2.0.0 taken\r\n";
    } else if (line.starts_with("EHLO")) {
      out += "250-peer.example.net\r\n250-PIPELINING\r\n250 8BITMIME\r\n";
    } else if (line.starts_with("RCPT") && deferring_) {
      ++deferrals_;
      out += "452 4.2.2 mailbox full\r\n";
    } else if (line.starts_with("DATA") && c.recipients.empty()) {
      out += "503 5.5.1 no recipient\r\n";
    } else if (line.starts_with("RCPT")) {
      const size_t from = line.find('<'), to = line.find('>');
      c.recipients.push_back(line.substr(from + 1, to - from - 1));
      out += "250 2.1.5 ok\r\n";
    } else if (line.starts_with("DATA")) {
      c.data = true;
      out += "354 go on\r\n";
    } else if (line.starts_with("QUIT")) {
      out += "221 2.0.0 bye\r\n";
      say(c, out);
      out.clear();
      c.closed = true;
    } else {
      if (line.starts_with("RSET") || line.starts_with("MAIL")) c.recipients.clear();
      out += "250 2.0.0 ok\r\n";
    }
  }

  int listener_ = -1;
  int wake_[2] = {-1, -1};
  uint16_t port_ = 0;
  std::thread thread_;
  std::vector<Connection> connections_;
  mutable std::mutex mutex_;
  std::map<std::string, unsigned> inbox_;
  std::atomic<size_t> messages_{0}, most_{0}, deferrals_{0};
  std::atomic<bool> deferring_{false};
};

}  // namespace volley::delivery::testing
