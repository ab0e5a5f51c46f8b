#include "engine/delivery/path_pool.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>

#include "engine/delivery/site_runner.h"

namespace volley::delivery {
namespace {

using metrics::Metric;
using metrics::SiteMetric;

constexpr size_t kAddresses = 5;
constexpr Duration kLackingRest = std::chrono::seconds(1);
constexpr int64_t kWorthASession = 4;  // bulk recipients waiting that justify one more connection
constexpr smtp::EnhancedCode kNoDns{4, 4, 3};
constexpr smtp::EnhancedCode kLacking{4, 3, 2};
constexpr smtp::EnhancedCode kUnroutable{4, 4, 4};
constexpr smtp::EnhancedCode kNoHost{5, 4, 4};

smtp::Outcome unreachable(smtp::Outcome::Kind kind, std::string why, smtp::EnhancedCode code) {
  smtp::Outcome outcome;
  outcome.kind = kind;
  outcome.stage = smtp::Stage::kConnect;
  outcome.error = std::move(why);
  outcome.local = code;
  return outcome;
}

smtp::Outcome no_address(const std::string& host, const dns::AddressAnswer& answer) {
  using Kind = smtp::Outcome::Kind;
  if (answer.refused_private) {
    return unreachable(
        Kind::kRetry,
        host + " has only private addresses, which [dns] allow_private does not permit",
        kUnroutable);
  }
  if (answer.permanent) return unreachable(Kind::kFailed, host + " has no address", kNoHost);
  return unreachable(Kind::kRetry,
                     "address look-up failed: " + (answer.detail.empty() ? host : answer.detail),
                     kNoDns);
}

}  // namespace

PathPool::PathPool(Tools& tools, SiteRunner& runner, Site& site, std::shared_ptr<const Path> path)
    : tools_(tools), runner_(runner), site_(site), path_(std::move(path)), lanes_(site.held) {
  for (const dns::MxHost& host : path_->hosts) {
    hosts_.push_back(tools_.hosts.find(host.name, path_->port));
  }
  given_up_.resize(hosts_.size());
}

PathPool::~PathPool() {
  for (const Opening& opening : openings_) resolver().cancel(opening.query);
  for (const auto& session : sessions_) {
    if (session->gone()) continue;
    site_.connection(-1);
    tools_.turns.give_back();
    tools_.shard[Metric::kConnectionsOpen].sub();
  }
}

void PathPool::wake() { tools_.foreman.wake(runner_); }

dns::Resolver& PathPool::resolver() const {
  return path_->routed ? static_cast<dns::Resolver&>(tools_.system_names) : tools_.resolver;
}

PathPool::Tally PathPool::tally() const {
  Tally tally;
  tally.opening = openings_.size();
  for (const auto& session : sessions_) {
    tally.ready += session->ready();
    tally.opening += session->opening();
  }
  return tally;
}

size_t PathPool::closing() const {
  return static_cast<size_t>(std::count_if(sessions_.begin(), sessions_.end(), [](const auto& s) {
    return !s->ready() && !s->opening();
  }));
}

bool PathPool::wants_session(TimePoint now) const {
  if (failing_ || resting(now) || lanes_.waiting() == 0 || !site_.token(now)) return false;
  const Tally have = tally();
  // Gently: never more attempts at once than there are connections that work.
  if (have.opening >= std::max<size_t>(1, have.ready)) return false;
  const int64_t urgent = lanes_.transactional_waiting();
  const int64_t bulk = lanes_.waiting() - urgent;
  const int64_t wanted = urgent + (bulk + kWorthASession - 1) / kWorthASession;
  return static_cast<int64_t>(have.ready + have.opening) < wanted;
}

std::optional<size_t> PathPool::choose_host(TimePoint now) {
  std::vector<size_t> equals;
  for (size_t i = 0; i < hosts_.size(); ++i) {
    if (hosts_[i]->bad(now)) continue;
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
    return connect(*host, {*literal}, now);
  }
  openings_.push_back({resolver().addresses(name, *this), *host});
}

void PathPool::on_mx(dns::QueryId, const dns::MxAnswer&) {}

void PathPool::on_addresses(dns::QueryId id, const dns::AddressAnswer& answer) {
  const auto opening = std::find_if(openings_.begin(), openings_.end(),
                                    [id](const Opening& o) { return o.query == id; });
  if (opening == openings_.end()) return;
  const size_t host = opening->host;
  openings_.erase(opening);
  wake();
  const TimePoint now = tools_.loop.now();
  if (answer.addresses.empty()) {
    host_failed(*hosts_[host], no_address(hosts_[host]->name, answer), now);
    return;
  }
  std::vector<net::Endpoint> addresses;
  for (const net::Endpoint& address : answer.addresses) {
    if (addresses.size() < kAddresses) addresses.push_back(address.with_port(path_->port));
  }
  connect(host, std::move(addresses), now);
}

smtp::ClientOptions PathPool::client_options(const HostFacts& facts, TimePoint now) const {
  smtp::ClientOptions options;
  const smtp::Quirks quirks = facts.quirks;
  const bool required = path_->limits.tls == TlsPolicy::kRequired || site_.force_tls(now);
  const bool never = path_->limits.tls == TlsPolicy::kNever || (quirks & smtp::kNoTls);
  options.ehlo_name = tools_.settings.hostname.empty() ? "localhost" : tools_.settings.hostname;
  options.tls = required ? smtp::TlsMode::kRequired
                : never  ? smtp::TlsMode::kNever
                         : smtp::TlsMode::kOpportunistic;
  options.pipelining = !(quirks & smtp::kNoPipelining);
  options.helo_only = quirks & smtp::kHeloOnly;
  options.rset_between = quirks & smtp::kNeedsRset;
  options.mail_parameters = !(quirks & smtp::kNoParameters);
  options.hold_until_mark = !facts.proven;
  options.refuse_own_name = !path_->routed;
  return options;
}

void PathPool::connect(size_t host, std::vector<net::Endpoint> addresses, TimePoint now) {
  // Taken while we asked for the address: our turn comes again.
  if (!tools_.turns.take()) return wake();
  const HostFacts facts = tools_.memory.hosts.facts(hosts_[host]->key, wall_now());
  SessionOptions options;
  options.client = client_options(facts, now);
  options.host = hosts_[host];
  options.addresses = std::move(addresses);
  const auto source = net::Endpoint::from_ip(tools_.settings.source_ip, 0);
  if (source && source->family() == options.addresses.front().family()) options.source = source;
  options.tls = tools_.tls.get();
  options.connect_timeout = tools_.settings.connect_timeout;
  options.idle = tools_.settings.idle_connection;
  options.messages = std::max(1u, site_.message_limit(now));
  if (facts.messages > 0) options.messages = std::min(options.messages, facts.messages);
  sessions_.push_back(std::make_unique<Session>(tools_.loop, *this, std::move(options)));
  site_.connection(1);
  tools_.shard[Metric::kConnectionsOpen].add();
}

void PathPool::on_session_connected(Session&) {
  tools_.brakes.connected(path_->port, tools_.loop.now());
  tools_.shard[Metric::kConnectionsOpened].add();
  site_.cells()[SiteMetric::kConnectionsOpened].add();
}

void PathPool::on_session_ready(Session& session) {
  if (session.tls()) tools_.shard[Metric::kTlsHandshakes].add();
  last_failure_.reset();
  failing_ = false;
  rest_until_ = {};
  given_up_.assign(hosts_.size(), false);
  wake();  // the next connection may be opened now
}

void PathPool::on_session_ended(Session& session, const SessionEnd& end) {
  const TimePoint now = tools_.loop.now();
  wake();
  if (end.closed.reason == smtp::CloseReason::kDesync) tools_.shard[Metric::kDesyncs].add();
  if (end.closed.reason == smtp::CloseReason::kTls) tools_.shard[Metric::kTlsFailures].add();
  if (end.ready) return working_session_ended(session, end, now);
  if (end.closed.reason == smtp::CloseReason::kQuit) return;  // we gave it up ourselves
  opening_failed(session, end, now);
}

void PathPool::on_session_gone(Session&) {
  site_.connection(-1);
  tools_.turns.give_back();
  tools_.shard[Metric::kConnectionsOpen].sub();
  wake();
  tools_.foreman.wake_next();
}

void PathPool::opening_failed(Session& session, const SessionEnd& end, TimePoint now) {
  if (end.local) return lacking(end.closed.outcome.error, now);
  const std::shared_ptr<Host>& host = session.host();
  tools_.shard[Metric::kConnectionsFailed].add();
  site_.cells()[SiteMetric::kConnectionFailures].add();
  if (learn(*host, end.quirks)) return;  // it will be talked to in another way, at once
  const smtp::Outcome& outcome = end.closed.outcome;
  if (!end.connected && session.addresses().size() > 1 && !tools_.draining) {
    const size_t index =
        static_cast<size_t>(std::find(hosts_.begin(), hosts_.end(), host) - hosts_.begin());
    return connect(index, {session.addresses().begin() + 1, session.addresses().end()}, now);
  }
  const std::string campaign(some_campaign());
  if (end.timed_out) {
    brake(tools_.brakes.connect_timed_out(site_.name(), campaign, path_->port, now), campaign, now);
  } else {
    const smtp::Verdict verdict = tools_.classifier.classify(outcome, path_->provider);
    const PathAction action = path_action(outcome, verdict);
    if (outcome.reply.code == 0) site_.note(outcome.error);
    act(action, outcome.reply, campaign, now);
    report(action, campaign, now);
  }
  host_failed(*host, outcome, now);
}

// Nobody refused us: the mail waits until there is what was missing.
void PathPool::lacking(std::string why, TimePoint now) {
  rest_until_ = now + kLackingRest;
  last_failure_ = unreachable(smtp::Outcome::Kind::kRetry, std::move(why), kLacking);
}

// Once nothing is connected or being connected, and each host failed in turn, what waits is deferred and the path
// rests. "In turn", since by the time the last of them has timed out the first one's back-off is over.
void PathPool::host_failed(Host& host, const smtp::Outcome& outcome, TimePoint now) {
  host.failed(now, tools_.random);
  for (size_t i = 0; i < hosts_.size(); ++i) {
    if (hosts_[i].get() == &host || hosts_[i]->bad(now)) given_up_[i] = true;
  }
  // "No such host" counts only when all say so: a host that is down may come back.
  if (outcome.local != kNoHost || !last_failure_) last_failure_ = outcome;
  const Tally have = tally();
  if (have.ready + have.opening > 0) return;
  if (std::find(given_up_.begin(), given_up_.end(), false) != given_up_.end()) return;
  given_up_.assign(hosts_.size(), false);
  TimePoint soonest = kNever;
  for (const auto& h : hosts_) soonest = std::min(soonest, h->bad_until);
  rest_until_ = soonest;
  failing_ = true;
}

void PathPool::working_session_ended(Session& session, const SessionEnd& end, TimePoint now) {
  Host& host = *session.host();
  const smtp::Closed& closed = end.closed;
  const bool learned = learn(host, end.quirks);
  // A 421 to the first MAIL is an answer, but not one that a connection was worth being opened for.
  const uint32_t said = closed.reason == smtp::CloseReason::kServerClosing ? 1 : 0;
  const bool useful = closed.delivered > 0 || end.answered > said;
  if (useful || closed.reason == smtp::CloseReason::kQuit) {
    host.worked();
  } else if (!learned) {
    host.failed(now, tools_.random);
  }
  const bool lost = closed.reason == smtp::CloseReason::kServerClosing ||
                    closed.reason == smtp::CloseReason::kPeerClosed;
  const smtp::Stage stage = closed.outcome.stage;
  if (lost && (stage == smtp::Stage::kMail || stage == smtp::Stage::kRset)) {
    tools_.memory.hosts.closed_after(host.key, closed.delivered, wall_now());
  }
  if (stage == smtp::Stage::kIdle && closed.outcome.reply.code != 0) {
    const smtp::Verdict verdict = tools_.classifier.classify(closed.outcome, path_->provider);
    const std::string campaign(some_campaign());
    act(path_action(closed.outcome, verdict), closed.outcome.reply, campaign, now);
  }
}

// True when something of it was not known before.
bool PathPool::learn(Host& host, smtp::Quirks shown) {
  if (shown & smtp::kNoPipelining) {
    host.delivered = 0;
    tools_.memory.hosts.disproven(host.key);
  }
  return tools_.memory.hosts.learn(host.key, shown, wall_now());
}

void PathPool::kick() {
  for (size_t i = 0; i < sessions_.size(); ++i) {
    if (sessions_[i]->ready()) sessions_[i]->step();
  }
}

bool PathPool::spare(bool idle_only) {
  for (const auto& session : sessions_) {
    if (!(idle_only ? session->idle() && lanes_.waiting() == 0 : session->ready())) continue;
    session->quit();
    return true;
  }
  return false;
}

void PathPool::quit_all() {
  for (const Opening& opening : openings_) resolver().cancel(opening.query);
  openings_.clear();
  for (const auto& session : sessions_) session->quit();
}

void PathPool::reap() {
  std::erase_if(sessions_, [](const auto& session) { return session->gone(); });
}

std::string PathPool::connecting(TimePoint now) const {
  const Tally have = tally();
  if (have.ready > 0 || lanes_.waiting() == 0) return {};
  if (!resting(now)) return have.opening > 0 ? "connecting" : "";
  const auto left = std::chrono::ceil<std::chrono::seconds>(rest_until_ - now).count();
  return fmt::format("connecting: {}, next try in {} s",
                     last_failure_ ? (last_failure_->reply.code ? last_failure_->reply.str()
                                                                : last_failure_->error)
                                   : "no host answers",
                     left);
}

std::string_view PathPool::some_campaign() const {
  if (lanes_.empty()) return {};
  return lanes_.all().front()->work->destination.campaign;
}

}  // namespace volley::delivery
