// What the session decides about each event of the server core.
#include <algorithm>

#include "engine/sink/session.h"
#include "engine/sink/worker.h"

namespace volley::sink {
namespace {

std::string_view domain_of(std::string_view address) {
  const size_t at = address.rfind('@');
  return at == std::string_view::npos ? "" : address.substr(at + 1);
}

}  // namespace

void Session::handle(const Event& event) {
  using Type = Event::Type;
  event_ = &event;
  switch (event.type) {
    case Type::kConnected:
      return on_connected_event();
    case Type::kEhlo:
      ehlo_ = event.text;
      reset();
      obey(Step::kEhlo, event.text, {});
      return;
    case Type::kStartTls:
      if (obey(Step::kStartTls, ehlo_, {}) != Verdict::kUsual) return;
      if (worker_.shared().options.tls_fault == TlsFault::kRefuse454) {
        server_.respond(454, "4.7.0", "TLS not available just now");
      } else if (worker_.shared().options.tls_fault == TlsFault::kRefuse502) {
        server_.respond(502, "5.5.1", "command not implemented");
      }
      return;
    case Type::kAuth:
    case Type::kAuthResponse:
      return on_auth(event);
    case Type::kAuthEnd:
      trouble().login.reset();
      return;
    case Type::kMail:
      return on_mail(event);
    case Type::kRcpt:
      return on_rcpt(event);
    case Type::kDataStart:
      return on_data_start(event);
    case Type::kDataChunk:
      return on_content(event.text);
    case Type::kChunkEnd:
      return on_chunk_end();
    case Type::kDataEnd:
      return on_end_of_data(event);
    case Type::kReset:
      if (obey(Step::kReset, ehlo_, {}) != Verdict::kRefused) reset();
      return;
    case Type::kQuit:
      obey(Step::kQuit, ehlo_, {});
      return;
    case Type::kNeedTls:
      need_tls_ = true;
      user_.clear();
      return reset();
    case Type::kClose:
      closing_ = true;
      if (trouble_) trouble_->waits = Waits::kNothing;
      return;
  }
}

void Session::on_connected_event() {
  Shared& shared = worker_.shared();
  const uint32_t cap = shared.options.max_connections;
  if (cap > 0 && shared.open_connections.load(std::memory_order_relaxed) > cap) {
    shared.refused.fetch_add(1, std::memory_order_relaxed);
    server_.respond(421, "4.7.0", "too many connections");
    return;
  }
  obey(Step::kConnect, {}, {});
}

void Session::on_auth(const Event& event) {
  if (event.type == Event::Type::kAuth) {
    Trouble& t = trouble();
    t.login = std::make_unique<LoginExchange>(*worker_.shared().login, event.text, t.random);
    if (obey(Step::kAuth, event.text, {}) != Verdict::kUsual) return;
  }
  log_in(event);
}

void Session::log_in(const Event& event) {
  LoginExchange& login = *trouble_->login;
  const LoginExchange::State state =
      event.type == Event::Type::kAuth ? login.begin(event.initial) : login.next(event.text);
  if (state == LoginExchange::State::kChallenge) return server_.challenge(login.challenge());
  if (state == LoginExchange::State::kDone) {
    user_ = worker_.shared().login->user();
    server_.respond(235, "2.7.0", "Authentication successful");
  } else {
    worker_.shared().refused.fetch_add(1, std::memory_order_relaxed);
    server_.respond(535, "5.7.8", "Error: authentication failed");
  }
  trouble_->login.reset();
}

void Session::on_mail(const Event& event) {
  const uint32_t cap = worker_.shared().options.max_messages;
  if (cap > 0 && messages_ >= cap) {
    server_.respond(421, "4.7.0", "too many messages in this session");
    return;
  }
  reset();
  if (obey(Step::kMail, event.text, {}) == Verdict::kRefused) return;
  from_.assign(event.text);
  open_ = true;
}

void Session::on_rcpt(const Event& event) {
  const Shared& shared = worker_.shared();
  if (shared.options.server.limits.rcpt_domain_max > 0 && spread_too_wide(event.text)) {
    server_.respond(452, "4.5.3", "too many domains in this transaction");
    return;
  }
  if (!shared.rules.wants(Step::kRcpt)) {
    recipients_.emplace_back(event.text);
    return;
  }
  candidate_.assign(1, std::string(event.text));
  if (obey(Step::kRcpt, from_, candidate_) != Verdict::kRefused) {
    recipients_.push_back(std::move(candidate_[0]));
  }
}

bool Session::spread_too_wide(std::string_view recipient) const {
  std::vector<std::string_view> domains{domain_of(recipient)};
  for (const std::string& known : recipients_) {
    const std::string_view domain = domain_of(known);
    if (std::find(domains.begin(), domains.end(), domain) == domains.end()) {
      domains.push_back(domain);
    }
  }
  return domains.size() > worker_.shared().options.server.limits.rcpt_domain_max;
}

void Session::on_data_start(const Event& event) {
  if (!event.chunking && obey(Step::kData, from_, recipients_) == Verdict::kRefused) return;
  bytes_ = 0;
  body_seen_ = false;
  early_ = Early::kNo;
  if (worker_.logs()) digest_.emplace();
}

void Session::on_content(std::string_view content) {
  bytes_ += content.size();
  if (digest_) digest_->update(content);
  if (!body_seen_ && worker_.shared().rules.wants(Step::kBody)) act_on_body();
  body_seen_ = true;
}

void Session::on_chunk_end() {
  if (early_ == Early::kNo) {
    obey(Step::kBdat, from_, recipients_);
    return;
  }
  send();
  server_.accept();
  collect();
}

void Session::on_end_of_data(const Event& event) {
  ++messages_;
  if (event.refused || early_ == Early::kRefused) {
    worker_.shared().refused.fetch_add(1, std::memory_order_relaxed);
  }
  Verdict verdict = event.refused ? Verdict::kRefused : Verdict::kUsual;
  if (early_ != Early::kNo) {  // the answer was given
    send();
    if (early_ == Early::kRefused) verdict = Verdict::kRefused;
    server_.accept();
    collect();
  } else if (!event.refused) {
    if (event.chunking) verdict = obey(Step::kBdat, from_, recipients_);
    if (verdict == Verdict::kUsual) verdict = obey(Step::kEndOfData, from_, recipients_);
    if (verdict == Verdict::kUsual && !keeps_within_meter()) verdict = Verdict::kRefused;
  }
  if (verdict != Verdict::kRefused) take_message(event.chunking);
  reset();
}

// The words are those of Amazon SES and of Gmail.
bool Session::keeps_within_meter() {
  Shared& shared = worker_.shared();
  const Meter::Answer answer = shared.meter.take(worker_.loop().now());
  if (answer == Meter::Answer::kTaken) return true;
  shared.refused.fetch_add(1, std::memory_order_relaxed);
  if (answer == Meter::Answer::kTooFast) {
    server_.respond(454, "4.7.0", "Throttling failure: Maximum sending rate exceeded");
  } else {
    server_.respond(550, "5.4.5", "Daily user sending limit exceeded");
  }
  return false;
}

void Session::take_message(bool chunking) {
  Shared& shared = worker_.shared();
  shared.messages.fetch_add(1, std::memory_order_relaxed);
  shared.bytes.fetch_add(bytes_, std::memory_order_relaxed);
  if (!digest_) return;
  LogLine line;
  line.from = from_;
  line.recipients = recipients_;
  line.bytes = bytes_;
  line.port = port_;
  line.sha256 = digest_->finish();
  line.tls = server_.tls();
  line.chunking = chunking;
  line.user = user_;
  line.tls_version = tls_version_;
  line.ehlo = ehlo_;
  worker_.log(id_, line);
}

void Session::reset() {
  from_.clear();
  recipients_.clear();
  digest_.reset();
  open_ = false;
}

}  // namespace volley::sink
