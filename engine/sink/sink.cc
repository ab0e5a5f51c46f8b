#include "engine/sink/sink.h"

#include <utility>

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
  auto impl = std::make_unique<Impl>(std::move(options));
  if (impl->shared.options.starttls) {
    auto tls = net::TlsContext::self_signed_server(smtp::ServerOptions().name);
    if (!tls) return tls.error();
    impl->shared.tls = std::move(tls).value();
  }
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
