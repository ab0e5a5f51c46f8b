// What the sink's tests share: a sink with a log, and a client that knows nothing of SMTP.
//
// Purpose  Whole dialogues over loopback sockets; waiting is for an answer or for the end, never for time.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <utility>

#include "base/net/endpoint.h"
#include "engine/sink/sink.h"

namespace volley::sink {

inline constexpr int kPatienceMs = 20'000;  // only a hung sink ever waits so long

inline std::string read_file_text(const std::string& path) {
  std::ostringstream out;
  out << std::ifstream(path, std::ios::binary).rdbuf();
  return out.str();
}

inline size_t count(std::string_view text, std::string_view what) {
  size_t n = 0;
  for (size_t at = text.find(what); at != std::string_view::npos;
       at = text.find(what, at + what.size()))
    ++n;
  return n;
}

// A blocking client that knows nothing of SMTP.
class RawClient {
 public:
  explicit RawClient(const std::string& address) {
    const net::Endpoint to = *net::Endpoint::parse(address);
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_port = htons(to.port());
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    EXPECT_EQ(::connect(fd_, reinterpret_cast<sockaddr*>(&in), sizeof in), 0);
  }
  ~RawClient() { ::close(fd_); }
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  uint16_t port() const {
    sockaddr_in own{};
    socklen_t size = sizeof own;
    EXPECT_EQ(::getsockname(fd_, reinterpret_cast<sockaddr*>(&own), &size), 0);
    return ntohs(own.sin_port);
  }
  void send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      ASSERT_GT(n, 0);
      bytes.remove_prefix(static_cast<size_t>(n));
    }
  }
  // Everything until the peer closes; " reset" behind it when that was a RST.
  std::string rest() {
    std::string out = std::exchange(buffer_, {});
    int error = 0;
    for (std::string more = receive(error); !more.empty(); more = receive(error)) out += more;
    return out + (error == ECONNRESET ? " reset" : "");
  }
  // Exactly so many bytes, or what came before the end.
  std::string bytes(size_t n) {
    int error = 0;
    while (buffer_.size() < n) {
      const std::string more = receive(error);
      if (more.empty()) break;
      buffer_ += more;
    }
    std::string out = buffer_.substr(0, n);
    buffer_.erase(0, out.size());
    return out;
  }
  // No more of ours; everything that still comes.
  std::string finish() {
    ::shutdown(fd_, SHUT_WR);
    return rest();
  }
  // Until `lines` final reply lines ("250 ", not "250-") are there; what came, or "closed".
  std::string replies(int lines) {
    std::string out;
    while (lines > 0) {
      const std::string line = read_line();
      if (line.empty()) return out + "closed";
      out += line;
      if (line.size() > 3 && line[3] != '-') --lines;
    }
    return out;
  }
  std::string say(std::string_view bytes, int lines = 1) {
    send(bytes);
    return replies(lines);
  }

 private:
  std::string read_line() {
    for (;;) {
      const size_t end = buffer_.find('\n');
      if (end != std::string::npos) {
        std::string line = buffer_.substr(0, end + 1);
        buffer_.erase(0, end + 1);
        return line;
      }
      int error = 0;
      const std::string more = receive(error);
      if (more.empty()) return "";
      buffer_ += more;
    }
  }

  // Empty: the end, or `error`.
  std::string receive(int& error) {
    pollfd waiting{fd_, POLLIN, 0};
    if (::poll(&waiting, 1, kPatienceMs) != 1) {
      ADD_FAILURE() << "no answer";
      return "";
    }
    char bytes[4096];
    const ssize_t n = ::recv(fd_, bytes, sizeof bytes, 0);
    if (n < 0) error = errno;
    return n > 0 ? std::string(bytes, static_cast<size_t>(n)) : "";
  }

  int fd_ = -1;
  std::string buffer_;
};

class SinkTest : public testing::Test {
 protected:
  SinkTest() {
    char path[] = "/tmp/volley-test-XXXXXX";
    directory_ = ::mkdtemp(path);
    options_.listen = "127.0.0.1:0";
    options_.log = directory_ + "/sink.log";
  }
  ~SinkTest() override {
    sink_.reset();
    std::filesystem::remove_all(directory_);
  }
  void start() {
    auto sink = Sink::start(options_);
    ASSERT_TRUE(sink.ok()) << sink.error().message;
    sink_ = std::move(sink).value();
  }
  std::string log() const { return read_file_text(options_.log); }

  std::string directory_;
  Options options_;
  std::unique_ptr<Sink> sink_;
};

inline constexpr std::string_view kEnvelope =
    "MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.net>\r\nDATA\r\n";

}  // namespace volley::sink
