// PathPool's way to a connection: which host, its addresses, what DANE says of it, how TLS is done, and how it is spoken to.
#include <fmt/format.h>

#include <algorithm>

#include "engine/delivery/path_pool.h"
#include "engine/delivery/site_runner.h"

namespace volley::delivery {
namespace {

constexpr size_t kAddresses = 5;
constexpr int64_t kWorthAnew = 16;   // messages that wait, for each session
constexpr uint32_t kLookEvery = 4;   // messages of a session
constexpr smtp::EnhancedCode kNoDns{4, 4, 3};
constexpr smtp::EnhancedCode kUnroutable{4, 4, 4};
constexpr smtp::EnhancedCode kNoTrust{4, 7, 5};

smtp::Outcome no_address(const std::string& host, const dns::AddressAnswer& answer) {
  using Kind = smtp::Outcome::Kind;
  if (answer.refused_private) {
    return never_reached(
        Kind::kRetry,
        host + " has only private addresses, which [dns] allow_private does not permit",
        kUnroutable);
  }
  if (answer.permanent) return never_reached(Kind::kFailed, host + " has no address", kNoHost);
  return never_reached(Kind::kRetry,
                       "address look-up failed: " + (answer.detail.empty() ? host : answer.detail),
                       kNoDns);
}

}  // namespace

// One connection is enough to wait in; what waits for other hosts has the rest.
bool PathPool::is_full_tarpit(const std::shared_ptr<Host>& host) const {
  const auto leads_there = [&](const Opening& opening) { return hosts_[opening.host] == host; };
  const bool held = std::any_of(openings_.begin(), openings_.end(), leads_there) ||
                    (next_ && hosts_[next_->host] == host) ||
                    std::any_of(sessions_.begin(), sessions_.end(), [&](const auto& session) {
                      return !session->gone() && session->host() == host;
                    });
  return held && tools_.memory.hosts.facts(host->key, wall_now()).tarpit;
}

// Every host that could be connected to is one; the name of the first.
const std::string* PathPool::only_tarpits(TimePoint now) const {
  const std::string* name = nullptr;
  for (const auto& host : hosts_) {
    if (host->bad(now)) continue;
    if (!is_full_tarpit(host)) return nullptr;
    if (name == nullptr) name = &host->name;
  }
  return name;
}

std::optional<size_t> PathPool::choose_host(TimePoint now) {
  std::vector<bool> out(hosts_.size());
  for (size_t i = 0; i < hosts_.size(); ++i) {
    out[i] = hosts_[i]->bad(now) || is_full_tarpit(hosts_[i]);
  }
  // One that lacks something for a message comes last, whatever its preference.
  bool others = false;
  const auto first = [&](size_t i) { return !out[i] && now >= hosts_[i]->others_first_until; };
  for (size_t i = 0; i < hosts_.size(); ++i) others = others || first(i);
  std::vector<size_t> equals;
  for (size_t i = 0; i < hosts_.size(); ++i) {
    if (others ? !first(i) : out[i]) continue;
    const uint16_t preference = path_->hosts[i].preference;
    if (!equals.empty() && preference > path_->hosts[equals.front()].preference) continue;
    if (!equals.empty() && preference < path_->hosts[equals.front()].preference) equals.clear();
    equals.push_back(i);
  }
  if (equals.empty()) return std::nullopt;
  return equals[turn_++ % equals.size()];
}

void PathPool::open_one(TimePoint now) {
  const std::optional<size_t> host = choose_host(now);
  if (!host) {
    TimePoint soonest = kNever;
    for (const auto& h : hosts_) soonest = std::min(soonest, h->bad_until);
    rest_until_ = soonest;
    return;
  }
  const std::string& name = path_->hosts[*host].name;
  if (const auto literal = net::Endpoint::from_ip(name, path_->port)) {
    return connect(*host, {*literal}, {}, now);
  }
  openings_.push_back({resolver().addresses(name, *this), *host});
}

std::optional<PathPool::Opening> PathPool::opening_of(dns::QueryId query) {
  const auto found = std::find_if(openings_.begin(), openings_.end(),
                                  [query](const Opening& o) { return o.query == query; });
  if (found == openings_.end()) return std::nullopt;
  Opening opening = std::move(*found);
  openings_.erase(found);
  wake();
  return opening;
}

void PathPool::on_mx(dns::QueryId, const dns::MxAnswer&) {}

void PathPool::on_addresses(dns::QueryId id, const dns::AddressAnswer& answer) {
  std::optional<Opening> opening = opening_of(id);
  if (!opening) return;
  const TimePoint now = tools_.loop.now();
  const std::string& name = hosts_[opening->host]->name;
  if (answer.addresses.empty()) {
    return host_failed(*hosts_[opening->host], no_address(name, answer), now);
  }
  for (const net::Endpoint& address : answer.addresses) {
    if (opening->addresses.size() == kAddresses) break;
    opening->addresses.push_back(address.with_port(path_->port));
  }
  if (tools_.settings.dane && path_->limits.tls != TlsPolicy::kNever) {
    opening->bases = tlsa_bases(path_->mx_authenticated, name, answer);
    std::reverse(opening->bases.begin(), opening->bases.end());
  }
  ask_tlsa_or_connect(std::move(*opening), now);
}

void PathPool::ask_tlsa_or_connect(Opening opening, TimePoint now) {
  if (opening.bases.empty()) return connect(opening.host, std::move(opening.addresses), {}, now);
  opening.query = resolver().tlsa(opening.bases.back(), path_->port, *this);
  openings_.push_back(std::move(opening));
}

void PathPool::on_tlsa(dns::QueryId id, const dns::TlsaAnswer& answer) {
  std::optional<Opening> opening = opening_of(id);
  if (!opening) return;
  const TimePoint now = tools_.loop.now();
  const DaneDecision dane = decide_dane(opening->bases.back(), answer);
  opening->bases.pop_back();
  if (dane.verdict == DaneVerdict::kNone) return ask_tlsa_or_connect(std::move(*opening), now);
  if (const std::string_view wrong = result_type(dane.verdict); !wrong.empty()) {
    tools_.tls_report.failed(PolicyType::kTlsa, site_.name(), wrong);
  }
  if (dane.verdict == DaneVerdict::kSkipHost) {
    Host& host = *hosts_[opening->host];
    site_.note(dane.detail);
    return host_failed(host, never_reached(smtp::Outcome::Kind::kRetry, dane.detail, kNoTrust),
                       now);
  }
  connect(opening->host, std::move(opening->addresses), dane, now);
}

void PathPool::connect(size_t host, std::vector<net::Endpoint> addresses, const DaneDecision& dane,
                       TimePoint now) {
  const Host& to = *hosts_[host];
  TlsPlan plan = plan_tls(*path_, to.name, dane, tools_.memory.hosts.facts(to.key, wall_now()),
                          site_.force_tls(now));
  start_session(host, std::move(addresses), std::move(plan), now);
}

smtp::Chunking PathPool::chunking(const HostFacts& facts) const {
  if (facts.quirks & smtp::kNoChunking) return smtp::Chunking::kNever;
  switch (path_->limits.chunking) {
    case ChunkingPolicy::kNever:
      return smtp::Chunking::kNever;
    case ChunkingPolicy::kAlways:
      return smtp::Chunking::kStream;
    case ChunkingPolicy::kAuto:
      break;
  }
  return facts.proven ? smtp::Chunking::kStream : smtp::Chunking::kNever;
}

// Opened before its host had proven itself: with much to send, another connection that streams is worth its handshake. A quarter
// of them at a time, and none while one could not be replaced: who takes no new connections keeps those it has. Looked at now and
// then, for what is known of a host has a lock.
bool PathPool::outgrown(const Session& session) const {
  const Host& host = *session.host();
  if (session.streams() || !session.caps().chunking || host.delivered < kProvenAfter) return false;
  if (session.submitted() % kLookEvery != 0 || path_->limits.chunking == ChunkingPolicy::kNever)
    return false;
  const size_t sessions = sessions_.size();
  if (lanes_.waiting() < kWorthAnew * static_cast<int64_t>(sessions)) return false;
  if (host.failures > 0) return false;
  if ((closing() + tally().opening) * 4 >= std::max<size_t>(sessions, 4)) return false;
  return chunking(tools_.memory.hosts.facts(host.key, wall_now())) == smtp::Chunking::kStream;
}

smtp::ClientOptions PathPool::client_options(const HostFacts& facts, const TlsPlan& plan) {
  smtp::ClientOptions options;
  const smtp::Quirks quirks = facts.quirks;
  options.ehlo_name = tools_.settings.hostname.empty() ? "localhost" : tools_.settings.hostname;
  options.tls = plan.mode;
  options.pipelining = !(quirks & smtp::kNoPipelining);
  options.cross_message = !(quirks & smtp::kNoCrossMessage);
  options.chunking = chunking(facts);
  options.helo_only = quirks & smtp::kHeloOnly;
  options.rset_between = quirks & smtp::kNeedsRset;
  options.mail_parameters = !(quirks & smtp::kNoParameters);
  options.dsn_parameters = !(quirks & smtp::kNoDsn);
  options.hold_until_mark = !facts.proven && path_->limits.chunking != ChunkingPolicy::kAlways;
  options.refuse_own_name = !path_->routed;
  if (path_->login) {
    options.credentials = path_->login->current();
    options.sasl_nonce =
        fmt::format("{:016x}{:016x}", Random::seed_from_system(), Random::seed_from_system());
    options.auth_in_clear = path_->auth_in_clear;
  }
  return options;
}

void PathPool::start_session(size_t host, std::vector<net::Endpoint> addresses, TlsPlan plan,
                             TimePoint now) {
  // Taken while we asked for the address: our turn comes again.
  if (!tools_.turns.take()) return wake();
  const HostFacts facts = tools_.memory.hosts.facts(hosts_[host]->key, wall_now());
  SessionOptions options;
  options.client = client_options(facts, plan);
  options.plan = std::move(plan);
  options.host = hosts_[host];
  options.addresses = std::move(addresses);
  const auto source = net::Endpoint::from_ip(tools_.settings.source_ip, 0);
  if (source && source->family() == options.addresses.front().family()) options.source = source;
  options.tls = tools_.tls;
  options.connect_timeout = tools_.settings.connect_timeout;
  options.idle = tools_.settings.idle_connection;
  options.messages = std::max(1u, site_.message_limit(now));
  if (facts.messages > 0) options.messages = std::min(options.messages, facts.messages);
  options.recipients = facts.recipients > 0 ? facts.recipients : path_->limits.recipients;
  sessions_.push_back(std::make_unique<Session>(tools_.loop, *this, std::move(options)));
  site_.connection(1);
  tools_.shard[metrics::Metric::kConnectionsOpen].add();
}

// Of a session that is ready, or (`end`) that never got there.
void PathPool::report_tls(const Session& session, const SessionEnd* end) {
  const PolicyType policy = session.plan().policy;
  if (end == nullptr) {
    const net::TlsFailure failure = session.tls_info().failure;  // of a policy that is only tested
    if (failure != net::TlsFailure::kNone)
      return tools_.tls_report.failed(policy, site_.name(), net::str(failure));
    if (session.tls()) return tools_.tls_report.succeeded(policy, site_.name());
    if (session.plan().mode == smtp::TlsMode::kNever) return;
    return tools_.tls_report.failed(policy, site_.name(), "starttls-not-supported");
  }
  if (end->closed.reason != smtp::CloseReason::kTls) return;
  const bool handshake =
      end->tls_failure != net::TlsFailure::kNone || end->closed.outcome.stage == smtp::Stage::kTls;
  tools_.tls_report.failed(policy, site_.name(),
                           !handshake ? "starttls-not-supported"
                           : end->tls_failure == net::TlsFailure::kNone
                               ? "validation-failure"
                               : net::str(end->tls_failure));
}

}  // namespace volley::delivery
