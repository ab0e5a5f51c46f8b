// Worker: one delivery loop, whole: thread, queue connection, journal, partitions, sites.
//
// Purpose    Puts the two halves together: owner of partitions above, sites below, and between loops: works travel
//            to the loop of their site and back by Loop::post. Writes every outcome to journal and event log before
//            the receiver hears more.
// Ownership  Owns everything of its loop. EngineShared and the other workers outlive its thread: all threads are
//            joined before the first worker is destroyed.
// Thread     create(), start(), join() and destruction: the engine's. wake(), drain(), and whatever is posted: any.
// Errors     create: kIo (journal), kConfig (DNS). A full disk later holds the loop until there is room: nothing is
//            written to a receiver while its outcomes cannot be written down.
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "base/net/loop.h"
#include "base/net/timer.h"
#include "engine/delivery/brakes.h"
#include "engine/delivery/delivery.h"
#include "engine/delivery/journal.h"
#include "engine/delivery/partition_owner.h"
#include "engine/delivery/settings.h"
#include "engine/delivery/site_table.h"
#include "engine/delivery/status.h"
#include "engine/delivery/steward.h"
#include "metrics/event_log.h"

namespace volley::delivery {

class Worker;

struct EngineShared {
  EngineShared(Settings settings_, queue::QueueUrl queue_, std::string engine_id_,
               std::string dedupe_key_, uint32_t partitions_, const message::DkimKeyRing& keys_,
               metrics::Registry& registry_, metrics::EventLog& events_, Replay replay_);

  Settings settings;
  queue::QueueUrl queue;
  std::string engine_id, dedupe_key, queue_identity;
  uint32_t partitions;
  const message::DkimKeyRing& keys;
  metrics::Registry& registry;
  metrics::EventLog& events;
  Commons commons;
  ControlTable controls;
  ReplayBook replay;
  std::vector<uint64_t> replayed_runs;  // their events are appended again, up to:
  uint64_t replayed_events = 0;
  StatusBoard board;
  std::vector<Worker*> workers;  // constant once the threads run

  std::mutex mutex;
  std::condition_variable changed;
  unsigned drained = 0;              // workers that are done
  unsigned quiet = 0;                // draining workers with nothing on the wire any more
  std::atomic<bool> abandon{false};  // leave, even from a full disk
};

// What identifies a queue in journals, without giving its key away.
std::string queue_identity(std::string_view dedupe_key);

class Worker final : public SiteTable::Listener,
                     public Router::Receiver,
                     public Delivery,
                     public net::TurnHook {
 public:
  static Result<std::unique_ptr<Worker>> create(EngineShared& shared, unsigned index);
  ~Worker() override;

  void start();
  void wake();
  void drain();
  void farewell();  // publishes the status once more; loop 0
  void stop();      // the loop ends; join() then
  void join();

  // SiteTable::Listener
  void on_record(const Work& work, const Record& record) override;
  void on_progress(Work& work) override;
  void on_returned(std::unique_ptr<Work> work) override;
  void on_pause_campaign(std::string_view campaign, std::string_view reason) override;
  void on_site_news(const SiteNews& news) override;
  // Router::Receiver
  void on_route(uint64_t id, const RouteAnswer& answer) override;
  // Delivery
  std::optional<RouteAnswer> route(std::string_view domain, uint64_t ticket) override;
  unsigned accept(std::unique_ptr<Work> work) override;
  bool wants_more(const Path& path) override;
  void record(const Work& work, const Record& record) override;
  void lease_closed(uint32_t partition, uint64_t lease, unsigned loop) override;
  void look_again(const std::vector<std::string>& campaigns) override;
  void campaign_changed(const queue::Campaign& record, bool resumed) override;
  // net::TurnHook, Phase::kJournal
  void on_turn_end() override;

 private:
  // What a loop of a site said last about wanting more of a path.
  struct Appetite {
    bool wants = true;
    bool hungry = false;  // it has next to nothing
    TimePoint asked{};
  };

  Worker(EngineShared& shared, unsigned index);
  Worker& other(unsigned loop) { return *shared_.workers[loop]; }
  bool shares(const Path& path) const;  // may sessions of its site live on this loop?
  unsigned target_of(const Path& path) const;
  static std::string appetite_key(const Path& path, unsigned loop);
  void remember_feeder(const std::shared_ptr<const Path>& path, unsigned from);
  void call_for_more();
  bool waits_for_others();
  std::optional<unsigned> hungry_sibling(const Work& work);
  void take(std::unique_ptr<Work> work);
  void send(std::unique_ptr<Work> work, unsigned loop);
  void ask_appetite(const std::shared_ptr<const Path>& path, unsigned loop);
  void hold_until_journalled(const Error& error);
  void housekeeping();
  void let_go_of_journals();
  void save_memory();
  void queue_forgot(uint64_t had, uint64_t has);
  void seal_journals();  // of all loops
  void look_whether_drained();
  void write_down(const Work& work, const Record& record);

  EngineShared& shared_;
  unsigned index_;
  unsigned loops_;
  net::Loop loop_;
  metrics::Shard& shard_;
  std::unique_ptr<Journal> journal_;
  std::unique_ptr<queue::Door> door_;
  std::unique_ptr<dns::Resolver> resolver_;
  std::unique_ptr<Router> router_;
  std::unique_ptr<SiteTable> sites_;
  std::unique_ptr<PartitionOwner> owner_;
  std::unique_ptr<HistoryKeeper> history_;  // loop 0 only
  std::unique_ptr<Steward> steward_;        // loop 0 only
  net::Timer housekeeping_;
  net::Timer drain_check_;
  std::unordered_map<std::string, Appetite> appetites_;  // by path and loop
  struct Fed {
    std::shared_ptr<const Path> path;
    std::set<unsigned> by;  // loops
  };
  std::unordered_map<std::string, Fed> fed_;  // by path: works that came from other loops, not yet called for more
  TimePoint call_at_{};
  unsigned sibling_turn_ = 0;
  Duration worked_{};  // by this thread, up to then
  TimePoint worked_since_{};
  bool waits_ = false;  // for others, most of the time
  std::thread thread_;
  std::atomic<bool> woken_{false};
  bool draining_ = false, quiet_ = false, drained_ = false;
  bool saving_ = false;
};

}  // namespace volley::delivery
