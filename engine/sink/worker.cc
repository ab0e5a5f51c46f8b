#include "engine/sink/worker.h"

#include <utility>

#include "base/log.h"
#include "engine/sink/dialog_session.h"
#include "engine/sink/session.h"

namespace volley::sink {

Worker::Worker(Shared& shared) : shared_(shared) {
  loop_.add_turn_hook(net::Phase::kJournal, *this);
}

Worker::~Worker() {
  stop();
  loop_.remove_turn_hook(*this);
  sessions_.clear();
  listener_.reset();
}

Status Worker::open(const net::Endpoint& at) {
  const Options& options = shared_.options;
  if (!options.log.empty()) {
    auto log = MessageLog::open(options.log, options.sync_log);
    if (!log) return log.error();
    log_ = std::move(log).value();
  }
  net::ListenOptions listen;
  listen.reuse_port = options.threads > 1 && at.is_ip();
  listen.backlog = 4096;
  auto listener = net::Listener::listen(
      loop_, at, [this](net::StreamPtr stream) { accept(std::move(stream)); }, listen);
  if (!listener) return listener.error();
  listener_ = std::move(listener).value();
  return {};
}

void Worker::start() {
  thread_ = std::thread([this] { loop_.run(); });
}

void Worker::stop() {
  if (!thread_.joinable()) return;
  loop_.stop();
  thread_.join();
}

void Worker::accept(net::StreamPtr stream) {
  const uint64_t id = next_session_++;
  shared_.connections.fetch_add(1, std::memory_order_relaxed);
  std::unique_ptr<Connection> made;
  if (shared_.script) {
    made = std::make_unique<DialogSession>(*this, std::move(stream), id);
  } else {
    made = std::make_unique<Session>(*this, std::move(stream), id);
  }
  Connection& connection = *made;
  sessions_.emplace(id, std::move(made));
  connection.start();
}

void Worker::log(uint64_t session, const LogLine& line) {
  log_->add(line);
  if (logged_.empty() || logged_.back() != session) logged_.push_back(session);
}

void Worker::remove(uint64_t session) { sessions_.erase(session); }

void Worker::on_turn_end() {
  if (!log_ || log_->empty()) return;
  const std::vector<uint64_t> logged = std::exchange(logged_, {});
  const Status status = log_->write();
  if (status.ok()) return;
  log_error("sink: " + status.error().message + "; the messages of this moment are not accepted");
  for (uint64_t id : logged) {
    const auto found = sessions_.find(id);
    if (found == sessions_.end()) continue;
    found->second->cut();
    remove_later(id);
  }
}

}  // namespace volley::sink
