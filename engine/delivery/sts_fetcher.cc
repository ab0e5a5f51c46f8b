#include "engine/delivery/sts_fetcher.h"

#include <deque>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/net/loop.h"
#include "base/net/tls.h"
#include "base/random.h"
#include "dns/mx.h"
#include "engine/delivery/sts_fetch.h"

namespace volley::delivery {

struct StsFetcher::Impl {
  const StsFetcherSettings settings;
  net::Loop loop;
  std::unique_ptr<net::TlsContext> tls;
  std::unique_ptr<dns::Resolver> resolver;
  std::thread thread;
  // The thread's alone.
  std::deque<std::string> waiting;
  std::unordered_map<std::string, std::unique_ptr<StsFetch>> running;
  bool starting = false;

  mutable std::mutex mutex;
  std::unordered_map<std::string, std::vector<Done>> askers;  // by domain; guarded

  explicit Impl(const StsFetcherSettings& s) : settings(s) {}

  Status open();
  void begin(const std::string& domain);
  void start_waiting();
  void finish(const std::string& domain, const StsOutcome& outcome);
};

Status StsFetcher::Impl::open() {
  // No sessions: each fetch looks at the certificate anew.
  auto context = net::TlsContext::client(
      {.ca_file = settings.ca_file, .system_cas = settings.system_cas, .max_sessions = 0});
  if (!context) return context.error();
  tls = std::move(*context);
  auto made =
      dns::CaresResolver::create(loop, settings.dns, Random::seed_from_system(), settings.counters);
  if (!made) return made.error();
  resolver = std::move(*made);
  thread = std::thread([this] { loop.run(); });
  return {};
}

void StsFetcher::Impl::begin(const std::string& domain) {
  waiting.push_back(domain);
  start_waiting();
}

// A fetch may end while it starts; the loop here then goes on, instead of one within another.
void StsFetcher::Impl::start_waiting() {
  if (std::exchange(starting, true)) return;
  while (!waiting.empty() && running.size() < settings.parallel) {
    const std::string domain = std::move(waiting.front());
    waiting.pop_front();
    auto done = [this, domain](const StsOutcome& outcome) { finish(domain, outcome); };
    auto& fetch = running[domain];
    fetch = std::make_unique<StsFetch>(loop, *resolver, *tls, settings, domain, std::move(done));
    fetch->start();
  }
  starting = false;
}

void StsFetcher::Impl::finish(const std::string& domain, const StsOutcome& outcome) {
  std::vector<Done> told;
  {
    const std::lock_guard lock(mutex);
    auto found = askers.extract(domain);
    told = std::move(found.mapped());
  }
  // It is what has called us: it goes when we return.
  auto ended = running.extract(domain);
  for (const Done& done : told) done(outcome);
  start_waiting();
}

StsFetcher::StsFetcher(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Result<std::unique_ptr<StsFetcher>> StsFetcher::start(const StsFetcherSettings& settings) {
  auto impl = std::make_unique<Impl>(settings);
  if (Status opened = impl->open(); !opened) return opened.error();
  return std::unique_ptr<StsFetcher>(new StsFetcher(std::move(impl)));
}

StsFetcher::~StsFetcher() {
  impl_->loop.post([impl = impl_.get()] {
    impl->running.clear();
    impl->resolver.reset();
    impl->loop.stop();
  });
  impl_->thread.join();
}

bool StsFetcher::fetch(std::string_view domain, Done done) {
  std::string name = dns::canonical_name(domain);
  const std::lock_guard lock(impl_->mutex);
  const auto found = impl_->askers.find(name);
  if (found != impl_->askers.end()) {
    found->second.push_back(std::move(done));
    return true;
  }
  if (impl_->askers.size() >= impl_->settings.max_domains) return false;
  impl_->askers[name].push_back(std::move(done));
  impl_->loop.post([impl = impl_.get(), name = std::move(name)] { impl->begin(name); });
  return true;
}

size_t StsFetcher::pending() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->askers.size();
}

}  // namespace volley::delivery
