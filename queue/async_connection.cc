#include "queue/async_connection.h"

#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <time.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "base/log.h"
#include "base/net/loop.h"
#include "queue/aof_tail.h"
#include "queue/library.h"
#include "queue/sync_connection.h"

namespace volley::queue {

namespace {

constexpr Duration kFirstWait = std::chrono::milliseconds(50);
constexpr Duration kLongestWait = std::chrono::seconds(5);
constexpr Duration kSilence = std::chrono::seconds(30);
constexpr Duration kClock = std::chrono::seconds(10);
constexpr Duration kAskAgainFirst = std::chrono::minutes(1);
constexpr Duration kAskAgainLast = std::chrono::hours(1);
constexpr int64_t kLeapMs = 60'000;  // no clock is set by so much in passing

// Counts on while this machine sleeps.
int64_t boot_now_ms() {
  timespec t{};
  ::clock_gettime(CLOCK_BOOTTIME, &t);
  return int64_t{t.tv_sec} * 1000 + t.tv_nsec / 1'000'000;
}

std::optional<net::Endpoint> resolve(const QueueUrl& url) {
  if (url.unix_socket) return net::Endpoint::unix_socket(url.host_or_path);
  if (auto ip = net::Endpoint::from_ip(url.host_or_path, url.port)) return ip;
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(url.host_or_path.c_str(), nullptr, &hints, &found) != 0) return std::nullopt;
  std::optional<net::Endpoint> out;
  for (const addrinfo* a = found; a != nullptr && !out; a = a->ai_next) {
    if (a->ai_family == AF_INET) {
      std::array<uint8_t, 4> bytes;
      std::memcpy(bytes.data(), &reinterpret_cast<const sockaddr_in*>(a->ai_addr)->sin_addr,
                  bytes.size());
      out = net::Endpoint::v4(bytes, url.port);
    } else if (a->ai_family == AF_INET6) {
      std::array<uint8_t, 16> bytes;
      std::memcpy(bytes.data(), &reinterpret_cast<const sockaddr_in6*>(a->ai_addr)->sin6_addr,
                  bytes.size());
      out = net::Endpoint::v6(bytes, url.port);
    }
  }
  freeaddrinfo(found);
  return out;
}

}  // namespace

AsyncConnection::AsyncConnection(net::Loop& loop, QueueUrl url, CallCounts counts)
    : loop_(loop),
      url_(std::move(url)),
      random_(Random::seed_from_system()),
      counts_(counts),
      again_(loop, [this] { connect(); }),
      silence_(loop, [this] { drop("no answer for 30 s"); }),
      clock_(loop, [this] { on_clock(); }) {
  connect();
}

AsyncConnection::~AsyncConnection() { *alive_ = false; }

void AsyncConnection::connect() {
  if (endpoint_.family() == net::Endpoint::Family::kNone) {
    auto found = resolve(url_);
    if (!found) {
      drop(fmt::format("cannot resolve {}", url_.host_or_path));
      return;
    }
    endpoint_ = *found;
  }
  state_ = State::kConnecting;
  silence_.set_after(kSilence);
  stream_ = net::connect(loop_, endpoint_, std::nullopt, *this);
}

void AsyncConnection::drop(std::string why) {
  last_error_ = fmt::format("queue {}: {}", url_.str(), why);
  state_ = State::kWaiting;
  stream_.reset();
  reader_ = ReplyReader();
  counts_.failed(std::max<size_t>(sent_, 1));
  sent_ = 0;
  silence_.cancel();
  clock_.cancel();
  const Duration wait = std::min(kLongestWait, kFirstWait * (1 << std::min(failures_, 10u)));
  ++failures_;
  again_.set_after(wait / 2 + Duration(random_.below(static_cast<uint64_t>(wait.count() / 2) + 1)));
}

void AsyncConnection::on_connected() {
  state_ = State::kGreeting;
  needs_library_ = wants_rewrite_ = false;
  std::vector<Command> commands = handshake_commands(url_);
  commands.push_back(Command("INFO").arg("server").arg("persistence"));
  commands.push_back(Command("CONFIG").arg("GET").arg("appendfsync"));
  commands.push_back(library_version_command());
  commands.emplace_back("TIME");
  greetings_ = commands.size();
  std::string bytes;
  for (const Command& command : commands) command.write_to(bytes);
  stream_->write(bytes);
}

void AsyncConnection::on_closed(Error error) { drop(error.message); }

void AsyncConnection::note_time(const ReplyView& answer) {
  if (answer.size() != 2) return;
  const int64_t sample = answer.at(0).number() * 1000 + answer.at(1).number() / 1000;
  note_leap(sample, boot_now_ms());
  server_ms_ = sample - leap_ms_;
  server_at_ = loop_.now();
}

// Mail would expire, and campaigns start, by a clock that is a day ahead; by one that is a day behind nothing would be due.
void AsyncConnection::note_leap(int64_t sample_ms, int64_t boot_ms) {
  const int64_t passed = boot_ms - sampled_boot_ms_;
  const int64_t leapt = sampled_ms_ == 0 ? 0 : sample_ms - sampled_ms_ - passed;
  sampled_ms_ = sample_ms;
  sampled_boot_ms_ = boot_ms;
  if (std::abs(leapt) < kLeapMs) return;
  leap_ms_ += leapt;
  if (std::abs(leap_ms_) < kLeapMs) leap_ms_ = 0;  // and back
}

int64_t AsyncConnection::server_now_ms() const {
  if (server_ms_ == 0) return 0;
  return server_ms_ +
         std::chrono::duration_cast<std::chrono::milliseconds>(loop_.now() - server_at_).count();
}

// A user who may not ask is none the wiser: restarts are not noticed then.
void AsyncConnection::note_server(std::string_view info) {
  const ServerFacts facts = parse_info(info);
  wants_rewrite_ = !url_.embedded && wants_rewrite(facts);
  if (facts.run_id.empty()) return;
  restarted_ = !run_id_.empty() && run_id_ != facts.run_id;
  if (restarted_) {
    rewrite_refused_ = false;
    ask_again_at_ = {};
    ask_wait_ = {};
  }
  run_id_ = facts.run_id;
}

// One that syncs always has forgotten nothing that it confirmed.
void AsyncConnection::note_durability(const ReplyView& config) {
  const bool forgets = config.is_error() || config.size() != 2 || config.at(1).text() != "always";
  if (std::exchange(restarted_, false) && forgets) ++restarts_;
}

// Answers to AUTH and SELECT (if any), then what the server is, the library's version, and TIME.
void AsyncConnection::greeted(const ReplyView& answer) {
  --greetings_;
  if (greetings_ == 3) return note_server(answer.is_error() ? std::string_view() : answer.text());
  if (greetings_ == 2) return note_durability(answer);
  if (greetings_ == 1) {
    const std::string_view text = answer.text();
    needs_library_ = text != library_version();
    if (answer.is_error() && trouble_of(text) != Trouble::kReload)
      return drop(error_of(text).message);
    return;
  }
  if (Status good = check_handshake(answer, url_); !good) return drop(good.error().message);
  if (greetings_ > 0) return;
  note_time(answer);
  if (!needs_library_) return become_ready();
  state_ = State::kLoading;
  std::string bytes;
  load_library_command().write_to(bytes);
  stream_->write(bytes);
}

void AsyncConnection::become_ready() {
  if (std::exchange(wants_rewrite_, false)) have_file_rewritten();
  state_ = State::kReady;
  last_error_.clear();
  clock_.set_after(kClock);
  if (std::exchange(was_ready_, true)) counts_.reconnected();
  for (Call& call : calls_) {
    call.sent_at = loop_.now();
    stream_->write(call.bytes);
  }
  sent_ = calls_.size();
  counts_.sent(sent_);
  if (sent_ == 0) {
    silence_.cancel();
  } else {
    silence_.set_after(kSilence);
  }
}

// Before all that waits to be sent again. A disk that is full is not made fuller by asking again and again.
void AsyncConnection::have_file_rewritten() {
  if (loop_.now() < ask_again_at_) return;
  ask_wait_ = std::clamp(ask_wait_ * 2, kAskAgainFirst, kAskAgainLast);
  ask_again_at_ = loop_.now() + ask_wait_;
  std::erase_if(calls_, [](const Call& call) { return call.optional; });
  std::deque<Call> later;
  if (state_ != State::kReady) later.swap(calls_);
  for (const Command& command : renewal_commands()) add(command, {}).optional = true;
  calls_.back().done = [this](Result<Reply> answer) {
    const std::string refused = answer ? std::string() : renewal_refused(answer.error().message);
    if (!refused.empty() && !std::exchange(rewrite_refused_, true))
      log_warn("queue " + url_.str() + ": " + refused);
  };
  std::move(later.begin(), later.end(), std::back_inserter(calls_));
}

void AsyncConnection::on_clock() {
  clock_.set_after(kClock);
  if (state_ != State::kReady) return;
  if (!url_.embedded) {
    add(Command("INFO").arg("persistence"), [this](Result<Reply> info) {
      if (info && wants_rewrite(parse_info(info->view().text()))) have_file_rewritten();
    }).optional = true;
  }
  call(Command("TIME"), [this](Result<Reply> answer) {
    if (answer) note_time(answer->view());
  });
}

void AsyncConnection::call(const Command& command, Callback done) { add(command, std::move(done)); }

AsyncConnection::Call& AsyncConnection::add(const Command& command, Callback done) {
  Call& added = calls_.emplace_back();
  command.write_to(added.bytes);
  added.done = std::move(done);
  if (state_ != State::kReady) return added;
  added.sent_at = loop_.now();
  stream_->write(added.bytes);
  counts_.sent(1);
  if (sent_++ == 0) silence_.set_after(kSilence);
  return added;
}

bool AsyncConnection::answered(Reply answer) {
  if (sent_ == 0) {
    drop("an answer nobody asked for");
    return false;
  }
  const ReplyView view = answer.view();
  const bool optional = calls_.front().optional;
  if (view.is_error() && !optional && trouble_of(view.text()) != Trouble::kMistake) {
    drop(error_of(view.text()).message);  // it stays at the front, to be sent again
    return false;
  }
  failures_ = 0;
  counts_.answered(loop_.now() - calls_.front().sent_at);
  if (view.is_error()) counts_.failed(1);
  Callback done = std::move(calls_.front().done);
  calls_.pop_front();
  if (--sent_ == 0) {
    silence_.cancel();
  } else {
    silence_.set_after(kSilence);
  }
  const std::shared_ptr<bool> alive = alive_;
  const net::Stream* stream = stream_.get();
  if (view.is_error()) {
    if (done) done(error_of(view.text()));
  } else if (done) {
    done(std::move(answer));
  }
  return *alive && stream_.get() == stream;
}

void AsyncConnection::on_data(std::span<const char> bytes) {
  reader_.feed(std::string_view(bytes.data(), bytes.size()));
  for (;;) {
    Reply answer;
    auto whole = reader_.next(answer);
    if (!whole) return drop(whole.error().message);
    if (!*whole) return;
    if (state_ == State::kReady) {
      if (!answered(std::move(answer))) return;
    } else if (state_ == State::kGreeting) {
      greeted(answer.view());
    } else if (answer.view().is_error()) {
      return drop(error_of(answer.view().text()).message);
    } else {
      become_ready();
    }
    if (!stream_) return;
  }
}

}  // namespace volley::queue
