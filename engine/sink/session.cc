#include "engine/sink/session.h"

#include <array>
#include <charconv>
#include <chrono>

#include "engine/sink/worker.h"

namespace volley::sink {
namespace {

constexpr size_t kMaxPending = size_t{1} << 20;
constexpr Duration kLinger = std::chrono::seconds(10);  // for the peer to close after us

smtp::ServerOptions server_options(const Options& options) {
  smtp::ServerOptions out;
  out.pipelining = options.pipelining;
  out.starttls = options.starttls;
  return out;
}

bool is_enhanced(std::string_view word) {
  int dots = 0;
  for (char c : word) {
    if (c == '.')
      ++dots;
    else if (c < '0' || c > '9')
      return false;
  }
  return dots == 2;
}

}  // namespace

Session::Session(Worker& worker, net::StreamPtr stream, uint64_t id)
    : worker_(worker),
      stream_(std::move(stream)),
      id_(id),
      server_(server_options(worker.shared().options)),
      timer_(worker.loop(), [this] { on_timer(); }) {
  worker_.shared().open_connections.fetch_add(1, std::memory_order_relaxed);
  if (worker_.shared().options.delay > Duration::zero()) {
    delay_timer_.emplace(worker.loop(), [this] { write_due(); });
  }
}

Session::~Session() { worker_.shared().open_connections.fetch_sub(1, std::memory_order_relaxed); }

void Session::start() {
  stream_->set_listener(*this);
  server_.start(worker_.loop().now());
  arm();
  pump();
}

void Session::cut() {
  dead_ = true;
  delayed_.clear();
  stream_->close();
}

void Session::on_data(std::span<const char> bytes) {
  if (dead_ || ended_) return;
  server_.feed({bytes.data(), bytes.size()}, worker_.loop().now());
  pump();
}

void Session::on_tls_ready(const net::TlsInfo&) {
  server_.tls_established(worker_.loop().now());
  pump();
}

void Session::on_drained() { stream_->resume_reading(); }

void Session::on_closed(Error) {
  // With a cut, the worker removes the session at the end of its turn.
  if (!std::exchange(dead_, true)) worker_.remove(id_);
}

void Session::pump() {
  while (auto event = server_.next_event()) {
    handle(*event);
    if (!dead_) continue;
    stream_->close();
    return worker_.remove(id_);
  }
  send();
  follow_up();
}

void Session::handle(const Event& event) {
  using Type = Event::Type;
  switch (event.type) {
    case Type::kConnected:
      return on_connected_event();
    case Type::kEhlo:
      obey(Step::kEhlo, event.text, {});
      return;
    case Type::kMail:
      return on_mail(event);
    case Type::kRcpt:
      return on_rcpt(event);
    case Type::kDataStart:
      if (obey(Step::kData, from_, recipients_)) return;
      bytes_ = 0;
      if (worker_.logs()) digest_.emplace();
      return;
    case Type::kDataChunk:
      bytes_ += event.text.size();
      if (digest_) digest_->update(event.text);
      return;
    case Type::kDataEnd:
      return on_end_of_data(event);
    case Type::kReset:
      return reset();
    case Type::kNeedTls:
      need_tls_ = true;
      return reset();
    case Type::kClose:
      closing_ = true;
      return;
    default:
      return;
  }
}

void Session::on_connected_event() {
  const uint32_t cap = worker_.shared().options.max_connections;
  if (cap > 0 && worker_.shared().open_connections.load(std::memory_order_relaxed) > cap) {
    worker_.shared().refused.fetch_add(1, std::memory_order_relaxed);
    server_.respond(421, "4.7.0", "too many connections");
    return;
  }
  obey(Step::kConnect, {}, {});
}

void Session::on_mail(const Event& event) {
  const uint32_t cap = worker_.shared().options.max_messages;
  if (cap > 0 && messages_ >= cap) {
    server_.respond(421, "4.7.0", "too many messages in this session");
    return;
  }
  reset();
  if (!obey(Step::kMail, event.text, {})) from_.assign(event.text);
}

void Session::on_rcpt(const Event& event) {
  if (worker_.shared().rules.empty()) {
    recipients_.emplace_back(event.text);
    return;
  }
  candidate_.assign(1, std::string(event.text));
  if (!obey(Step::kRcpt, from_, candidate_)) recipients_.push_back(std::move(candidate_[0]));
}

void Session::on_end_of_data(const Event& event) {
  Shared& shared = worker_.shared();
  ++messages_;
  if (event.refused) {
    shared.refused.fetch_add(1, std::memory_order_relaxed);
  } else if (!obey(Step::kEndOfData, from_, recipients_)) {
    shared.messages.fetch_add(1, std::memory_order_relaxed);
    shared.bytes.fetch_add(bytes_, std::memory_order_relaxed);
    if (digest_) worker_.log(id_, {from_, recipients_, bytes_, digest_->finish(), server_.tls()});
  }
  reset();
}

// Answers as a rule says; false: no rule does.
bool Session::obey(Step step, std::string_view sender, std::span<const std::string> recipients) {
  Shared& shared = worker_.shared();
  if (shared.rules.empty()) return false;
  const Rule* rule = shared.rules.match(step, sender, recipients);
  if (!rule) return false;
  shared.refused.fetch_add(1, std::memory_order_relaxed);
  if (rule->reply.empty()) {
    dead_ = true;
    return true;
  }
  std::string_view text = rule->reply;
  int code = 0;
  std::from_chars(text.data(), text.data() + 3, code);
  text.remove_prefix(std::min<size_t>(text.size(), 4));
  std::string_view enhanced = text.substr(0, text.find(' '));
  if (is_enhanced(enhanced)) {
    text.remove_prefix(std::min(text.size(), enhanced.size() + 1));
  } else {
    enhanced = {};
  }
  server_.respond(code, enhanced, text);
  return true;
}

void Session::send() {
  std::array<smtp::OutSlice, 32> slices;
  const Duration delay = worker_.shared().options.delay;
  std::string late;
  while (const size_t n = server_.gather(slices)) {
    size_t bytes = 0;
    for (size_t i = 0; i < n; ++i) bytes += slices[i].size();
    if (delay_timer_) {
      for (size_t i = 0; i < n; ++i) late += slices[i];
    } else {
      stream_->write_gather(std::span<const std::string_view>(slices.data(), n));
    }
    server_.consume(bytes);
  }
  if (!late.empty()) {
    const TimePoint due = worker_.loop().now() + delay;
    delayed_.emplace_back(due, std::move(late));
    if (!delay_timer_->armed()) delay_timer_->set(due);
  }
  if (stream_->pending() > kMaxPending) stream_->pause_reading();
}

void Session::write_due() {
  const TimePoint now = worker_.loop().now();
  while (!delayed_.empty() && delayed_.front().first <= now) {
    stream_->write(delayed_.front().second);
    delayed_.pop_front();
  }
  if (!delayed_.empty()) delay_timer_->set(delayed_.front().first);
  follow_up();
}

// What comes after the last reply is on its way.
void Session::follow_up() {
  if (!delayed_.empty() || ended_) return;
  if (std::exchange(need_tls_, false)) {
    net::TlsStart start;
    start.role = net::TlsRole::kServer;
    if (!stream_->start_tls(*worker_.shared().tls, start)) closing_ = true;
  }
  if (!closing_) return;
  ended_ = true;
  stream_->end();
  timer_.set_after(kLinger);
}

// Re-armed only when it fires: a busy session moves its deadline with every read.
void Session::on_timer() {
  if (!ended_) {
    const TimePoint now = worker_.loop().now();
    if (now < server_.deadline()) return arm();
    server_.timeout(now);
    return pump();
  }
  stream_->close();
  worker_.remove(id_);
}

void Session::arm() { timer_.set(server_.deadline()); }

void Session::reset() {
  from_.clear();
  recipients_.clear();
  digest_.reset();
}

}  // namespace volley::sink
