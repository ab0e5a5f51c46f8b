// ceiling: what the machine allows. Prebuilt bytes over N connections of one thread, and nothing else: no queue, no rendering,
// no records.
//
// Purpose  The upper bound that bench/peers holds senders against, and its injector for those that take mail by SMTP. By
//          default MAIL, RCPT and DATA go in one write and the message in another ("pipelined within the message"; lock-step
//          where PIPELINING is not offered); with --bdat MAIL, RCPT and the message by BDAT are one write. Only the envelope's
//          recipient changes from one message to the next.
// Errors   A 4xx is tried again at once, on the same connection; a 421 or an end of a connection on another one; a 5xx, a
//          silence of 60 s or a stranger (anything but loopback) ends it all: exit 1 with the reason.
// Output   One JSON line: messages, seconds from the first connect to the last acceptance, tried again, connections made.
// Thread   One. Writes block: a receiver that reads nothing holds up all connections.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

constexpr int kSilenceMs = 60'000;
constexpr char kUsage[] =
    "usage: ceiling --to HOST:PORT --message FILE --recipients FILE --messages N [--connections N] "
    "[--per-connection N] [--bdat]";

[[noreturn]] void fail(const std::string& why) {
  std::fprintf(stderr, "ceiling: %s\n", why.c_str());
  std::exit(1);
}

struct Options {
  sockaddr_in to{};
  std::string message_file, recipients_file;
  size_t messages = 0, connections = 20;
  size_t per_connection = 0;  // 0: no limit
  bool bdat = false;
};

struct Plan {
  std::string sender = "news@example.com";
  std::string text;      // for DATA: dots doubled, and the one that ends it
  std::string verbatim;  // for BDAT
  std::vector<std::string> recipients;
};

sockaddr_in parse_loopback(const std::string& text) {
  const size_t colon = text.rfind(':');
  sockaddr_in address{};
  address.sin_family = AF_INET;
  if (colon == std::string::npos ||
      inet_pton(AF_INET, text.substr(0, colon).c_str(), &address.sin_addr) != 1) {
    fail(text + ": HOST:PORT, an IPv4 address");
  }
  if (ntohl(address.sin_addr.s_addr) >> 24 != 127) fail(text + ": not loopback");
  address.sin_port =
      htons(static_cast<uint16_t>(std::strtoul(text.c_str() + colon + 1, nullptr, 10)));
  return address;
}

Options parse(int argc, char** argv) {
  Options out;
  bool to = false;
  for (int i = 1; i < argc; ++i) {
    const std::string_view name = argv[i];
    if (name == "--bdat") {
      out.bdat = true;
      continue;
    }
    if (i + 1 == argc) fail(kUsage);
    const std::string value = argv[++i];
    const size_t number = std::strtoul(value.c_str(), nullptr, 10);
    if (name == "--to") {
      out.to = parse_loopback(value);
      to = true;
    } else if (name == "--message") {
      out.message_file = value;
    } else if (name == "--recipients") {
      out.recipients_file = value;
    } else if (name == "--messages") {
      out.messages = number;
    } else if (name == "--connections") {
      out.connections = number;
    } else if (name == "--per-connection") {
      out.per_connection = number;
    } else {
      fail(std::string(name) + ": no such option");
    }
  }
  if (!to || out.messages == 0 || out.connections == 0) fail(kUsage);
  return out;
}

std::string read_whole(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) fail(path + ": cannot be read");
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

Plan prepare(const Options& options) {
  Plan plan;
  const std::string message = read_whole(options.message_file);
  for (size_t at = 0; at < message.size();) {
    const size_t end = std::min(message.find('\n', at), message.size());
    std::string_view line(message.data() + at, end - at);
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    if (!line.empty() && line.front() == '.') plan.text += '.';
    plan.text.append(line).append("\r\n");
    plan.verbatim.append(line).append("\r\n");
    at = end + 1;
  }
  plan.text += ".\r\n";
  std::ifstream in(options.recipients_file);
  for (std::string line; std::getline(in, line);) plan.recipients.push_back(line);
  if (plan.recipients.empty()) fail(options.recipients_file + ": no recipients");
  return plan;
}

// What is left to send, by number, and what became of it.
struct Work {
  size_t next = 0, done = 0, tried_again = 0, connected = 0;
  std::vector<size_t> again;
};

class Connection {
 public:
  Connection(const Options& options, const Plan& plan, Work& work, int epoll)
      : options_(options), plan_(plan), work_(work), epoll_(epoll) {}
  ~Connection() {
    if (fd_ >= 0) ::close(fd_);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void open();
  void on_readable();

 private:
  enum class State { kGreeting, kEhlo, kEnvelope, kMessage, kIdle };

  void reopen();
  const std::string& recipient() const {
    return plan_.recipients[number_ % plan_.recipients.size()];
  }
  void on_reply(int code, std::string_view line);
  void on_envelope_reply(int code);
  void begin();
  void finish(int code);
  void write(std::initializer_list<std::string_view> parts);

  const Options& options_;
  const Plan& plan_;
  Work& work_;
  const int epoll_;
  int fd_ = -1;
  State state_ = State::kIdle;
  bool pipelining_ = false;
  size_t number_ = 0, sent_here_ = 0;
  unsigned replies_ = 0;  // of this envelope, seen
  int worst_ = 0;         // the envelope's first refusal
  size_t filled_ = 0;
  std::array<char, 8192> input_;
};

void Connection::open() {
  fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd_ < 0 ||
      ::connect(fd_, reinterpret_cast<const sockaddr*>(&options_.to), sizeof options_.to)) {
    fail(std::string("connect: ") + std::strerror(errno));
  }
  const int on = 1;
  ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.ptr = this;
  if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd_, &event))
    fail(std::string("epoll: ") + std::strerror(errno));
  state_ = State::kGreeting;
  filled_ = sent_here_ = 0;
  ++work_.connected;
}

// What it had in hand is tried again elsewhere, which may send it twice: the receiver did not say.
void Connection::reopen() {
  if (state_ == State::kEnvelope || state_ == State::kMessage) {
    work_.again.push_back(number_);
    ++work_.tried_again;
  }
  if (work_.connected > options_.connections + options_.messages)
    fail("connections end without a message");
  ::close(fd_);
  fd_ = -1;
  open();
}

void Connection::write(std::initializer_list<std::string_view> parts) {
  std::array<iovec, 8> pieces;
  size_t count = 0;
  for (std::string_view part : parts)
    pieces[count++] = {const_cast<char*>(part.data()), part.size()};
  for (iovec* at = pieces.data(); count > 0;) {
    const ssize_t wrote = ::writev(fd_, at, static_cast<int>(count));
    if (wrote < 0) return;  // the reading end says what became of the connection
    size_t left = static_cast<size_t>(wrote);
    for (; count > 0 && left >= at->iov_len; ++at, --count) left -= at->iov_len;
    if (count > 0) *at = {static_cast<char*>(at->iov_base) + left, at->iov_len - left};
  }
}

void Connection::begin() {
  if (options_.per_connection > 0 && sent_here_ == options_.per_connection) {
    write({"QUIT\r\n"});
    state_ = State::kIdle;
    return reopen();
  }
  if (!work_.again.empty()) {
    number_ = work_.again.back();
    work_.again.pop_back();
  } else if (work_.next < options_.messages) {
    number_ = work_.next++;
  } else {
    state_ = State::kIdle;
    return;
  }
  state_ = State::kEnvelope;
  replies_ = 0;
  worst_ = 0;
  if (options_.bdat) {
    write({"MAIL FROM:<", plan_.sender, ">\r\nRCPT TO:<", recipient(), ">\r\nBDAT ",
           std::to_string(plan_.verbatim.size()), " LAST\r\n", plan_.verbatim});
  } else if (pipelining_) {
    write({"MAIL FROM:<", plan_.sender, ">\r\nRCPT TO:<", recipient(), ">\r\nDATA\r\n"});
  } else {
    write({"MAIL FROM:<", plan_.sender, ">\r\n"});
  }
}

void Connection::finish(int code) {
  if (code / 100 == 2) {
    ++work_.done;
    ++sent_here_;
  } else {
    work_.again.push_back(number_);
    ++work_.tried_again;
  }
  begin();
}

void Connection::on_envelope_reply(int code) {
  ++replies_;
  if (code / 100 == 4 && worst_ == 0) worst_ = code;
  const bool together = options_.bdat || pipelining_;
  if (together ? replies_ < 3 : replies_ < 3 && worst_ == 0) {
    if (!together && replies_ == 1) write({"RCPT TO:<", recipient(), ">\r\n"});
    if (!together && replies_ == 2) write({"DATA\r\n"});
    return;
  }
  if (options_.bdat && worst_ == 0) return finish(code);
  state_ = State::kMessage;
  // 354 to what was refused before leaves nothing to say but the end; else the transaction is still open.
  write({code != 354 ? std::string_view("RSET\r\n")
         : worst_    ? std::string_view(".\r\n")
                     : plan_.text});
}

void Connection::on_reply(int code, std::string_view line) {
  // A DATA or BDAT without a recipient is a 5xx of our own making.
  if (code / 100 == 5 && worst_ == 0 && state_ != State::kIdle)
    fail("refused: " + std::string(line));
  switch (state_) {
    case State::kGreeting:
      state_ = State::kEhlo;
      return write({"EHLO bench.example.com\r\n"});
    case State::kEhlo:
      return begin();
    case State::kEnvelope:
      return on_envelope_reply(code);
    case State::kMessage:
      return finish(worst_ ? worst_ : code);
    case State::kIdle:
      return;
  }
}

void Connection::on_readable() {
  const ssize_t got = ::recv(fd_, input_.data() + filled_, input_.size() - filled_, MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0 && state_ == State::kIdle) {
    ::epoll_ctl(epoll_, EPOLL_CTL_DEL, fd_, nullptr);
    return;
  }
  if (got <= 0) return reopen();
  filled_ += static_cast<size_t>(got);
  size_t at = 0;
  for (;;) {
    const std::string_view rest(input_.data() + at, filled_ - at);
    const size_t end = rest.find("\r\n");
    if (end == std::string_view::npos) break;
    const std::string_view line = rest.substr(0, end);
    if (line.size() < 3) fail("not a reply: " + std::string(line));
    at += end + 2;
    if (state_ == State::kEhlo && line.substr(4) == "PIPELINING") pipelining_ = true;
    if (line.size() > 3 && line[3] == '-') continue;
    if (line.substr(0, 3) == "421") return reopen();
    on_reply(std::atoi(std::string(line.substr(0, 3)).c_str()), line);
    if (filled_ == 0) return;  // another connection by now
  }
  filled_ -= at;
  std::memmove(input_.data(), input_.data() + at, filled_);
  if (filled_ == input_.size()) fail("a reply line without an end");
}

void run(const Options& options, const Plan& plan) {
  const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
  Work work;
  std::vector<std::unique_ptr<Connection>> connections;
  const auto start = std::chrono::steady_clock::now();
  for (size_t i = 0; i < options.connections; ++i) {
    connections.push_back(std::make_unique<Connection>(options, plan, work, epoll));
    connections.back()->open();
  }
  std::array<epoll_event, 256> events;
  while (work.done < options.messages) {
    const int ready = ::epoll_wait(epoll, events.data(), events.size(), kSilenceMs);
    if (ready == 0) fail("a silence of 60 s after " + std::to_string(work.done) + " messages");
    if (ready < 0 && errno != EINTR) fail(std::string("epoll: ") + std::strerror(errno));
    for (int i = 0; i < ready; ++i)
      static_cast<Connection*>(events[static_cast<size_t>(i)].data.ptr)->on_readable();
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  std::printf("{\"messages\":%zu,\"seconds\":%.6f,\"tried_again\":%zu,\"connections\":%zu}\n",
              work.done, took.count(), work.tried_again, work.connected);
  connections.clear();
  ::close(epoll);
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse(argc, argv);
  std::signal(SIGPIPE, SIG_IGN);
  run(options, prepare(options));
}
