// SiteTable: all sites whose sessions live on this loop; the lower half of delivery.
//
// Purpose    Takes work, sends it within the limits of (source, site), hands it back: progress about once a second, and the
//            whole when nothing of it is waiting or in flight, or when it should rest (paused campaign, blocked site, idle 30 s,
//            draining). Transactional work overtakes bulk at the site and on the connection; bulk works take turns.
// Ownership  Owns the work it was given until it calls back. Owns sites, paths' connections, sessions.
// Thread     The loop's. on_progress, on_returned and on_pause_campaign come from the end of a turn (FlushEntry::on_flushed),
//            never from inside accept(), drain() or campaign_changed(); the Listener may call these from them.
// Metrics    Counts outcomes by lane, bytes, connections, delivery times and all SiteMetrics: nobody else needs to.
// Times      Ages are measured on the queue's clock: Work::claimed_ms, carried forward by the loop's.
// Not for    Queue, leases, DNS of recipient domains: those are the upper half's.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/net/loop.h"
#include "base/random.h"
#include "engine/delivery/commons.h"
#include "engine/delivery/outcome_policy.h"
#include "engine/delivery/settings.h"
#include "engine/delivery/work.h"
#include "metrics/registry.h"

namespace volley::delivery {

struct SiteSnapshot {  // for status, explain, /metrics
  std::string site, provider;
  uint32_t connections = 0, connection_limit = 0, in_flight = 0;
  uint64_t waiting = 0, delivered = 0, deferred = 0, in_doubt = 0, bounced = 0;
  double rate = 0;  // measured, messages/s over the last 10 s
  std::string
      limited_by;  // what binds now: "connections (10, provider google)", "rate", "campaign rate (10/s)", "paused until ...", "nothing", "connecting"
  std::string connections_from;  // whose word connection_limit is, as limited_by names it
  std::string last_reply;        // last refusal or deferral, sanitised
  int64_t paused_for_ms = 0;
};

// limited_by when all allowed connections are used.
std::string per_time(double rate);  // "2/s", "0.5/min"
std::string connections_bind(uint32_t limit, std::string_view from);

// What a receiver made of a site's limits on one loop: the others that have sessions of it do the same.
struct SiteNews {
  std::shared_ptr<const Path> path;
  PathAction action;
  std::string reply;           // the receiver's words
  Duration pause{};            // zero: none; beside what the action says
  std::string reason;          // of the pause
  bool until_resumed = false;  // it is for a person to look into something
  // What the SiteBreaker makes of bounces: they need a second opinion; they are believed, since it was the same; a message
  // was taken, and all is as usual.
  enum class Bounces : uint8_t { kNoNews, kDoubted, kBelieved, kUsual } bounces = Bounces::kNoNews;
};

class SiteTable {
 public:
  class Listener {
   public:
    virtual ~Listener() = default;
    // Before anything else is written to that receiver: append to the journal (flushed in the turn's kJournal phase).
    virtual void on_record(const Work& work, const Record& record) = 0;
    // About once a second for work with fresh records: settle them. The callee takes work.fresh.
    virtual void on_progress(Work& work) = 0;
    virtual void on_returned(std::unique_ptr<Work> work) = 0;
    // Brakes: a site-spanning condition pauses a campaign (or all: empty id).
    virtual void on_pause_campaign(std::string_view campaign, std::string_view reason) = 0;
    // Of a site that is spread over several loops: hear() it there.
    virtual void on_site_news(const SiteNews& news) = 0;
  };

  // loop_index: which of settings.loops this is; decides its share of a site that is spread over several.
  SiteTable(net::Loop& loop, const Settings& settings, dns::Resolver& resolver, Commons& commons,
            metrics::Registry& registry, metrics::Shard& shard, Listener& listener, uint64_t seed,
            unsigned loop_index = 0);
  ~SiteTable();

  void accept(std::unique_ptr<Work> work);
  // Room for more recipients of this path on this loop now? Otherwise the owner keeps from claiming them.
  bool wants_more(const Path& path) const;
  // More waits here than its sessions have in hand for a while; or so little that somebody else's is welcome.
  bool has_plenty(const Path& path) const;
  bool is_hungry(const Path& path) const;
  // May this loop have sessions of the site at all? A learned limit may be smaller than the number of its loops.
  bool serves(const Path& path) const;
  void hear(const SiteNews& news);
  void drain();       // start nothing new; return works as they come to rest; close connections
  bool idle() const;  // no work, no connection
  void campaign_changed(
      std::string_view
          campaign);  // its control changed: return what is waiting, if it no longer sends
  // A person resumed this campaign: pauses for a person to mend something (the relay's login, its certificate) or to look
  // into it (a site that refuses everything) end.
  void resume(std::string_view campaign);
  std::vector<SiteSnapshot> snapshot() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace volley::delivery
