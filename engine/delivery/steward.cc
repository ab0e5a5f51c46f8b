#include "engine/delivery/steward.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "queue/record.h"
#include "queue/schedule.h"

namespace volley::delivery {
namespace {

constexpr uint64_t kLeastGrant = 50;  // of a canary's recipients
constexpr uint64_t kGrants = 10;  // that a canary is given out in, so that every engine has some

std::function<void(const Status&)> noting(const std::string& id) {
  return [id](const Status& done) {
    if (!done.ok()) log_debug("campaign " + id + ": " + done.error().message);
  };
}

}  // namespace

Steward::Steward(net::Loop& loop, queue::Door& door, CampaignCache& campaigns,
                 ControlTable& controls, const StatusBoard& board, metrics::Shard& shard,
                 std::function<void()> seal_journals)
    : loop_(loop),
      door_(door),
      campaigns_(campaigns),
      controls_(controls),
      board_(board),
      shard_(shard),
      seal_journals_(std::move(seal_journals)),
      timer_(loop, [this] { round(); }) {}

void Steward::start() { round(); }

void Steward::round() {
  timer_.set_after(std::chrono::seconds(1));
  if (!door_.connected()) return;  // calls would only pile up
  uint64_t running = 0, paused = 0;
  for (const auto& [id, record] : campaigns_.records()) {
    if (record.state == queue::CampaignState::kPaused) ++paused;
    if (record.state == queue::CampaignState::kRunning) ++running;
    look_at(record);
  }
  shard_[metrics::Metric::kCampaignsRunning].set(running);
  shard_[metrics::Metric::kCampaignsPaused].set(paused);
  door_.publish_status(board_.json(),
                       [this](uint64_t engines, uint64_t seals) {
                         controls_.set_engines(engines, loop_.now());
                         if (std::exchange(seals_, seals) != seals) seal_journals_();
                       });
}

void Steward::look_at(const queue::Campaign& record) {
  queue::Campaign due = record;
  if (queue::keep_schedule(due, door_.queue_now_ms())) {
    return door_.keep_schedule(record.id, noting(record.id));
  }
  if (queue::may_send(record) && record.canary > 0 && !record.canary_approved)
    ration_canary(record);
  if (record.state != queue::CampaignState::kRunning) return;
  // The queue knows best; it is only not asked while the answer is plain.
  if (!record.import_closed || campaigns_.control(record.id)->in_memory.load() > 0) return;
  door_.finish_if_done(record.id, noting(record.id));
}

void Steward::ration_canary(const queue::Campaign& record) {
  const uint64_t grant = std::max(kLeastGrant, record.canary / kGrants);
  CampaignControl& control = *campaigns_.control(record.id);
  if (control.guard.left() * 2 > static_cast<int64_t>(grant)) return;
  if (!asked_.insert(record.id).second) return;
  door_.grant(record.id, grant, record.canary,
              [this, id = record.id](const Result<uint64_t>& given) {
                asked_.erase(id);
                if (!given.ok()) return log_debug("campaign " + id + ": " + given.error().message);
                CampaignGuard& guard = campaigns_.control(id)->guard;
                guard.granted(*given);
                if (*given > 0 || guard.left() > 0) return;
                door_.await_approval(id, [this, id](const Status& done) {
                  noting(id)(done);
                  campaigns_.poll();
                });
              });
}

}  // namespace volley::delivery
