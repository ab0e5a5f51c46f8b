#include "engine/delivery/history_keeper.h"

#include <algorithm>

#include "base/log.h"
#include "base/net/work_pool.h"

namespace volley::delivery {
namespace {

constexpr uint64_t kFirstSave = 5;  // ticks: a power cut takes less away
constexpr uint64_t kSaveEvery = 30;
constexpr uint64_t kLow = 60;  // so much of the reserve is left at least

}  // namespace

HistoryKeeper::HistoryKeeper(net::Loop& loop, queue::Door& door, queue::History history,
                             std::function<void(uint64_t, uint64_t)> on_forgotten)
    : loop_(loop),
      door_(door),
      history_(std::move(history)),
      on_forgotten_(std::move(on_forgotten)),
      confirmed_(history_.mark),
      confirmed_before_(history_.mark),
      certain_(history_.range.low == history_.mark) {}

HistoryKeeper::~HistoryKeeper() {
  *alive_ = false;
  if (!history_.path.empty() && !saving_ && !forgotten_) save_now();
}

// The start moved the mark by more than a power cut takes away; a queue that does not always sync may forget that it did.
bool HistoryKeeper::young() const { return !certain_ && ticks_ <= queue::kHistorySlack; }

void HistoryKeeper::tick() {
  if (history_.path.empty() || forgotten_) return;
  ++ticks_;
  if (ticks_ == kFirstSave || ticks_ % kSaveEvery == 0 ||
      history_.mark + kLow > history_.range.high)
    save();
  if (asking_ || history_.mark >= history_.range.high) return;
  asking_ = true;
  const uint64_t mark = ++history_.mark;
  const uint64_t slack = queue::kHistorySlack;
  const bool may_forget = history_.volatile_queue || confirmed_ < slack || young();
  door_.history(mark, may_forget ? 0 : confirmed_ - slack,
                [this, mark](const Result<uint64_t>& had) { answered(mark, had); });
}

void HistoryKeeper::answered(uint64_t mark, const Result<uint64_t>& had) {
  asking_ = false;
  if (!had.ok()) return log_debug("history: " + had.error().message);
  if (!history_.volatile_queue && !young() && *had + queue::kHistorySlack < confirmed_) {
    forgotten_ = true;
    history_.range.low = confirmed_;
    if (!saving_) save_now();
    return on_forgotten_(confirmed_, *had);
  }
  confirmed_ = mark;
}

// On the loop: once, at the end.
void HistoryKeeper::save_now() {
  history_.range.low = std::max(history_.range.low, sure());
  Status saved = queue::write_history(history_.path, history_.identity, history_.range);
  if (!saved) log_warn(saved.error().message);
}

void HistoryKeeper::save() {
  if (saving_) return;
  saving_ = true;
  queue::HistoryRange range = history_.range;
  range.low = std::max(range.low, sure());
  range.high = std::max(range.high, history_.mark + queue::kHistoryReserve);
  auto saved = std::make_shared<Status>();
  net::WorkPool::submit(
      loop_,
      [saved, path = history_.path, identity = history_.identity, range] {
        *saved = queue::write_history(path, identity, range);
      },
      [this, alive = alive_, saved, range, confirmed = confirmed_] {
        if (!*alive) return;
        saving_ = false;
        if (saved->ok()) {
          history_.range.low = std::max(history_.range.low, range.low);
          history_.range.high = range.high;
          confirmed_before_ = confirmed;
          if (forgotten_) save_now();
        } else if (!complained_) {
          log_warn(saved->error().message);
        }
        complained_ = !saved->ok();
      });
}

}  // namespace volley::delivery
