// SiteRunner: a site at work: its paths, and who gets the next connection.
//
// Purpose  Shares the site's connections among its paths: paths with none first, transactional mail before all, then those
//          with the most waiting per connection. Connections nobody needs make room. Keeps one timer for whatever the site
//          waits for: a token, the end of a pause, the next attempt to connect, a campaign's pace.
// Ownership Owns the Site and its PathPools.
// Thread   The loop's; run() at the end of a turn.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/net/timer.h"
#include "engine/delivery/path_pool.h"
#include "engine/delivery/site.h"

namespace volley::delivery {

class SiteRunner : public TurnTaker {
 public:
  SiteRunner(Tools& tools, std::string name, std::string provider, metrics::SiteCells& cells);
  ~SiteRunner();

  Site& site() { return site_; }
  void adopt(const Path& path, TimePoint now);  // the limits of the newest path count
  PathPool& pool(const std::shared_ptr<const Path>& path);
  const PathPool* find(const Path& path) const;

  void run(TimePoint now);
  void wait_for_token(TimePoint now);
  void wait_until(TimePoint when);  // run() then, or earlier
  // Works that got nowhere go back; pools nobody needs go. True: the whole site can be forgotten.
  bool tick(TimePoint now);
  void retire_all();
  void retire_campaign(std::string_view campaign);
  void quit_all();
  // Of this campaign: goes on at once if it waits for a person to mend something.
  void resume(std::string_view campaign, TimePoint now);
  size_t slots() const;
  SiteSnapshot snapshot(TimePoint now);

  // Paths without any connection wait for one, and this session has had its share: true for as many as that takes.
  bool yield_one();

  bool woken = false;  // is on the foreman's list

 private:
  std::string what_holds(const CampaignControl& campaign) const;
  void look_around(TimePoint now);
  void make_room(TimePoint now);
  void open(TimePoint now);
  PathPool* neediest(TimePoint now);
  int64_t rest_ms(const PathPool& pool, TimePoint now);
  void set_timer(TimePoint now);

  Tools& tools_;
  Site site_;
  std::vector<std::unique_ptr<PathPool>> pools_;
  std::unordered_map<std::string, PathPool*> by_key_;
  net::Timer timer_;
  size_t next_ = 0;  // pool that is looked at first
  size_t starving_ = 0, starving_transactional_ = 0;
  size_t yields_ = 0;
  TimePoint token_at_ = kNever;
  TimePoint idle_since_{};
};

}  // namespace volley::delivery
