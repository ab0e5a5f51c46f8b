#include "engine/cli/history_check.h"

#include <algorithm>

namespace volley::cli {
namespace {

// Before the mark gets there, the data directory says that it may.
Result<queue::History> move_on(Workplace& place, const HistoryState& state) {
  queue::History history;
  history.path = queue::history_path(place.data());
  history.identity = queue::history_identity(place.store().dedupe_key());
  history.volatile_queue = place.memory_durability();
  history.range = state.directory.value_or(queue::HistoryRange{});
  history.mark = std::max(state.mark, history.range.high) + queue::kHistoryStart;
  history.range.high = history.mark + queue::kHistoryReserve;
  if (Status written = queue::write_history(history.path, history.identity, history.range); !written) return written.error();
  auto had = place.store().history(place.engine_id(), history.mark);
  if (!had) return had.error();
  auto certain = place.store().syncs_always();
  if (!certain) return certain.error();
  if (*certain && !history.volatile_queue) {
    history.range.low = history.mark;
    if (Status written = queue::write_history(history.path, history.identity, history.range); !written) return written.error();
  }
  return history;
}

}  // namespace

Result<HistoryState> look_at_history(Workplace& place) {
  HistoryState state;
  auto directory = queue::read_history(queue::history_path(place.data()), queue::history_identity(place.store().dedupe_key()));
  if (!directory) return directory.error();
  auto mark = place.store().history(place.engine_id(), 0);
  if (!mark) return mark.error();
  state.directory = *directory;
  state.mark = *mark;
  state.verdict = queue::judge_history(state.directory, state.mark);
  return state;
}

Result<queue::History> begin_history(Workplace& place) {
  auto state = look_at_history(place);
  if (!state) return state.error();
  if (place.memory_durability()) return move_on(place, *state);
  switch (state->verdict) {
    case queue::HistoryVerdict::kAsLeft:
      return move_on(place, *state);
    case queue::HistoryVerdict::kQueueOlder:
      return Error{Errc::kData, "the queue is older than the journal in " + place.data() +
                                    ": it was restored from a backup, and what was sent since would be sent again; nothing is sent "
                                    "until `volley queue reconcile` has made it good"};
    case queue::HistoryVerdict::kDirectoryOlder:
      break;
  }
  return Error{Errc::kData, "the data directory " + place.data() +
                                " is older than the queue: it was restored from a backup, and its journal knows nothing of what was "
                                "sent since; nothing is sent until `volley queue reconcile` has said what that means"};
}

Status accept_history(Workplace& place, const HistoryState& state) {
  auto moved = move_on(place, state);
  return moved ? Status() : Status(moved.error());
}

}  // namespace volley::cli
