// PathPool's third part: what outcomes mean, for the recipient, for the host and for the site.
#include <fmt/format.h>

#include <algorithm>
#include <cassert>

#include "base/log.h"
#include "engine/delivery/path_pool.h"
#include "engine/delivery/site_runner.h"

namespace volley::delivery {
namespace {

using Kind = smtp::Outcome::Kind;

constexpr size_t kFailAtOnce = 512;  // recipients deferred in one turn
constexpr const char* kInARow = "50 refusals in a row";
constexpr Duration kOthersFirst = std::chrono::seconds(10);

std::string_view remedy(net::TlsFailure failure) {
  switch (failure) {
    case net::TlsFailure::kCertificateHostMismatch:
      return "; write a name that its certificate has as [relay] host";
    case net::TlsFailure::kCertificateNotTrusted:
      return "; if it is the right one, name the CA it comes from in [tls] ca_file";
    case net::TlsFailure::kCertificateExpired:
      return "; it has to be renewed there, unless the clock is wrong here";
    case net::TlsFailure::kCertificateUnfit:
      return "; the relay needs another one";
    case net::TlsFailure::kNone:
    case net::TlsFailure::kTlsaInvalid:
    case net::TlsFailure::kValidationFailure:
      break;
  }
  return "";
}

// For the person who has to mend it.
std::string why_paused(const Path& path, const smtp::Outcome& outcome,
                       net::TlsFailure tls_failure) {
  const smtp::Reply& reply = outcome.reply;
  const std::string_view what_to_do = remedy(tls_failure);
  if (outcome.stage != smtp::Stage::kAuth && what_to_do.empty()) return reply.str();
  return fmt::format("[relay] {}:{}: {}{}{}{}", path.hosts.front().name, path.port, outcome.error,
                     reply.code ? ": " : "", reply.code ? reply.str() : "", what_to_do);
}

}  // namespace

void PathPool::on_result(Session& session, InFlight sent, const smtp::TxnResult& result) {
  const TimePoint now = tools_.loop.now();
  Host& host = *session.host();
  tools_.memory.hosts.takes_recipients(host.key, result.rcpt_limit, wall_now());
  session.limit_recipients(result.rcpt_limit);
  watch_for_tarpit(session, result);
  if (result.outcome.kind == Kind::kDelivered) {
    if (host.delivered < kProvenAfter && ++host.delivered == kProvenAfter) {
      tools_.memory.hosts.proven(host.key, wall_now());
    }
    tools_.shard[metrics::Metric::kBytesSent].add(sent.body->size());
    tools_.shard[metrics::Histogram::kDeliveryTime].observe(now - sent.since);
  }
  std::vector<const char*> told;
  for (uint32_t rcpt = 0; rcpt < sent.indexes.size(); ++rcpt) {
    const auto refused = std::find_if(sent.refused.begin(), sent.refused.end(),
                                      [rcpt](const smtp::RcptResult& r) { return r.rcpt == rcpt; });
    count_result(session, sent, sent.indexes[rcpt],
                 refused == sent.refused.end() ? result.outcome : refused->outcome, told, now);
  }
}

void PathPool::count_result(Session& session, const InFlight& sent, uint32_t index,
                            const smtp::Outcome& outcome, std::vector<const char*>& told,
                            TimePoint now) {
  ActiveWork& work = *sent.work;
  Host& host = *session.host();
  const Answer answer{&outcome, host.name, session.source(), true};
  if (outcome.kind == Kind::kDelivered) {
    const queue::Destination& to = work.work->destination;
    if (site_.breaker.taken(to.domain, to.campaign)) tell_bounces(SiteNews::Bounces::kUsual);
    if (site_.refused) report(path_action(outcome, {}), {}, now);
    return tools_.ledger.decide(work, index, {false, Verdict::kDelivered, 0}, answer, now);
  }
  const smtp::Verdict verdict = tools_.classifier.classify(outcome, path_->provider);
  const PathAction action = path_action(outcome, verdict);
  const std::string& campaign = work.work->destination.campaign;
  // One reply to a hundred recipients is one hint, not a hundred.
  const bool news = std::find(told.begin(), told.end(), verdict.rule) == told.end();
  if (news || outcome.stage == smtp::Stage::kRcpt) doubt_bounces(action, outcome, work, index, now);
  Decision decision = decide(outcome, verdict, attempt(work, index, now),
                             work.work->campaign->record.retry, tools_.random);
  if (news) {
    told.push_back(verdict.rule);
    act(action, outcome, campaign, now);
    report(action, campaign, now);
  }
  if (action.no_pipelining) learn(host, smtp::kNoPipelining);
  const bool elsewhere = decision.verdict == Verdict::kBounced &&
                         may_fit_elsewhere(host, outcome) &&
                         attempt(work, index, now).free_retries < kFreeRetries;
  if (elsewhere) decision = {true, {}, 0};
  const bool next_host = action.next_host && hosts_.size() > 1;
  if (next_host && news) host.failed(now, tools_.random);
  if (decision.again) {
    again(work, index, sent.body, now);
  } else {
    tools_.ledger.decide(work, index, decision, answer, now);
  }
  if (action.reconnect || action.force_tls || action.next_host) session.quit();
  if (elsewhere) others_first(host, now);
  if (!action.nothing()) wake();
}

// What this server lacks (SMTPUTF8, REQUIRETLS, room for the size) another one of the set may have.
bool PathPool::may_fit_elsewhere(const Host& here, const smtp::Outcome& outcome) const {
  if (!outcome.here_only) return false;
  const bool utf8 = outcome.local == smtp::EnhancedCode{5, 6, 7};
  return std::any_of(hosts_.begin(), hosts_.end(), [&](const auto& host) {
    return host.get() != &here && !(utf8 && host->without_smtputf8);
  });
}

// The host is well, but must not be given the same message again: its sessions end, the next one is another's.
void PathPool::others_first(Host& host, TimePoint now) {
  host.others_first_until = now + kOthersFirst;
  for (const auto& session : sessions_) {
    if (session->ready() && session->host().get() == &host) session->quit();
  }
}

void PathPool::again(ActiveWork& work, uint32_t index, const smtp::Body& body, TimePoint now) {
  if (path_->limits.daily != 0) tools_.memory.quota.give_back(site_.name(), wall_now());
  if (work.free_retries.empty()) work.free_retries.resize(work.size());
  ++work.free_retries[index];
  if (!work.returning) put_aside(work, index, body);
  tools_.ledger.put_back(work, index, now);
  lanes_.update(work);
  wake();
}

// Its message is there already when its turn comes.
void PathPool::put_aside(ActiveWork& work, uint32_t index, smtp::Body body) {
  work.prepared.push_back({index, std::move(body)});
  if (work.is_signed()) lanes_.ahead(work, 1);
  lanes_.update(work);
}

void PathPool::report(const PathAction& action, std::string_view campaign, TimePoint now) {
  if (action.refusal) {
    site_.refused = true;
    brake(tools_.brakes.refused(site_.name(), campaign, action.permanent, now), campaign, now);
  } else if (action.answer && site_.refused) {
    site_.refused = false;
    tools_.brakes.succeeded(site_.name(), now);
  }
}

void PathPool::act(const PathAction& action, const smtp::Outcome& outcome,
                   std::string_view campaign, TimePoint now, net::TlsFailure tls_failure) {
  const smtp::Reply& reply = outcome.reply;
  if (reply.code != 0) site_.note(reply.str());
  if (site_.act(action, now)) {
    tools_.foreman.pause_campaign(campaign, why_paused(*path_, outcome, tls_failure));
  }
  if (path_->shares > 1 && !action.nothing()) {
    const bool ours = reply.code == 0 && action.until_resumed;
    tools_.foreman.tell({path_, action, ours ? outcome.error : reply.str(), {}, {}});
  }
}

void PathPool::brake(const Braking& braking, std::string_view campaign, TimePoint now) {
  if (braking.pause_site) pause_site({path_, {}, {}, *braking.pause_site, kInARow}, now);
  if (!braking.pause_campaign_reason.empty()) {
    tools_.foreman.pause_campaign(campaign, braking.pause_campaign_reason);
  }
}

void PathPool::pause_site(SiteNews news, TimePoint now) {
  site_.pause(news.pause, news.reason, now, news.until_resumed);
  log_warn(fmt::format("{} is paused for {} min: {}", site_.name(),
                       std::chrono::duration_cast<std::chrono::minutes>(news.pause).count(),
                       news.reason));
  if (path_->shares > 1) tools_.foreman.tell(std::move(news));
}

void PathPool::tell_bounces(SiteNews::Bounces bounces) {
  if (path_->shares <= 1) return;
  SiteNews news{path_, {}, {}, {}, {}};
  news.bounces = bounces;
  tools_.foreman.tell(std::move(news));
}

// What looks like an outage, a misroute or a blocklist must not use up a list.
void PathPool::doubt_bounces(const PathAction& action, const smtp::Outcome& outcome,
                             const ActiveWork& work, uint32_t index, TimePoint now) {
  if (!action.final) return;
  const queue::Destination& to = work.work->destination;
  SiteBreaker::Refusal refusal;
  refusal.domain = to.domain;
  refusal.campaign = to.campaign;
  refusal.unknown_recipient = action.unknown_recipient;
  refusal.of_message = action.of_message;
  const Attempt before = attempt(work, index, now);
  refusal.confirms = said_before(outcome, before);
  refusal.contradicts = before.last_code >= 500 && !refusal.confirms;
  const SiteBreaker::Trip trip = site_.breaker.refused(refusal, now);
  if (trip != SiteBreaker::Trip::kNone) {
    breaker_tripped(trip, outcome.reply.str(), to.campaign, now);
  }
}

void PathPool::breaker_tripped(SiteBreaker::Trip trip, const std::string& reply,
                               std::string_view campaign, TimePoint now) {
  const SiteBreaker& breaker = site_.breaker;
  SiteNews news{path_, {}, {}, breaker.pause(), {}};
  news.bounces = SiteNews::Bounces::kDoubted;
  switch (trip) {
    case SiteBreaker::Trip::kNone:
      return;
    case SiteBreaker::Trip::kBelieved:
      log_warn(site_.name() + " means it: its bounces are final at first word again");
      return tell_bounces(SiteNews::Bounces::kBelieved);
    case SiteBreaker::Trip::kUnknownRecipients:
      news.reason = fmt::format("{} of its last {} recipients are said to be unknown: {}",
                                breaker.unknown(), SiteBreaker::kWindow, reply);
      return pause_site(std::move(news), now);
    case SiteBreaker::Trip::kEverything:
    case SiteBreaker::Trip::kCampaign:
      break;
  }
  news.reason = fmt::format("{} messages in a row are refused where mail was taken before: {}",
                            breaker.in_a_row(), reply);
  news.until_resumed = true;
  if (breaker.of_one_campaign()) {
    tools_.foreman.pause_campaign(campaign, fmt::format("{}: {}", site_.name(), news.reason));
  }
  if (trip == SiteBreaker::Trip::kEverything) pause_site(std::move(news), now);
}

// What is more than one connection to it ends.
void PathPool::watch_for_tarpit(const Session& session, const smtp::TxnResult& result) {
  Host& host = *session.host();
  if (result.rcpt_replies == 0 || !host.is_tarpit(result.rcpt_time, result.rcpt_replies)) return;
  if (tools_.memory.hosts.tarpit(host.key, wall_now())) {
    log_warn(host.name + " takes more than 20 s for each recipient: one connection");
  }
  if (!session.ready()) return;
  for (const auto& other : sessions_) {
    if (other.get() != &session && other->ready() && other->host().get() == &host) other->quit();
  }
}

bool PathPool::fail_some(TimePoint now) {
  if (!failing_) return false;
  assert(last_failure_);
  size_t budget = kFailAtOnce;
  for (ActiveWork* work : lanes_.all()) {
    if (!work->returning) fail_work(*work, *last_failure_, budget, now);
    if (budget == 0) return true;
  }
  failing_ = false;
  return false;
}

void PathPool::fail_work(ActiveWork& work, const smtp::Outcome& outcome, size_t& budget,
                         TimePoint now) {
  if (!work.work->campaign->sending()) return tools_.ledger.retire(work, 0);
  const smtp::Verdict verdict = tools_.classifier.classify(outcome, path_->provider);
  const Answer answer{&outcome, path_->hosts.front().name, {}, true};
  for (uint32_t i = 0; i < work.size() && budget > 0; ++i) {
    if (work.work->states[i] != RecipientState::kWaiting) continue;
    --budget;
    const Decision decision = decide(outcome, verdict, attempt(work, i, now),
                                     work.work->campaign->record.retry, tools_.random);
    tools_.ledger.decide(work, i, decision, answer, now);
  }
  if (work.work->waiting > 0) return;
  work.prepared.clear();
  work.cursor = work.size();
  lanes_.ahead(work, -static_cast<int64_t>(work.ahead));
  lanes_.update(work);
}

}  // namespace volley::delivery
