#include "base/log.h"
#include "engine/delivery/partition_owner.h"

// What a partition has and cannot be sent: chunks that nobody can read, lists that no index names.
namespace volley::delivery {
namespace {

constexpr Duration kLookForDrift = std::chrono::minutes(1);
constexpr Duration kMendAgain = std::chrono::hours(1);  // mending scans all of Redis

}  // namespace

// People have to look at it: it is neither dropped nor tried for ever.
void PartitionOwner::park(Partition& p, const queue::Claimed& claimed, const std::string& why) {
  shard_[metrics::Metric::kCorruptChunks].add();
  log_error("partition " + std::to_string(p.number) + ", lease " + std::to_string(claimed.lease) +
            " of campaign " + claimed.destination.campaign + " cannot be read and is parked: " +
            why + "; `volley queue damaged` lists what was parked so, and drops it with --drop");
  door_.park(p.number, p.epoch, claimed.lease, why, [lease = claimed.lease](const auto& parked) {
    if (!parked.ok())
      log_warn("lease " + std::to_string(lease) + " cannot be parked: " + parked.error().message);
  });
}

// Nothing is to be had from the partition, now or later: then its running campaigns have nothing ready there either.
void PartitionOwner::look_for_drift(Partition& p) {
  if (p.looking || loop_.now() < p.drift_at) return;
  std::vector<std::string> running;
  for (const auto& [id, record] : cache_->records()) {
    if (record.state == queue::CampaignState::kRunning && record.import_closed)
      running.push_back(id);
  }
  running.emplace_back(queue::kSingleMessages);
  p.looking = true;
  p.drift_at = loop_.now() + kLookForDrift;
  door_.drift(p.number, running, [this, number = p.number, epoch = p.epoch](const auto& lost) {
    Partition& partition = at(number);
    partition.looking = false;
    const bool mine = partition.epoch == epoch && partition.state == State::kOwned;
    if (!mine || stopping_ || !lost.ok() || *lost == 0) return;
    if (*lost == partition.unfound && loop_.now() < partition.mend_again_at) return;
    mend(number, epoch, *lost);
  });
}

void PartitionOwner::mend(uint32_t number, uint64_t epoch, uint64_t lost) {
  log_warn("partition " + std::to_string(number) + ": no index names " + std::to_string(lost) +
           " recipients that are ready: mending it");
  at(number).looking = true;
  door_.mend(number, [this, number, epoch, lost](const auto& mended) {
    Partition& p = at(number);
    p.looking = false;
    if (mended.ok()) {
      p.unfound = *mended == 0 ? lost : 0;
      p.mend_again_at = loop_.now() + kMendAgain;
    }
    if (!mended.ok() || *mended == 0) {
      log_error("partition " + std::to_string(number) + " cannot be mended" +
                (mended.ok() ? std::string() : ": " + mended.error().message) +
                ": see `volley queue repair --dry-run`");
      return;
    }
    log_warn("partition " + std::to_string(number) + ": " + std::to_string(*mended) +
             " lists can be found again");
    if (p.epoch != epoch || p.state != State::kOwned) return;
    p.poll_at = TimePoint{};
    p.backoff = {};
    run();
  });
}

}  // namespace volley::delivery
