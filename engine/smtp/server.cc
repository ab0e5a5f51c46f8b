#include "engine/smtp/server.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <utility>

#include "engine/smtp/server_words.h"

namespace volley::smtp {
namespace {

constexpr uint64_t kOverrun = 1 << 20;  // read beyond max_size before giving up

bool has_enhanced_code(std::string_view line) {
  return line.size() > 5 && line[3] == ' ' && line[4] >= '2' && line[4] <= '5' && line[5] == '.';
}

}  // namespace

Server::Server(ServerOptions options) : options_(std::move(options)) {}

void Server::start(TimePoint now, bool tls) {
  assert(state_ == State::kNew);
  tls_ = tls;
  state_ = State::kGreeting;
  deadline_ = now + options_.idle;
}

void Server::feed(std::string_view bytes, TimePoint now) {
  if (state_ == State::kClosed || closing_ || bytes.empty()) return;
  deadline_ = now + options_.idle;
  if (out_.handed() == 0) return close(kSync, "talked before the greeting");
  if (state_ == State::kTlsHandshake) return close({}, "plain text during the TLS handshake");
  if (input_.empty()) {
    input_ = bytes;
    return;
  }
  keep_rest();
  kept_.append(bytes);
  input_ = kept_;
}

// What was fed belongs to the caller: what is not read yet has to be copied.
void Server::keep_rest() {
  if (input_.empty()) {
    kept_.clear();
    return;
  }
  const bool ours = !kept_.empty() && input_.data() >= kept_.data() &&
                    input_.data() + input_.size() <= kept_.data() + kept_.size();
  if (ours) {
    kept_.erase(0, static_cast<size_t>(input_.data() - kept_.data()));
  } else {
    kept_.assign(input_);
  }
  input_ = kept_;
}

std::optional<Server::Event> Server::next_event() {
  if (decision_ != Decision::kNone) {
    if (held_ && !closing_) {
      keep_rest();
      return {};
    }
    if (!closing_) accept();
  }
  while (state_ != State::kClosed) {
    if (closing_) {
      state_ = State::kClosed;
      deadline_ = kNever;
      Event event;
      event.type = Event::Type::kClose;
      event.text = close_why_;
      return event;
    }
    if (state_ == State::kGreeting) {
      Event event;
      event.type = Event::Type::kConnected;
      return decide(Decision::kConnected, event);
    }
    if (std::exchange(need_tls_, false)) {
      Event event;
      event.type = Event::Type::kNeedTls;
      return event;
    }
    if (shutdown_ && state_ == State::kCommand && !mail_) {
      close("421 4.3.2 Service shutting down", "shutdown");
      continue;
    }
    const bool chunk_done = state_ == State::kChunk && chunk_left_ == 0;
    if (state_ == State::kTlsHandshake || (input_.empty() && !chunk_done)) break;
    const uint64_t before = out_.appended();
    const size_t left = input_.size();
    if (auto event = step()) return event;
    if (input_.size() == left && out_.appended() == before && !closing_) break;
  }
  keep_rest();
  return {};
}

std::optional<Server::Event> Server::step() {
  if (state_ == State::kData) return read_data();
  return state_ == State::kChunk ? read_chunk() : read_command();
}

std::optional<Server::Event> Server::read_command() {
  const void* lf = std::memchr(input_.data(), '\n', input_.size());
  if (!lf) {
    if (static_cast<unsigned char>(input_[0]) == 0x16 && !hello_) {
      close({}, "TLS where SMTP was expected");
    } else if (skipping_ || input_.size() > line_limit()) {
      skipping_ = true;
      input_ = {};
    }
    return {};
  }
  const auto length = static_cast<size_t>(static_cast<const char*>(lf) - input_.data());
  std::string_view line = input_.substr(0, length);
  const bool too_long = std::exchange(skipping_, false) || length > line_limit();
  input_.remove_prefix(length + 1);
  if (too_long) return on_long_line();
  if (line.empty() || line.back() != '\r') {
    if (state_ == State::kAuth) return auth_over("500 5.5.2 Error: bare line feed");
    bad("500 5.5.2 Error: bare line feed");
    return {};
  }
  line.remove_suffix(1);
  return state_ == State::kAuth ? on_auth_response(line) : on_line(line);
}

std::optional<Server::Event> Server::on_long_line() {
  if (++long_lines_ > 1) {
    close("421 4.7.0 Error: line too long again", "line too long");
  } else if (state_ == State::kAuth) {
    return auth_over("500 5.5.6 Error: authentication line too long");
  } else {
    bad("500 5.5.2 Error: line too long");
  }
  return {};
}

std::optional<Server::Event> Server::read_data() {
  size_t used = 0;
  std::string_view content;
  const DotDecoder::Step step = decoder_.feed(input_, used, content);
  input_.remove_prefix(used);
  if (step == DotDecoder::Step::kNeedMore) return {};
  Event event;
  if (step == DotDecoder::Step::kContent) {
    data_size_ += content.size();
    if (options_.max_size > 0 && data_size_ > options_.max_size) {
      refused_ = "552 5.3.4 Message too big";
      if (far_too_much(data_size_)) {
        close("421 4.7.0 Error: far too much data", "far too much data");
      }
      return {};
    }
    event.type = Event::Type::kDataChunk;
    event.text = content;
    return event;
  }
  if (!options_.pipelining && !input_.empty()) {
    close("500 5.5.0 Error: pipelining not supported", "pipelining");
    return {};
  }
  if (!refused_ && decoder_.nul()) refused_ = "554 5.6.0 Error: NUL in the content";
  if (!refused_ && options_.refuse_bare_newline && decoder_.bare_newline()) {
    refused_ = "554 5.6.11 Error: bare carriage return or line feed in the content";
  }
  event.type = Event::Type::kDataEnd;
  event.refused = refused_;
  return decide(Decision::kDataEnd, event);
}

bool Server::far_too_much(uint64_t size) const {
  return options_.max_size > 0 && size > options_.max_size + options_.max_size / 4 + kOverrun;
}

Server::Event Server::decide(Decision decision, const Event& event) {
  decision_ = decision;
  held_ = false;
  return event;
}

void Server::end_transaction() {
  mail_ = smtputf8_ = bdat_ = bdat_failed_ = false;
  rcpts_ = 0;
}

void Server::reply(std::string_view line) {
  if (!options_.enhanced_codes && has_enhanced_code(line)) {
    out_.append(line.substr(0, 4));
    line.remove_prefix(std::min(line.find(' ', 4), line.size() - 1) + 1);
  }
  out_.append(line);
  out_.append("\r\n");
}

// A refusal that counts: too many of them end the session.
void Server::bad(std::string_view line) {
  if (++errors_ > options_.max_errors) {
    close("421 4.7.0 Error: too many errors", "too many errors");
  } else {
    reply(line);
  }
}

// False: one too many, and the session ends.
bool Server::count_idle() {
  if (++idle_commands_ <= options_.max_idle_commands) return true;
  close("421 4.7.0 Error: too many commands without a message", "too many idle commands");
  return false;
}

void Server::idle_command(std::string_view line) {
  if (count_idle()) reply(line);
}

void Server::close(std::string_view line, std::string_view why) {
  if (closing_ || state_ == State::kClosed) return;
  if (!line.empty()) reply(line);
  closing_ = true;
  decision_ = Decision::kNone;
  held_ = false;
  close_why_ = why;
  input_ = {};
}

void Server::tls_established(TimePoint now) {
  assert(state_ == State::kTlsHandshake || state_ == State::kClosed);
  if (state_ == State::kClosed) return;
  state_ = State::kCommand;
  tls_ = true;
  hello_ = esmtp_ = auth_ = false;
  end_transaction();
  deadline_ = now + options_.idle;
}

void Server::eof() { close({}, "connection closed"); }

void Server::timeout(TimePoint now) {
  if (state_ == State::kClosed || now < deadline_) return;
  const bool quiet = state_ == State::kTlsHandshake;
  close(quiet ? std::string_view() : "421 4.4.2 Error: timeout exceeded", "timeout");
}

void Server::shutdown() { shutdown_ = true; }

size_t Server::gather(std::span<OutSlice> slices, size_t max_bytes) {
  return out_.gather(slices, max_bytes);
}

void Server::consume(size_t bytes) { out_.consume(bytes); }

}  // namespace volley::smtp
