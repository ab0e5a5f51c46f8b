// The words the rule tables are written in. Only for rules_*.cc.
#pragma once

#include "engine/smtp/rules.h"

namespace volley::smtp::words {

using E = Effect;
using C = ReplyClass;

constexpr uint16_t operator""_h(unsigned long long n) { return static_cast<uint16_t>(n * 60); }
constexpr uint16_t operator""_m(unsigned long long n) { return static_cast<uint16_t>(n); }

struct Do : Effect {
  constexpr Do pause(uint16_t minutes) const {
    Do d = *this;
    d.pause_minutes = minutes;
    return d;
  }
  constexpr Do conns(uint16_t n, uint16_t hold) const {
    Do d = *this;
    d.connections = n;
    d.hold_minutes = hold;
    return d;
  }
  constexpr Do per_minute(uint16_t n, uint16_t hold) const {
    return per_hour(static_cast<uint16_t>(n * 60), hold);
  }
  constexpr Do per_hour(uint16_t n, uint16_t hold) const {
    Do d = *this;
    d.rate_per_hour = n;
    d.hold_minutes = hold;
    return d;
  }
  constexpr Do msgs(uint16_t n, uint16_t hold) const {
    Do d = *this;
    d.messages = n;
    d.hold_minutes = hold;
    return d;
  }
  constexpr Do half(uint8_t what, uint16_t hold) const {
    Do d = *this;
    d.halve = what;
    d.hold_minutes = hold;
    return d;
  }
  constexpr Do regain(uint16_t seconds) const {
    Do d = *this;
    d.regain_seconds = seconds;
    return d;
  }
  constexpr Do suppress(uint8_t after = 1) const {
    Do d = *this;
    d.suppress_after = after;
    return d;
  }
  constexpr Do then_pause(uint8_t after, uint16_t minutes) const {
    Do d = *this;
    d.escalate_after = after;
    d.escalate_minutes = minutes;
    return d;
  }
  constexpr Do with(unsigned bits) const {
    Do d = *this;
    d.flags = static_cast<uint16_t>(d.flags | bits);
    return d;
  }
};

constexpr Do make(Action action, uint16_t retry) {
  Do d;
  d.action = action;
  d.retry_minutes = retry;
  return d;
}
constexpr Do B = make(Action::kBounce, 0);
constexpr Do Now = make(Action::kRetryNow, 0);
constexpr Do D = make(Action::kDefer, 0);
constexpr Do defer(uint16_t minutes) { return make(Action::kDefer, minutes); }
// Suspends the path; the message waits with it.
constexpr Do P(uint16_t minutes) { return make(Action::kDefer, minutes).pause(minutes); }

constexpr uint32_t bit(Family family) { return 1u << static_cast<unsigned>(family); }

// Each: `soft` at 4xx, `hard` at 5xx. A condition of the path, mostly the same whatever the digit.
constexpr Rule path(const char* id, uint32_t in, const char* pattern, C cls, Do soft, Do hard) {
  return {id, pattern, nullptr, in, soft, hard, cls, Scope::kPath};
}
constexpr Rule path(const char* id, uint32_t in, const char* pattern, C cls, Do effect) {
  return path(id, in, pattern, cls, effect, effect);
}
// About the recipient.
constexpr Rule rcpt(const char* id, uint32_t in, const char* pattern, C cls, Do soft, Do hard) {
  return {id, pattern, nullptr, in, soft, hard, cls, Scope::kRecipient};
}
constexpr Rule mesg(const char* id, uint32_t in, const char* pattern, C cls, Do soft, Do hard) {
  return {id, pattern, nullptr, in, soft, hard, cls, Scope::kMessage};
}
constexpr Rule sender(const char* id, uint32_t in, const char* pattern, C cls, Do soft, Do hard) {
  return {id, pattern, nullptr, in, soft, hard, cls, Scope::kSender};
}
constexpr Rule unless(Rule rule, const char* pattern) {
  rule.unless = pattern;
  return rule;
}

constexpr Rule at_mail(Rule rule) {
  rule.at_mail = true;
  return rule;
}

}  // namespace volley::smtp::words
