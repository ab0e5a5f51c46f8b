// PathPool's second part: which message goes next, and to whom. What comes of it: path_results.cc.
#include <algorithm>

#include "base/utf8.h"
#include "engine/delivery/event_of.h"
#include "engine/delivery/path_pool.h"
#include "engine/delivery/site_runner.h"
#include "engine/message/renderer.h"

namespace volley::delivery {
namespace {

using Kind = smtp::Outcome::Kind;

constexpr uint32_t kFairShare =
    20;  // messages after which a session makes room for a path without one
constexpr Duration kNextGrant = std::chrono::milliseconds(500);  // of a canary's recipients
constexpr int64_t kLateGraceMs = 60'000;  // a last attempt made on time is not too late

smtp::Outcome local_outcome(std::string_view error, smtp::EnhancedCode code) {
  smtp::Outcome outcome;
  outcome.kind = Kind::kFailed;
  outcome.stage = smtp::Stage::kMail;
  outcome.error = error;
  outcome.local = code;
  return outcome;
}

}  // namespace

void PathPool::add(ActiveWork& work) {
  lanes_.add(work);
  wake();
}

int64_t PathPool::sign_target() const {
  return static_cast<int64_t>(kSignBatch + 4 * sessions_.size());
}

void PathPool::sign_ahead() {
  const TimePoint now = tools_.loop.now();
  if (tools_.draining || site_.paused(now) || failing_ || resting(now)) return;
  std::vector<uint32_t> indexes;
  while (lanes_.ahead() < sign_target()) {
    ActiveWork* work = lanes_.next_to_sign();
    if (work == nullptr) return;
    if (!work->work->campaign->sending()) {
      tools_.ledger.retire(*work, 0);
      continue;
    }
    if (lanes_.join_held(*work)) continue;
    indexes.clear();
    while (indexes.size() < kSignBatch && work->cursor < work->size()) {
      const uint32_t index = work->cursor++;
      if (work->work->states[index] != RecipientState::kWaiting) continue;
      if (admit(*work, index, now)) indexes.push_back(index);
    }
    lanes_.ahead(*work, static_cast<int64_t>(indexes.size()));
    lanes_.update(*work);
    if (!indexes.empty()) tools_.preparer.sign(*work, indexes);
  }
}

void PathPool::prepared(ActiveWork& work, std::vector<Preparer::Item> items) {
  const TimePoint now = tools_.loop.now();
  for (Preparer::Item& item : items) {
    const bool wanted =
        !work.returning && work.work->states[item.index] == RecipientState::kWaiting;
    if (wanted && item.body) {
      work.prepared.push_back({item.index, std::move(item.body)});
    } else {
      lanes_.ahead(work, -1);
      if (wanted) refuse(work, item.index, item.error, now);
    }
  }
  lanes_.update(work);
  kick();
  sign_ahead();
}

// One message more of this site, by its rate and its daily limit?
bool PathPool::may_send(TimePoint now) {
  if (!site_.token(now)) return false;
  const uint64_t daily = path_->limits.daily;
  if (daily == 0) return true;
  const WallTime wall = wall_now();
  if (tools_.memory.quota.take(site_.name(), daily, wall)) return true;
  site_.rest_for_quota(now + (tools_.memory.quota.next(site_.name(), daily, wall) - wall));
  return false;
}

bool PathPool::next_message(Session& session, Message& message) {
  const TimePoint now = tools_.loop.now();
  lanes_.release(now);
  if (tools_.draining || failing_ || site_.paused(now)) return false;
  if (lanes_.waiting() == 0) {
    if (tools_.turns.make_room(runner_)) session.quit();
    return false;
  }
  if (outgrown(session)) {
    session.quit();
    return false;
  }
  if (session.submitted() >= kFairShare && runner_.yield_one()) {
    session.quit();
    return false;
  }
  if (!may_send(now)) {
    runner_.wait_for_token(now);
    return false;
  }
  while (ActiveWork* work = lanes_.next()) {
    if (!work->work->campaign->sending()) {
      tools_.ledger.retire(*work, 0);
      continue;
    }
    const bool paced = is_paced(*work);
    if (paced && !keeps_pace(*work, now)) continue;
    if (!pick(*work, message, now)) {
      if (paced) give_back_pace(*work);
      continue;
    }
    // A canary counts recipients, not attempts.
    CampaignGuard& guard = work->work->campaign->control->guard;
    if (guard.canary() && work->recipient(message.indexes.front()).attempts > 0) guard.give_back();
    site_.use_token(now);
    if (!paced) add_recipients(session, *work, message, now);
    if (session.caps().dsn) {
      message.envid =
          message_id(work->work->destination.campaign,
                     work->recipient(message.indexes.front()).number, work->work->partition);
    }
    if (lanes_.ahead() * 2 < sign_target()) sign_ahead();
    return true;
  }
  if (path_->limits.daily != 0) tools_.memory.quota.give_back(site_.name(), wall_now());
  return false;
}

// By its campaign's rate, by its canary, or by the rate of all campaigns together.
bool PathPool::is_paced(const ActiveWork& work) const {
  const CampaignControl& control = *work.work->campaign->control;
  return control.pace.limited() || control.guard.canary() || tools_.pace.limited();
}

// When the next message of the work may go: now, and then it is counted; or later.
TimePoint PathPool::take_pace(const ActiveWork& work, TimePoint now) {
  CampaignControl& control = *work.work->campaign->control;
  const bool canary = control.guard.canary();
  if (canary && !control.guard.take()) return now + kNextGrant;
  TimePoint when = control.pace.take(now);
  if (when > now) {
    if (canary) control.guard.give_back();
    return when;
  }
  // What people wait for is counted, and does not wait for newsletters.
  if (work.transactional()) {
    tools_.pace.take_anyway(now);
    return now;
  }
  when = tools_.pace.take(now);
  if (when > now) {
    if (canary) control.guard.give_back();
    control.pace.give_back();
  }
  return when;
}

void PathPool::give_back_pace(const ActiveWork& work) {
  CampaignControl& control = *work.work->campaign->control;
  if (control.guard.canary()) control.guard.give_back();
  control.pace.give_back();
  tools_.pace.give_back();
}

// Counts one message against what paces it; false: the work is put aside until it may go on.
bool PathPool::keeps_pace(ActiveWork& work, TimePoint now) {
  if (lanes_.join_held(work)) return false;
  const TimePoint when = take_pace(work, now);
  if (when > now) {
    lanes_.hold(work, when);
    runner_.wait_until(when);
    return false;
  }
  lanes_.release_one(work, now);
  return true;
}

// Takes one recipient from the work that can be sent to, with its message; nullopt: what it looked at could not be sent,
// or there was nothing. Without `body` the message is not wanted.
std::optional<uint32_t> PathPool::pick_recipient(ActiveWork& work, smtp::Body* body,
                                                 TimePoint now) {
  smtp::Body made;
  uint32_t index = 0;
  bool ready = false;
  if (!work.prepared.empty()) {
    index = work.prepared.back().index;
    made = std::move(work.prepared.back().body);
    work.prepared.pop_back();
    lanes_.ahead(work, -1);
    ready = true;
  } else {
    while (work.cursor < work.size() &&
           work.work->states[work.cursor] != RecipientState::kWaiting) {
      ++work.cursor;
    }
    if (work.cursor < work.size()) {
      index = work.cursor++;
      ready = admit(work, index, now);
      if (ready && body != nullptr) {
        auto rendered = tools_.preparer.render(work, index);
        ready = rendered.ok();
        if (ready) {
          made = std::move(*rendered);
        } else {
          refuse(work, index, rendered.error().message, now);
        }
      }
    }
  }
  lanes_.update(work);
  if (!ready || work.work->states[index] != RecipientState::kWaiting) return std::nullopt;
  if (body != nullptr) *body = std::move(made);
  return index;
}

// Takes one message from the work; false: none came about.
bool PathPool::pick(ActiveWork& work, Message& message, TimePoint now) {
  const std::optional<uint32_t> index = pick_recipient(work, &message.body, now);
  if (!index) return false;
  const Status sender = tools_.preparer.return_path(work, *index, message.mail_from);
  if (!sender) {
    refuse(work, *index, sender.error().message, now);
    message.body.reset();
    return false;
  }
  message.work = &work;
  message.indexes = {*index};
  message.rcpts = {std::string(work.recipient(*index).address)};
  tools_.ledger.take(work, *index);
  work.moved = now;
  return true;
}

// Where the message is the same for all, further recipients of the work go with it, as many as site and host take.
// Those who need SMTPUTF8 go by themselves: a server without it takes the others.
void PathPool::add_recipients(const Session& session, ActiveWork& work, Message& message,
                              TimePoint now) {
  if (!work.work->campaign->renderer->same_for_all() ||
      !work.recipient(message.indexes.front()).return_path.empty()) {
    return;
  }
  const uint32_t most = std::min({path_->limits.recipients, session.recipient_limit(),
                                  session.caps().rcpt_max.value_or(path_->limits.recipients)});
  const bool ascii = is_ascii(message.rcpts.front());
  while (message.indexes.size() < most && work.work->waiting > 0 && may_send(now)) {
    const std::optional<uint32_t> index = pick_recipient(work, nullptr, now);
    if (!index || !work.recipient(*index).return_path.empty() ||
        is_ascii(work.recipient(*index).address) != ascii) {
      if (index) put_aside(work, *index, message.body);
      if (path_->limits.daily != 0) tools_.memory.quota.give_back(site_.name(), wall_now());
      return;
    }
    site_.use_token(now);
    message.indexes.push_back(*index);
    message.rcpts.emplace_back(work.recipient(*index).address);
    tools_.ledger.take(work, *index);
  }
}

// False: decided without trying.
bool PathPool::admit(ActiveWork& work, uint32_t index, TimePoint now) {
  const CampaignContext& campaign = *work.work->campaign;
  const queue::Recipient& recipient = work.recipient(index);
  Answer answer;
  answer.attempted = false;
  if (!campaign.suppressed.empty() && campaign.suppressed.contains(recipient.address)) {
    tools_.ledger.decide(work, index, {false, Verdict::kSuppressed, 0}, answer, now);
    return false;
  }
  // A notification that is too old helps nobody. Bulk mail that was paused for days gets its last attempt.
  const queue::Lane lane = work.work->destination.lane;
  if (lane != queue::Lane::kTransactional) return true;
  const int64_t age = retry_age_ms(lane, recipient, work.queue_now_ms(now));
  if (age <= campaign.record.retry.give_up_after_ms + kLateGraceMs) return true;
  const smtp::Outcome outcome = local_outcome("waited too long in the queue", {4, 4, 7});
  answer.outcome = &outcome;
  tools_.ledger.decide(work, index, {false, Verdict::kExpired, 0}, answer, now);
  return false;
}

void PathPool::refuse(ActiveWork& work, uint32_t index, std::string_view error, TimePoint now) {
  const smtp::Outcome outcome = local_outcome(error, {5, 6, 0});
  Answer answer;
  answer.outcome = &outcome;
  answer.attempted = false;
  tools_.ledger.decide(work, index, {false, Verdict::kBounced, 0}, answer, now);
}

Attempt PathPool::attempt(const ActiveWork& work, uint32_t index, TimePoint now) const {
  const queue::Recipient& recipient = work.recipient(index);
  Attempt attempt;
  attempt.before = recipient.attempts;
  attempt.free_retries = work.free_retries.empty() ? 0 : work.free_retries[index];
  attempt.last_code = recipient.last_code;
  attempt.doubted = site_.breaker.doubts(work.work->destination.campaign, now);
  attempt.age_ms = retry_age_ms(work.work->destination.lane, recipient, work.queue_now_ms(now));
  return attempt;
}

}  // namespace volley::delivery
