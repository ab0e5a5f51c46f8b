#include "engine/sink/sink.h"

#include <algorithm>
#include <utility>

#include "base/files.h"
#include "engine/sink/certificate.h"
#include "engine/sink/worker.h"

namespace volley::sink {

namespace {

// Sockets that share a port among our threads would share it with another sink, too, without a word.
Status check_free(const net::Endpoint& at, const Options& options) {
  if (options.threads == 1 || at.port() == 0) return {};
  net::Loop loop;
  auto listener = net::Listener::listen(loop, at, [](net::StreamPtr) {});
  return listener ? Status() : Status(listener.error());
}

Error usage(std::string message) { return Error{Errc::kUsage, std::move(message)}; }

// Options that contradict each other: better said than one of them ignored.
Status check(const Options& o) {
  const bool refuses = o.tls_fault == TlsFault::kRefuse454 || o.tls_fault == TlsFault::kRefuse502;
  const bool made = o.tls_fault == TlsFault::kExpired || o.tls_fault == TlsFault::kWrongName;
  if (o.certificate.empty() != o.key.empty())
    return usage("a certificate and a key belong together");
  if (!o.certificate.empty() && made)
    return usage("a certificate of one's own, or one with a fault");
  if (o.implicit_tls && refuses) return usage("with implicit TLS there is no STARTTLS to refuse");
  if (!o.implicit_tls && !o.server.starttls && o.tls_fault != TlsFault::kNone) {
    return usage("a TLS fault needs STARTTLS or implicit TLS");
  }
  if (!o.login && (o.server.auth_required || o.server.auth_in_clear)) {
    return usage("a login is needed for AUTH");
  }
  const bool behaves = !o.rules.empty() || o.login || o.delays.distance.most > Duration::zero() ||
                       !o.delays.work_none() || !o.log.empty();
  const bool odd = refuses || o.tls_fault == TlsFault::kGarbage || o.tls_fault == TlsFault::kStall;
  if (!o.dialog.empty() && (behaves || odd)) {
    return usage(
        "a dialogue is all that connections get: no rules, delays, logins, log or refused TLS");
  }
  return {};
}

// What is announced is kept, unless something else was asked for.
void keep_to_limits(Options& options) {
  const smtp::AnnouncedLimits& limits = options.server.limits;
  if (options.max_messages == 0) options.max_messages = limits.mail_max;
  if (limits.rcpt_max > 0)
    options.server.max_rcpts = std::min(options.server.max_rcpts, limits.rcpt_max);
  if (!options.login) options.server.auth.clear();
}

Status prepare(Shared& shared) {
  const Options& options = shared.options;
  if (options.server.starttls || options.implicit_tls || !options.dialog.empty()) {
    auto tls = make_tls(options);
    if (!tls) return tls.error();
    shared.tls = std::move(tls).value();
  }
  if (options.login) {
    shared.login =
        std::make_unique<LoginCheck>(options.login->user, options.login->password, options.seed);
  }
  if (options.dialog.empty()) return {};
  auto text = read_file(options.dialog);
  if (!text) return text.error();
  auto script = Script::parse(*text);
  if (!script) return Error{script.error().code, options.dialog + ": " + script.error().message};
  shared.script = std::move(script).value();
  return {};
}

}  // namespace

struct Sink::Impl {
  explicit Impl(Options options) : shared(std::move(options)) {}
  ~Impl() {
    for (auto& worker : workers) worker->stop();
  }

  Shared shared;
  std::vector<std::unique_ptr<Worker>> workers;
};

Sink::Sink(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Sink::~Sink() = default;

Result<std::unique_ptr<Sink>> Sink::start(Options options) {
  if (options.threads == 0) options.threads = 1;
  Result<net::Endpoint> at = net::Endpoint::parse(options.listen);
  if (!at) return at.error();
  if (!at->is_ip()) options.threads = 1;  // only IP sockets can share a port
  if (Status status = check(options); !status) return status.error();
  keep_to_limits(options);
  auto impl = std::make_unique<Impl>(std::move(options));
  if (Status status = prepare(impl->shared); !status) return status.error();
  if (Status status = check_free(*at, impl->shared.options); !status) return status.error();
  net::Endpoint bind = *at;
  for (unsigned i = 0; i < impl->shared.options.threads; ++i) {
    auto worker = std::make_unique<Worker>(impl->shared);
    if (Status status = worker->open(bind); !status) return status.error();
    if (i == 0) bind = worker->endpoint();
    impl->workers.push_back(std::move(worker));
  }
  for (auto& worker : impl->workers) worker->start();
  return std::unique_ptr<Sink>(new Sink(std::move(impl)));
}

std::string Sink::address() const { return impl_->workers.front()->endpoint().str(); }

Totals Sink::totals() const {
  const Shared& shared = impl_->shared;
  return {shared.connections.load(), shared.messages.load(), shared.bytes.load(),
          shared.refused.load()};
}

}  // namespace volley::sink
