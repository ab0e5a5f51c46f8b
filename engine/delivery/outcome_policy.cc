#include "engine/delivery/outcome_policy.h"

#include <algorithm>

#include "base/address.h"
#include "engine/delivery/retry.h"

namespace volley::delivery {
namespace {

using smtp::Effect;
using Kind = smtp::Outcome::Kind;

constexpr Duration kUsualHold = std::chrono::minutes(30);
constexpr int kStepsToRegain = 12;  // of a quarter each, while a learned rate holds
constexpr Duration kForAPerson = std::chrono::minutes(30);

// Before MAIL nobody has been told of a message or a recipient.
bool before_mail(smtp::Stage stage) {
  using smtp::Stage;
  switch (stage) {
    case Stage::kConnect:
    case Stage::kGreeting:
    case Stage::kEhlo:
    case Stage::kHelo:
    case Stage::kStartTls:
    case Stage::kTls:
    case Stage::kAuth:
    case Stage::kIdle:
    case Stage::kRset:
    case Stage::kQuit:
      return true;
    case Stage::kMail:
    case Stage::kRcpt:
    case Stage::kData:
    case Stage::kBody:
    case Stage::kEndOfData:
      return false;
  }
  return true;
}

bool no_such_host(const smtp::Outcome& outcome) {
  return outcome.kind == Kind::kFailed && outcome.reply.code == 0 && outcome.local == kNoHost;
}

bool about_the_path(const smtp::Outcome& outcome, const smtp::Verdict& verdict) {
  return before_mail(outcome.stage) || verdict.scope == smtp::Scope::kPath;
}

bool bounces(const smtp::Outcome& outcome, const smtp::Verdict& verdict, const Attempt& attempt) {
  // DNS said twice, an attempt apart, that there is nobody to talk to.
  if (no_such_host(outcome)) return attempt.before > 0 && attempt.last_code == 0;
  if (about_the_path(outcome, verdict)) return false;
  const bool again = said_before(outcome, attempt);
  if (!verdict.bounce()) return verdict.has(Effect::kBounceSecond) && again;
  return !attempt.doubted || outcome.reply.code == 0 || again;
}

bool speaks_of_us(smtp::ReplyClass cls) {
  using smtp::ReplyClass;
  switch (cls) {
    case ReplyClass::kRate:
    case ReplyClass::kConn:
    case ReplyClass::kRep:
    case ReplyClass::kPtr:
    case ReplyClass::kPol:
    case ReplyClass::kAuth:
    case ReplyClass::kTls:
      return true;
    default:
      return false;
  }
}

}  // namespace

bool said_before(const smtp::Outcome& outcome, const Attempt& attempt) {
  return attempt.before > 0 && outcome.reply.code != 0 && attempt.last_code == outcome.reply.code;
}

std::string words_of(const Record& record) {
  std::string words = record.text;
  if (!record.enhanced.empty()) words = record.enhanced + ' ' + words;
  if (record.code != 0) words = std::to_string(record.code) + ' ' + words;
  return hide_local_parts(words);
}

smtp::Outcome never_reached(Kind kind, std::string why, smtp::EnhancedCode code) {
  smtp::Outcome outcome;
  outcome.kind = kind;
  outcome.stage = smtp::Stage::kConnect;
  outcome.error = std::move(why);
  outcome.local = code;
  return outcome;
}

int64_t retry_age_ms(queue::Lane lane, const queue::Recipient& recipient, int64_t queue_now_ms) {
  const int64_t since =
      lane == queue::Lane::kTransactional ? recipient.enqueued_ms : recipient.first_attempt_ms;
  return since > 0 ? std::max<int64_t>(0, queue_now_ms - since) : 0;
}

Decision decide(const smtp::Outcome& outcome, const smtp::Verdict& verdict, const Attempt& attempt,
                const queue::RetryPolicy& policy, Random& random) {
  if (outcome.kind == Kind::kDelivered) return {false, Verdict::kDelivered, 0};
  const bool doubt = outcome.kind == Kind::kInDoubt;
  const bool free = outcome.kind == Kind::kUntried || outcome.retry_now ||
                    verdict.action == smtp::Action::kRetryNow;
  if (free && !doubt && attempt.free_retries < kFreeRetries) return {true, {}, 0};
  if (!doubt && bounces(outcome, verdict, attempt)) return {false, Verdict::kBounced, 0};
  const int64_t left = policy.give_up_after_ms - attempt.age_ms;
  if (left <= 0) return {false, Verdict::kExpired, 0};
  const uint32_t number = attempt.before + 1;
  Decision decision;
  if (doubt) {
    decision.verdict = Verdict::kInDoubt;
    decision.delay_ms = in_doubt_delay_ms(policy, number, random);
  } else if (verdict.cls == smtp::ReplyClass::kGrey) {
    decision.delay_ms = greylist_delay_ms(policy, verdict.retry_after, random);
  } else {
    decision.delay_ms = retry_delay_ms(policy, number, verdict.retry_after, random);
  }
  decision.delay_ms = std::max<int64_t>(1, std::min(decision.delay_ms, left));
  return decision;
}

PathAction path_action(const smtp::Outcome& outcome, const smtp::Verdict& verdict) {
  PathAction action;
  if (outcome.kind == Kind::kDelivered) {
    action.answer = true;
    return action;
  }
  const Effect& effect = verdict.effect;
  const bool at_connect = before_mail(outcome.stage) && outcome.stage != smtp::Stage::kIdle &&
                          outcome.stage != smtp::Stage::kRset &&
                          outcome.stage != smtp::Stage::kQuit;
  const bool lost = outcome.reply.code == 0;
  const bool about_path = verdict.scope == smtp::Scope::kPath && speaks_of_us(verdict.cls);
  const bool penalty = !verdict.has(Effect::kNoPenalty) && outcome.kind != Kind::kUntried &&
                       !outcome.retry_now && verdict.action != smtp::Action::kRetryNow;
  action.refusal = penalty && (at_connect || (!lost && about_path));
  action.permanent = action.refusal && outcome.reply.first_digit() == 5;
  action.final =
      outcome.reply.first_digit() == 5 && verdict.bounce() && !about_the_path(outcome, verdict);
  action.unknown_recipient = action.final && (verdict.cls == smtp::ReplyClass::kInv ||
                                              verdict.cls == smtp::ReplyClass::kIna);
  action.of_message = action.final && (verdict.scope == smtp::Scope::kMessage ||
                                       verdict.scope == smtp::Scope::kSender);
  action.answer = !lost && !action.refusal && verdict.scope != smtp::Scope::kPath;
  action.pause = verdict.pause_path;
  action.hold = effect.hold_minutes ? std::chrono::minutes(effect.hold_minutes) : kUsualHold;
  action.regain = effect.regain_seconds ? std::chrono::seconds(effect.regain_seconds)
                                        : action.hold / kStepsToRegain;
  action.connections = effect.connections;
  action.messages = effect.messages;
  action.rate = effect.rate_per_hour / 3600.0;
  action.halve_connections = effect.halve & Effect::kHalveConnections;
  action.halve_rate = effect.halve & Effect::kHalveRate;
  action.halve_messages = effect.halve & Effect::kHalveMessages;
  action.reconnect = verdict.has(Effect::kReconnect);
  action.next_host = verdict.has(Effect::kNextHost);
  action.force_tls = verdict.has(Effect::kForceTls);
  action.no_pipelining = verdict.has(Effect::kNoPipelining);
  action.pause_campaign = verdict.has(Effect::kPauseCampaign);
  action.until_resumed = action.pause_campaign && outcome.stage == smtp::Stage::kAuth;
  action.escalate_after = effect.escalate_after;
  action.escalate_pause = std::chrono::minutes(effect.escalate_minutes);
  action.escalate_campaign = verdict.has(Effect::kEscalateCampaign);
  action.rule = verdict.rule;
  return action;
}

PathAction certificate_refused(PathAction action) {
  action.pause = kForAPerson;
  action.pause_campaign = true;
  action.until_resumed = true;
  action.rule = "certificate";
  return action;
}

}  // namespace volley::delivery
