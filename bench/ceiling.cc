// ceiling: what the machine allows. Prebuilt bytes over N connections of one thread, and nothing else: no queue, no rendering,
// no records.
//
// Purpose  The upper bound that bench/peers holds senders against, and its injector for those that take mail by SMTP. By
//          default MAIL, RCPT and DATA go in one write and the message in another ("pipelined within the message"; lock-step
//          where PIPELINING is not offered); with --bdat MAIL, RCPT and the message by BDAT are one write. A connection has one
//          message in flight, and waits a round trip for its answer; --bdat --in-flight N keeps up to N unanswered. Only the
//          envelope's recipient changes from one message to the next.
// Errors   A 4xx is tried again at once, on the same connection; a 421 or an end of a connection on another one, with all that
//          was in flight there; a 5xx, a silence of 60 s or a stranger (anything but loopback) ends it all: exit 1 with the reason.
// Output   One JSON line: messages, seconds from the first connect to the last acceptance, tried again, connections made.
// Thread   One. Writes block: a receiver that reads nothing holds up all connections.
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <climits>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bench/ceiling_plan.h"

namespace volley::bench {
namespace {

constexpr int kSilenceMs = 60'000;

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
  // Ready: what is in flight decides what a reply is to. Message: by DATA, its text or
  // what stands in for it was written. Reset: RSET was, after a refusal by BDAT.
  enum class State { kGreeting, kEhlo, kReady, kMessage, kReset };

  struct Sent {
    size_t number;
    unsigned replies = 0;  // of its envelope and, by BDAT, its text, seen
    int worst = 0;         // the first refusal
  };

  void reopen();
  const std::string& recipient(const Sent& sent) const {
    return plan_.recipients[sent.number % plan_.recipients.size()];
  }
  void on_reply(int code, std::string_view line);
  void on_envelope_reply(int code);
  void begin();
  bool take();
  void finish(int code);
  void write(const std::vector<std::string_view>& parts);

  const Options& options_;
  const Plan& plan_;
  Work& work_;
  const int epoll_;
  int fd_ = -1;
  State state_ = State::kGreeting;
  bool pipelining_ = false;
  size_t sent_here_ = 0;  // and accepted
  std::deque<Sent> flight_;
  bool due_ = false;  // it can send more
  bool spoilt_ =
      false;  // by BDAT: one was refused; the rest of the flight is waited for, then RSET
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
  for (const Sent& sent : flight_) work_.again.push_back(sent.number);
  work_.tried_again += flight_.size();
  flight_.clear();
  spoilt_ = due_ = false;
  if (work_.connected > options_.connections + options_.messages)
    fail("connections end without a message");
  ::close(fd_);
  fd_ = -1;
  open();
}

void Connection::write(const std::vector<std::string_view>& parts) {
  std::vector<iovec> pieces;
  pieces.reserve(parts.size());
  for (std::string_view part : parts)
    pieces.push_back({const_cast<char*>(part.data()), part.size()});
  size_t count = pieces.size();
  for (iovec* at = pieces.data(); count > 0;) {
    const ssize_t wrote = ::writev(fd_, at, static_cast<int>(std::min<size_t>(count, IOV_MAX)));
    if (wrote < 0) return;  // the reading end says what became of the connection
    size_t left = static_cast<size_t>(wrote);
    for (; count > 0 && left >= at->iov_len; ++at, --count) left -= at->iov_len;
    if (count > 0) *at = {static_cast<char*>(at->iov_base) + left, at->iov_len - left};
  }
}

// The next message is in flight; false: there is none, or there is no room for it here.
bool Connection::take() {
  if (flight_.size() == options_.in_flight) return false;
  if (options_.per_connection > 0 && sent_here_ + flight_.size() >= options_.per_connection)
    return false;
  if (!work_.again.empty()) {
    flight_.push_back({work_.again.back()});
    work_.again.pop_back();
  } else if (work_.next < options_.messages) {
    flight_.push_back({work_.next++});
  } else {
    return false;
  }
  return true;
}

void Connection::begin() {
  due_ = false;
  if (options_.per_connection > 0 && sent_here_ == options_.per_connection && flight_.empty()) {
    write({"QUIT\r\n"});
    return reopen();
  }
  static constexpr std::string_view kMail = "MAIL FROM:<news@example.com>\r\n", kRcpt = "RCPT TO:<";
  std::vector<std::string_view> parts;
  while (take()) {
    parts.push_back(kMail);
    if (!options_.bdat && !pipelining_) break;
    parts.insert(parts.end(), {kRcpt, recipient(flight_.back()),
                               options_.bdat ? std::string_view(plan_.bdat) : ">\r\nDATA\r\n"});
  }
  if (!parts.empty()) write(parts);
}

void Connection::finish(int code) {
  if (code / 100 == 2) {
    ++work_.done;
    ++sent_here_;
  } else {
    work_.again.push_back(flight_.front().number);
    ++work_.tried_again;
  }
  flight_.pop_front();
  state_ = State::kReady;
  if (spoilt_ && flight_.empty()) {
    state_ = State::kReset;
    return write({"RSET\r\n"});
  }
  due_ = !spoilt_;
}

void Connection::on_reply(int code, std::string_view line) {
  // A DATA or BDAT without a recipient is a 5xx of our own making, and so is a MAIL in what is left of a transaction.
  if (code / 100 == 5 && !spoilt_ && !flight_.empty() && flight_.front().worst == 0)
    fail("refused: " + std::string(line));
  switch (state_) {
    case State::kGreeting:
      if (code / 100 != 2) fail("refused: " + std::string(line));
      state_ = State::kEhlo;
      return write({"EHLO bench.example.com\r\n"});
    case State::kEhlo:
      if (code / 100 != 2) fail("refused: " + std::string(line));
      state_ = State::kReady;
      due_ = true;
      return;
    case State::kReady:
      if (!flight_.empty()) on_envelope_reply(code);
      return;
    case State::kMessage:
      return finish(flight_.front().worst ? flight_.front().worst : code);
    case State::kReset:
      state_ = State::kReady;
      spoilt_ = false;
      due_ = true;
      return;
  }
}

void Connection::on_envelope_reply(int code) {
  Sent& sent = flight_.front();
  ++sent.replies;
  if (code / 100 == 4 && sent.worst == 0) sent.worst = code;
  const bool together = options_.bdat || pipelining_;
  if (together ? sent.replies < 3 : sent.replies < 3 && sent.worst == 0) {
    if (!together && sent.replies == 1) write({"RCPT TO:<", recipient(sent), ">\r\n"});
    if (!together && sent.replies == 2) write({"DATA\r\n"});
    return;
  }
  if (options_.bdat) {
    spoilt_ = spoilt_ || code / 100 != 2;
    return finish(code);
  }
  state_ = State::kMessage;
  // 354 to what was refused before leaves nothing to say but the end; else the transaction is still open.
  write({code != 354  ? std::string_view("RSET\r\n")
         : sent.worst ? std::string_view(".\r\n")
                      : std::string_view(plan_.text)});
}

void Connection::on_readable() {
  const ssize_t got = ::recv(fd_, input_.data() + filled_, input_.size() - filled_, MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0 && state_ == State::kReady && flight_.empty()) {  // nothing was left for it
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
    if (state_ == State::kEhlo && line.size() > 3 && line.substr(4) == "PIPELINING")
      pipelining_ = true;
    if (line.size() > 3 && line[3] == '-') continue;
    if (line.substr(0, 3) == "421") return reopen();
    on_reply(std::atoi(std::string(line.substr(0, 3)).c_str()), line);
  }
  filled_ -= at;
  std::memmove(input_.data(), input_.data() + at, filled_);
  if (filled_ == input_.size()) fail("a reply line without an end");
  if (due_) begin();
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
}  // namespace volley::bench

int main(int argc, char** argv) {
  const volley::bench::Options options = volley::bench::parse(argc, argv);
  std::signal(SIGPIPE, SIG_IGN);
  volley::bench::run(options, volley::bench::prepare(options));
}
