#include "queue/store_link.h"

#include <fmt/format.h>

#include <algorithm>
#include <thread>

#include "base/log.h"
#include "queue/aof_tail.h"
#include "queue/library.h"
#include "queue/server_check.h"
#include "queue/store.h"

namespace volley::queue {

namespace {

constexpr Duration kConnectTimeout = std::chrono::seconds(5);
constexpr Duration kCallTimeout = std::chrono::seconds(60);  // as call_timeout_ is at first
constexpr Duration kImpatient = std::chrono::seconds(2);
constexpr Duration kFirstWait = std::chrono::milliseconds(20);
constexpr Duration kLongestWait = std::chrono::seconds(1);
constexpr int kBrokenOpens = 5;  // more often: no accident, but a server that does not want us

uint64_t errors_among(const std::vector<Reply>& answers) {
  const auto is_error = [](const Reply& answer) { return answer.view().is_error(); };
  return static_cast<uint64_t>(std::count_if(answers.begin(), answers.end(), is_error));
}

}  // namespace

void StoreLink::set_patience(Duration patience) {
  patience_ = patience;
  call_timeout_ = patience < kStorePatience ? patience + kImpatient : kCallTimeout;
}

Status StoreLink::load_library() {
  auto version = connection_.run(library_version_command(), call_timeout_);
  if (!version) return version.error();
  if (version->view().text() == library_version()) return {};
  if (version->view().is_error() && trouble_of(version->view().text()) != Trouble::kReload) {
    return error_of(version->view().text());
  }
  auto loaded = connection_.run(load_library_command(), call_timeout_);
  if (!loaded) return loaded.error();
  if (loaded->view().is_error()) return error_of(loaded->view().text());
  return {};
}

// Only a broken connection is an error.
Status StoreLink::renew_file() {
  if (url_.embedded) return {};
  auto info = connection_.run(Command("INFO").arg("persistence"), call_timeout_);
  if (!info) return info.error();
  const ServerFacts facts = parse_info(info->view().text());
  if (!wants_rewrite(facts) || facts.aof_rewrite_failed) return {};  // that is for those who stay
  const auto commands = renewal_commands();
  auto answers = connection_.run(commands, call_timeout_);
  if (!answers) return answers.error();
  const ReplyView last = answers->back().view();
  const std::string refused = last.is_error() ? renewal_refused(last.text()) : std::string();
  if (!refused.empty() && !std::exchange(rewrite_refused_, true))
    log_warn("queue " + url_.str() + ": " + refused);
  return {};
}

Status StoreLink::connect() {
  broke_ = false;
  auto connection = SyncConnection::connect(url_, std::min(kConnectTimeout, call_timeout_));
  if (!connection) return connection.error();
  connection_ = std::move(*connection);
  if (!checked_) {
    warnings_.clear();
    Status good = check_server(connection_, memory_, warnings_);
    if (good) good = check_contents(connection_, warnings_);
    if (!good) {
      broke_ = !connection_.open();
      connection_ = SyncConnection();
      return good;
    }
    checked_ = true;
  }
  Status loaded = load_library();
  if (loaded) loaded = renew_file();
  if (!loaded) {
    broke_ = !connection_.open();
    connection_ = SyncConnection();
  }
  return loaded;
}

// `again`: repeating may help.
Status StoreLink::attempt(std::span<const Command> commands, std::vector<Reply>& answers,
                          bool& again) {
  again = true;
  if (!connection_.open()) {
    if (Status connected = connect(); !connected) {
      counts_.failed(1);
      again = connected.error().code == Errc::kUnavailable;
      return connected;
    }
    counts_.reconnected();  // the first connection is open()'s
  }
  const TimePoint start = monotonic_now();
  counts_.sent(commands.size());
  auto got = connection_.run(commands, call_timeout_);
  if (!got) {
    counts_.failed(commands.size());
    return got.error();
  }
  counts_.answered(monotonic_now() - start);
  answers = std::move(*got);
  for (const Reply& answer : answers) {
    if (!answer.view().is_error()) continue;
    counts_.failed(errors_among(answers));
    const std::string_view error = answer.view().text();
    const Trouble trouble = trouble_of(error);
    if (trouble == Trouble::kReload) {
      if (Status loaded = load_library(); !loaded) return loaded;
    }
    again = trouble == Trouble::kWait || trouble == Trouble::kReload;
    return error_of(error);
  }
  return {};
}

Status StoreLink::open() {
  const TimePoint end = monotonic_now() + patience_;
  int broken = 0;
  for (Duration wait = kFirstWait;; wait = std::min(wait * 2, kLongestWait)) {
    Status connected = connect();
    // Only loading passes by itself, and a connection that was cut is made again; a wrong URL or a refused server should
    // be heard of at once.
    const bool loading =
        !connected && connected.error().message.find("loading") != std::string::npos;
    const bool may_come = loading || (broke_ && ++broken < kBrokenOpens);
    if (connected || !may_come || monotonic_now() + wait > end) return connected;
    std::this_thread::sleep_for(wait);
  }
}

Result<std::vector<Reply>> StoreLink::run(std::span<const Command> commands) {
  const TimePoint end = monotonic_now() + patience_;
  for (Duration wait = kFirstWait;; wait = std::min(wait * 2, kLongestWait)) {
    std::vector<Reply> answers;
    bool again = false;
    Status done = attempt(commands, answers, again);
    if (done) return answers;
    if (!again || monotonic_now() + wait > end) return done.error();
    std::this_thread::sleep_for(wait);
  }
}

Result<Reply> StoreLink::run(const Command& command) {
  auto answers = run(std::span<const Command>(&command, 1));
  if (!answers) return answers.error();
  return std::move(answers->front());
}

}  // namespace volley::queue
