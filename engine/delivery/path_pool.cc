#include "engine/delivery/path_pool.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <utility>

#include "engine/delivery/site_runner.h"

namespace volley::delivery {
namespace {

using metrics::Metric;
using metrics::SiteMetric;

constexpr Duration kLackingRest = std::chrono::seconds(1);
constexpr int64_t kWorthASession = 4;  // bulk recipients waiting that justify one more connection
constexpr smtp::EnhancedCode kLacking{4, 3, 2};

}  // namespace

bool one_more_pays(const SessionTally& have, int64_t transactional, int64_t bulk) {
  if (have.opening >= std::max<size_t>(1, have.ready)) return false;
  if (transactional > static_cast<int64_t>(have.idle + have.opening)) return true;
  const int64_t wanted = (bulk + kWorthASession - 1) / kWorthASession;
  return static_cast<int64_t>(have.ready + have.opening) < wanted;
}

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

SessionTally PathPool::tally() const {
  SessionTally tally;
  tally.opening = openings_.size();
  for (const auto& session : sessions_) {
    tally.ready += session->ready();
    tally.idle += session->idle();
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
  const int64_t urgent = lanes_.transactional_waiting();
  return one_more_pays(tally(), urgent, lanes_.waiting() - urgent) && only_tarpits(now) == nullptr;
}

void PathPool::on_session_connected(Session&) {
  tools_.brakes.connected(path_->port, tools_.loop.now());
  tools_.shard[Metric::kConnectionsOpened].add();
  site_.cells()[SiteMetric::kConnectionsOpened].add();
}

void PathPool::on_session_ready(Session& session) {
  if (session.tls()) tools_.shard[Metric::kTlsHandshakes].add();
  if (session.tls_info().resumed) tools_.shard[Metric::kTlsResumed].add();
  report_tls(session, nullptr);
  session.host()->without_smtputf8 = !session.caps().smtputf8;
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
  if (auto next = std::exchange(next_, std::nullopt)) {
    start_session(next->host, std::move(next->addresses), std::move(next->plan), tools_.loop.now());
  }
  wake();
  tools_.foreman.wake_next();
}

void PathPool::opening_failed(Session& session, const SessionEnd& end, TimePoint now) {
  // No IPv6 here is a lack, too: the next address may be of the other family.
  const bool another = !end.connected && session.addresses().size() > 1 && !tools_.draining;
  if (end.local && !another) return lacking(end.closed.outcome.error, now);
  report_tls(session, &end);
  const std::shared_ptr<Host>& host = session.host();
  tools_.shard[Metric::kConnectionsFailed].add();
  site_.cells()[SiteMetric::kConnectionFailures].add();
  if (learn(*host, end.quirks)) return;  // it will be talked to in another way, at once
  const smtp::Outcome& outcome = end.closed.outcome;
  if (another) {
    const size_t index =
        static_cast<size_t>(std::find(hosts_.begin(), hosts_.end(), host) - hosts_.begin());
    next_ =
        Next{index, {session.addresses().begin() + 1, session.addresses().end()}, session.plan()};
    return;
  }
  const std::string campaign(some_campaign());
  if (end.timed_out) {
    brake(tools_.brakes.connect_timed_out(site_.name(), campaign, path_->port, now), campaign, now);
  } else {
    const smtp::Verdict verdict = tools_.classifier.classify(outcome, path_->provider);
    PathAction action = path_action(outcome, verdict);
    const bool relay = path_->provider == smtp::kRelayProvider;
    if (relay && net::of_certificate(end.tls_failure)) action = certificate_refused(action);
    if (outcome.reply.code == 0) site_.note(outcome.error);
    act(action, outcome, campaign, now, end.tls_failure);
    report(action, campaign, now);
  }
  host_failed(*host, outcome, now);
}

// Nobody refused us: the mail waits until there is what was missing.
void PathPool::lacking(std::string why, TimePoint now) {
  rest_until_ = now + kLackingRest;
  last_failure_ = never_reached(smtp::Outcome::Kind::kRetry, std::move(why), kLacking);
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
  const SessionTally have = tally();
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
  tools_.memory.hosts.closed_after(host.key, closed.message_limit, wall_now());
  if (closed.outcome.stage == smtp::Stage::kIdle && closed.outcome.reply.code != 0) {
    const smtp::Verdict verdict = tools_.classifier.classify(closed.outcome, path_->provider);
    const std::string campaign(some_campaign());
    act(path_action(closed.outcome, verdict), closed.outcome, campaign, now);
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
  const SessionTally have = tally();
  if (lanes_.waiting() == 0) return {};
  if (const std::string* tarpit = have.ready > 0 ? only_tarpits(now) : nullptr) {
    return fmt::format("one connection: {} is a tarpit, over 20 s for each recipient", *tarpit);
  }
  if (have.ready > 0) return {};
  if (!resting(now)) return have.opening > 0 ? "connecting" : "";
  const auto left = std::chrono::ceil<std::chrono::seconds>(rest_until_ - now).count();
  return fmt::format("connecting: {}, next try in {} s",
                     last_failure_ ? (last_failure_->reply.code ? last_failure_->reply.str()
                                                                : last_failure_->error)
                                   : "no host answers",
                     left);
}

void PathPool::forget_failures() {
  rest_until_ = {};
  for (const auto& host : hosts_) host->worked();
}

std::string_view PathPool::some_campaign() const {
  if (lanes_.empty()) return {};
  return lanes_.all().front()->work->destination.campaign;
}

}  // namespace volley::delivery
