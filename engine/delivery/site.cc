#include "engine/delivery/site.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace volley::delivery {
namespace {

using metrics::SiteMetric;
using std::chrono::duration_cast;

constexpr Duration kHour = std::chrono::hours(1);
// All connections hear "too many" at once: that is one hint, not ten.
constexpr Duration kHalveOnce = std::chrono::seconds(5);
constexpr double kSlowest = 1.0 / 60;
constexpr double kUnmeasuredPace = 10;
constexpr double kRegained = 1.25;
constexpr const char* kReceiversReply = "the receiver's reply";

int64_t second_of(TimePoint now) {
  return duration_cast<std::chrono::seconds>(now.time_since_epoch()).count();
}

std::string short_time(Duration d) {
  const int64_t s = std::max<int64_t>(1, duration_cast<std::chrono::seconds>(d).count());
  if (s < 120) return fmt::format("{} s", s);
  if (s < 7200) return fmt::format("{} min", (s + 59) / 60);
  return fmt::format("{} h", (s + 3599) / 3600);
}

}  // namespace

std::string per_time(double rate) {
  return rate >= 1 ? fmt::format("{:g}/s", rate) : fmt::format("{:.3g}/min", rate * 60);
}

void RateMeter::advance(int64_t second) {
  if (first_ == 0) first_ = second_ = second;
  if (second - second_ > kSlots) {
    slots_.fill(0);
    second_ = second;
  }
  while (second_ < second) slots_[static_cast<size_t>(++second_ % (kSlots + 1))] = 0;
}

void RateMeter::add(TimePoint now) {
  const int64_t second = second_of(now);
  advance(second);
  ++slots_[static_cast<size_t>(second % (kSlots + 1))];
}

double RateMeter::rate(TimePoint now) const {
  RateMeter copy = *this;
  const int64_t second = second_of(now);
  if (first_ == 0) return 0;
  copy.advance(second);
  // The second that runs now is not over: it counts only while there is nothing else.
  uint64_t sum = 0;
  for (const uint32_t slot : copy.slots_) sum += slot;
  const int64_t full = std::min(kSlots, second - first_);
  if (full == 0) return static_cast<double>(sum);
  sum -= copy.slots_[static_cast<size_t>(second % (kSlots + 1))];
  return static_cast<double>(sum) / static_cast<double>(full);
}

bool RateMeter::known(TimePoint now) const { return first_ != 0 && second_of(now) - first_ >= 5; }

Site::Site(std::string name, std::string provider, metrics::SiteCells& cells)
    : name_(std::move(name)), provider_(std::move(provider)), cells_(cells) {}

void Site::adopt(const Path& path, unsigned rank, TimePoint now) {
  limits_ = path.limits;
  shares_ = std::max(1u, path.shares);
  rank_ = rank;
  refresh_rate(now);
}

uint32_t Site::connection_limit(TimePoint now) const {
  const uint32_t configured = share(limits_.connections);
  if (!connections_cap_.holds(now)) return configured;
  return std::min(configured, share(connections_cap_.value));
}

uint32_t Site::share(double total) const {
  return limit_share(static_cast<uint32_t>(total), shares_, rank_);
}

uint32_t Site::message_limit(TimePoint now) const {
  if (!messages_cap_.holds(now)) return limits_.messages_per_connection;
  return std::min(limits_.messages_per_connection, static_cast<uint32_t>(messages_cap_.value));
}

void Site::refresh_rate(TimePoint now) {
  double rate = limits_.rate;
  if (rate_cap_.holds(now)) {
    const double learned = rate_cap_.value / shares_;
    rate = rate == 0 ? learned : std::min(rate, learned);
  }
  if (rate != bucket_.rate()) bucket_.set_rate(rate, now);
}

bool Site::token(TimePoint now) {
  if (rate_cap_.until != TimePoint{}) regain_rate(now);
  return now >= quota_until_ && bucket_.available(now);
}

// Asked for while something waits: a rate that nobody needs does not grow.
void Site::regain_rate(TimePoint now) {
  if (!rate_cap_.holds(now)) {
    rate_cap_ = {};
  } else if (regain_ > Duration{} && now >= regain_at_) {
    rate_cap_.value *= kRegained;
    regain_at_ = now + regain_;
  } else {
    return;
  }
  refresh_rate(now);
}

void Site::use_token(TimePoint now) { bucket_.take(now); }
TimePoint Site::token_at(TimePoint now) { return std::max(quota_until_, bucket_.next(now)); }

void Site::pause(Duration length, std::string_view why, TimePoint now, bool until_resumed) {
  Pause& pause = until_resumed ? mend_ : pause_;
  if (now + length <= pause.until) return;
  pause = {now + length, std::string(why)};
  cells_[SiteMetric::kPaused].set(1);
}

bool Site::resume(TimePoint now) {
  if (now >= mend_.until) return false;
  mend_ = {};
  refresh_gauges(now);
  return true;
}

bool Site::may_halve(Tightened& limit, TimePoint now) {
  if (limit.halved != TimePoint{} && now - limit.halved < kHalveOnce) return false;
  limit.halved = now;
  return true;
}

bool Site::escalates(const PathAction& action, TimePoint now) {
  if (action.escalate_after == 0) return false;
  const auto same = [&](const Seen& s) { return std::strcmp(s.rule, action.rule) == 0; };
  auto seen = std::find_if(seen_.begin(), seen_.end(), same);
  if (seen == seen_.end()) seen = seen_.insert(seen_.end(), {action.rule, 0, now});
  if (now - seen->since > kHour) *seen = {action.rule, 0, now};
  if (++seen->count < action.escalate_after) return false;
  *seen = {action.rule, 0, now};
  return true;
}

// What we send at, or may. A pace that was hardly measured says nothing: half of the first second's one message would be
// a crawl for as long as the hint holds. A guess that is too high is halved again soon.
double Site::pace(TimePoint now) const {
  const double limit = bucket_.rate();
  if (!meter_.known(now)) return limit > 0 ? limit : std::max(kUnmeasuredPace, meter_.rate(now));
  const double measured = std::max(1.0, meter_.rate(now));
  return limit > 0 ? std::min(limit, measured) : measured;
}

bool Site::act(const PathAction& action, TimePoint now) {
  if (action.nothing()) return false;
  const TimePoint until = now + action.hold;
  const auto tighten = [&](Tightened& limit, double value) {
    limit.value = limit.holds(now) ? std::min(limit.value, value) : value;
    limit.until = std::max(limit.until, until);
  };
  if (action.connections) tighten(connections_cap_, action.connections);
  if (action.halve_connections && may_halve(connections_cap_, now)) {
    const double total = connections_cap_.holds(now) ? connections_cap_.value : limits_.connections;
    const int64_t used =
        std::min(static_cast<int64_t>(total), std::max<int64_t>(connections_ * shares_, 2));
    tighten(connections_cap_, static_cast<double>(std::max<int64_t>(1, used / 2)));
  }
  if (action.messages) tighten(messages_cap_, action.messages);
  if (action.halve_messages && may_halve(messages_cap_, now)) {
    tighten(messages_cap_, std::max(1u, message_limit(now) / 2));
  }
  if (action.rate > 0 || action.halve_rate) {
    regain_ = action.regain;
    regain_at_ = now + regain_;
  }
  if (action.rate > 0) tighten(rate_cap_, action.rate);
  if (action.halve_rate && may_halve(rate_cap_, now)) {
    tighten(rate_cap_, std::max(kSlowest, pace(now) * shares_ / 2));
  }
  refresh_rate(now);
  if (action.force_tls) force_tls_until_ = until;
  if (action.pause > Duration{}) {
    const std::string_view whose = action.until_resumed ? "" : "the receiver's reply: ";
    pause(action.pause, fmt::format("{}{}", whose, last_reply_), now, action.until_resumed);
  }
  const bool escalated = escalates(action, now);
  if (escalated && action.escalate_pause > Duration{}) {
    pause(action.escalate_pause, "too many of one reply: " + last_reply_, now);
  }
  return action.pause_campaign || (escalated && action.escalate_campaign);
}

void Site::waiting(int64_t change) {
  waiting_ += change;
  cells_[SiteMetric::kWaiting].set(static_cast<uint64_t>(waiting_));
}

void Site::connection(int64_t change) {
  connections_ += change;
  cells_[SiteMetric::kConnections].set(static_cast<uint64_t>(connections_));
}

void Site::refresh_gauges(TimePoint now) { cells_[SiteMetric::kPaused].set(paused(now) ? 1 : 0); }

void Site::counted(const Record& record, TimePoint now) {
  switch (record.verdict) {
    case Verdict::kDelivered:
      ++delivered_;
      cells_[SiteMetric::kDelivered].add();
      meter_.add(now);
      return;
    case Verdict::kBounced:
    case Verdict::kExpired:
      ++bounced_;
      cells_[SiteMetric::kBounced].add();
      break;
    case Verdict::kDeferred:
      ++deferred_;
      cells_[SiteMetric::kDeferred].add();
      break;
    case Verdict::kInDoubt:
      ++in_doubt_;
      cells_[SiteMetric::kInDoubt].add();
      break;
    case Verdict::kSuppressed:
      return;
  }
  last_reply_ = words_of(record);
}

std::string Site::limited_by(TimePoint now, std::string_view connecting, std::string_view held_by) {
  if (paused(now)) {
    const Pause& pause = longer_pause();
    return fmt::format("paused for {} ({})", short_time(pause.until - now), pause.why);
  }
  if (now < quota_until_) {
    return fmt::format("daily limit ({} in 24 h, {}), next in {}", limits_.daily,
                       limits_.daily_from, short_time(quota_until_ - now));
  }
  if (waiting_ == 0) return "nothing";
  if (!held_by.empty() && held >= waiting_) return std::string(held_by);
  if (!token(now)) {
    const bool learned_rate = rate_cap_.holds(now) && bucket_.rate() < limits_.rate + 1e-9;
    return fmt::format("rate ({}, {})", per_time(bucket_.rate()),
                       learned_rate || limits_.rate == 0 ? kReceiversReply : limits_.rate_from);
  }
  if (!connecting.empty()) return std::string(connecting);
  const uint32_t limit = connection_limit(now);
  if (connections_ >= limit) {
    return connections_bind(limit, connections_from(now));
  }
  if (!held_by.empty() && held > 0) return std::string(held_by);
  return "nothing";
}

std::string_view Site::connections_from(TimePoint now) const {
  const bool learned = connection_limit(now) < share(limits_.connections);
  return learned ? std::string_view(kReceiversReply) : limits_.connections_from;
}

std::string connections_bind(uint32_t limit, std::string_view from) {
  return fmt::format("connections ({}, {})", limit, from);
}

SiteSnapshot Site::snapshot(TimePoint now, std::string_view connecting, std::string_view held_by) {
  SiteSnapshot s;
  s.site = name_;
  s.provider = provider_;
  s.connections = static_cast<uint32_t>(connections_);
  s.connection_limit = connection_limit(now);
  s.connections_from = connections_from(now);
  s.in_flight = static_cast<uint32_t>(in_flight_);
  s.waiting = static_cast<uint64_t>(waiting_);
  s.delivered = delivered_;
  s.deferred = deferred_;
  s.in_doubt = in_doubt_;
  s.bounced = bounced_;
  s.rate = meter_.rate(now);
  s.limited_by = limited_by(now, connecting, held_by);
  s.last_reply = last_reply_;
  if (paused(now)) {
    s.paused_for_ms = duration_cast<std::chrono::milliseconds>(paused_until() - now).count();
  }
  return s;
}

bool Site::learned(TimePoint now) const {
  return paused(now) || now < quota_until_ || connections_cap_.holds(now) || rate_cap_.holds(now) ||
         messages_cap_.holds(now) || force_tls(now) || refused || breaker.remembers(now);
}

}  // namespace volley::delivery
