// Site: the limits of one (source, site) on this loop, what was learned about them, and what happens there.
//
// Purpose  Says whether a message may leave now, how many connections may be open, and always why not. Receivers' hints
//          tighten the limits for a while (PathAction); the configured ones come back by themselves.
// Units    Rates in messages/s. Thread: the loop's; pure but for the metric cells: time is an argument.
// Not for  Connections themselves: path_pool.h, site_runner.h.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "engine/delivery/limits.h"
#include "engine/delivery/outcome_policy.h"
#include "engine/delivery/router.h"
#include "engine/delivery/site_breaker.h"
#include "engine/delivery/site_table.h"
#include "engine/delivery/work.h"
#include "metrics/registry.h"

namespace volley::delivery {

// Messages per second over the last ten seconds, in slots of one.
class RateMeter {
 public:
  void add(TimePoint now);
  double rate(TimePoint now) const;
  bool known(TimePoint now) const;  // for long enough to be believed

 private:
  static constexpr int64_t kSlots = 10;
  std::array<uint32_t, kSlots + 1> slots_{};
  int64_t second_ = 0, first_ = 0;
  void advance(int64_t second);
};

class Site {
 public:
  Site(std::string name, std::string provider, metrics::SiteCells& cells);

  // The configured limits, as the newest path of the site has them. `rank`: this loop among the path's shares.
  void adopt(const Path& path, unsigned rank, TimePoint now);

  const std::string& name() const { return name_; }
  const std::string& provider() const { return provider_; }
  metrics::SiteCells& cells() { return cells_; }

  uint32_t connection_limit(TimePoint now) const;
  std::string_view connections_from(TimePoint now) const;  // who set it
  uint32_t message_limit(TimePoint now) const;
  bool force_tls(TimePoint now) const { return now < force_tls_until_; }
  bool paused(TimePoint now) const { return now < paused_until(); }
  TimePoint paused_until() const { return longer_pause().until; }
  bool token(TimePoint now);      // is there one?
  void use_token(TimePoint now);  // of token()
  TimePoint token_at(TimePoint now);
  TimePoint quota_until() const { return quota_until_; }
  void rest_for_quota(TimePoint until) { quota_until_ = until; }  // the daily limit is reached

  // Those that are until_resumed are apart from the others: each kind lasts as long as its longest, the site is paused
  // while either lasts, and to resume ends the former only.
  void pause(Duration length, std::string_view why, TimePoint now, bool until_resumed = false);
  bool resume(TimePoint now);  // false: there is none to end
  // What a receiver's answer does to the limits. True: pause the campaign, too.
  bool act(const PathAction& action, TimePoint now);

  // counts
  void waiting(int64_t change);
  void in_flight(int64_t change) { in_flight_ += change; }
  void connection(int64_t change);
  void counted(const Record& record, TimePoint now);
  int64_t waiting_now() const { return waiting_; }
  int64_t connections() const { return connections_; }
  double rate(TimePoint now) const { return meter_.rate(now); }
  bool pace_known(TimePoint now) const { return meter_.known(now); }
  double rate_limit() const { return bucket_.rate(); }  // 0: none
  void note(std::string_view reply) { last_reply_ = reply; }
  void refresh_gauges(TimePoint now);

  SiteBreaker breaker;

  // Refusals since the last success: the Brakes want to hear of the first success after one.
  bool refused = false;

  // Of waiting_now(): recipients of campaigns that are over their pace. Kept by the paths' Lanes.
  int64_t held = 0;

  // What binds now; `connecting` says that connections are being opened or retried; held_by: what holds the
  // mail that may not go before its time.
  std::string limited_by(TimePoint now, std::string_view connecting, std::string_view held_by = {});
  SiteSnapshot snapshot(TimePoint now, std::string_view connecting, std::string_view held_by = {});
  // Something is remembered that must not be forgotten yet.
  bool learned(TimePoint now) const;

 private:
  struct Tightened {  // a limit below the configured one, of all loops together, for a while
    double value = 0;
    TimePoint until{};
    TimePoint halved{};
    bool holds(TimePoint now) const { return now < until; }
  };
  struct Seen {  // how often a rule fired in the hour that began at `since`
    const char* rule = "";
    uint32_t count = 0;
    TimePoint since{};
  };
  struct Pause {
    TimePoint until{};
    std::string why;
  };
  const Pause& longer_pause() const { return pause_.until < mend_.until ? mend_ : pause_; }
  bool may_halve(Tightened& limit, TimePoint now);
  uint32_t share(double total) const;
  double pace(TimePoint now) const;
  void refresh_rate(TimePoint now);
  void regain_rate(TimePoint now);
  bool escalates(const PathAction& action, TimePoint now);

  std::string name_, provider_;
  metrics::SiteCells& cells_;
  EffectiveLimits limits_;
  unsigned shares_ = 1, rank_ = 0;  // over how many loops the site is spread, and which this one is
  TokenBucket bucket_;
  Tightened connections_cap_, rate_cap_, messages_cap_;
  Duration regain_{};  // see PathAction
  TimePoint regain_at_{};
  TimePoint force_tls_until_{}, quota_until_{};
  Pause pause_, mend_;  // mend_: a person has something to mend, and resumes
  std::string last_reply_;
  std::vector<Seen> seen_;
  int64_t waiting_ = 0, in_flight_ = 0, connections_ = 0;
  uint64_t delivered_ = 0, deferred_ = 0, in_doubt_ = 0, bounced_ = 0;
  RateMeter meter_;
};

}  // namespace volley::delivery
