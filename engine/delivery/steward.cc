#include "engine/delivery/steward.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "queue/record.h"
#include "queue/schedule.h"

namespace volley::delivery {
namespace {

constexpr Duration kGlance = std::chrono::milliseconds(100);
constexpr unsigned kLooks = 3;
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
                 HistoryKeeper& history, std::function<void()> seal_journals)
    : loop_(loop),
      door_(door),
      campaigns_(campaigns),
      controls_(controls),
      board_(board),
      shard_(shard),
      history_(history),
      seal_journals_(std::move(seal_journals)),
      timer_(loop, [this] { round(); }),
      glance_timer_(loop, [this] { glance(); }) {}

void Steward::start() {
  round();
  glance();
}

// A campaign of which an engine has just had the last in hand is over, mostly: whoever waits for it need not wait for the next round.
void Steward::glance() {
  glance_timer_.set_after(kGlance);
  for (const auto& [id, record] : campaigns_.records()) {
    if (!queue::may_finish(record)) continue;
    unsigned& looks = looks_[id];
    if (campaigns_.control(id)->in_memory.load(std::memory_order_relaxed) > 0) {
      looks = kLooks;
    } else if (looks > 0 && door_.connected()) {
      --looks;
      look_at(record);
    }
  }
}

void Steward::round() {
  std::erase_if(looks_,
                [this](const auto& one) { return !campaigns_.records().contains(one.first); });
  timer_.set_after(std::chrono::seconds(1));
  if (!door_.connected()) return;  // calls would only pile up
  history_.tick();
  look_at_clock();
  uint64_t running = 0, paused = 0;
  for (const auto& [id, record] : campaigns_.records()) {
    if (record.state == queue::CampaignState::kPaused) ++paused;
    if (record.state == queue::CampaignState::kRunning) ++running;
    look_at(record);
  }
  shard_[metrics::Metric::kCampaignsRunning].set(running);
  shard_[metrics::Metric::kCampaignsPaused].set(paused);
  door_.publish_status(board_.json(), [this](uint64_t engines, uint64_t seals) {
    controls_.set_engines(engines, loop_.now());
    if (std::exchange(seals_, seals) != seals) seal_journals_();
  });
}

void Steward::look_at_clock() {
  for (const ClockWatch::Word& word :
       clock_.look(door_.queue_now_ms(), door_.clock_leap_ms(), to_ms(wall_now()))) {
    if (word.error) log_error(word.text);
    if (!word.error) log_warn(word.text);
  }
}

void Steward::look_at(const queue::Campaign& record) {
  queue::Campaign due = record;
  if (!clock_.wrong() && queue::keep_schedule(due, door_.queue_now_ms())) {
    // What is done is finished first: its end has nothing to cancel.
    return door_.finish_if_done(record.id, [this, id = record.id](const Status& done) {
      noting(id)(done);
      door_.keep_schedule(id, noting(id));
    });
  }
  if (queue::may_send(record) && record.canary > 0 && !record.canary_approved)
    ration_canary(record);
  // The queue knows best; it is only not asked while the answer is plain.
  if (!queue::may_finish(record) || campaigns_.control(record.id)->in_memory.load() > 0) return;
  door_.finish_if_done(record.id, noting(record.id));
}

// Every engine says each second what it still has of its grants, so that all know when the whole canary is out. One without
// mail of the campaign asks for nothing.
void Steward::ration_canary(const queue::Campaign& record) {
  const uint64_t grant = std::max(kLeastGrant, record.canary / kGrants);
  CampaignControl& control = *campaigns_.control(record.id);
  const int64_t left = std::max<int64_t>(0, control.guard.left());
  const bool low = left * 2 <= static_cast<int64_t>(grant) && control.in_memory.load() > 0;
  if (!asked_.insert(record.id).second) return;
  door_.grant(record.id, low ? grant : 0, record.canary, static_cast<uint64_t>(left),
              [this, id = record.id](const Result<queue::Grant>& given) {
                asked_.erase(id);
                if (!given.ok()) return log_debug("campaign " + id + ": " + given.error().message);
                campaigns_.control(id)->guard.granted(given->recipients);
                if (!given->all_out) return;
                door_.await_approval(id, [this, id](const Status& done) {
                  noting(id)(done);
                  campaigns_.poll();
                });
              });
}

}  // namespace volley::delivery
