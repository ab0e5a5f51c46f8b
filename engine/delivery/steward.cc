#include "engine/delivery/steward.h"

#include "base/log.h"

namespace volley::delivery {

Steward::Steward(net::Loop& loop, queue::Door& door, CampaignCache& campaigns,
                 const StatusBoard& board, metrics::Shard& shard)
    : door_(door), campaigns_(campaigns), board_(board), shard_(shard), timer_(loop, [this] {
        round();
      }) {}

void Steward::start() { round(); }

void Steward::round() {
  timer_.set_after(std::chrono::seconds(1));
  if (!door_.connected()) return;  // calls would only pile up
  uint64_t running = 0, paused = 0;
  for (const auto& [id, record] : campaigns_.records()) {
    if (record.state == queue::CampaignState::kPaused) ++paused;
    if (record.state != queue::CampaignState::kRunning) continue;
    ++running;
    // The queue knows best; it is only not asked while the answer is plain.
    if (!record.import_closed || campaigns_.control(id)->in_memory.load() > 0) continue;
    door_.finish_if_done(id, [id = id](const Status& done) {
      if (!done.ok()) log_debug("campaign " + id + ": " + done.error().message);
    });
  }
  shard_[metrics::Metric::kCampaignsRunning].set(running);
  shard_[metrics::Metric::kCampaignsPaused].set(paused);
  door_.publish_status(board_.json());
}

}  // namespace volley::delivery
