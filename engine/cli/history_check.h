// Does the queue belong to what the data directory remembers? (queue/history.h)
//
// Purpose  begin_history() is called before an engine starts: it refuses (kData) where one of the two was restored from a backup,
//          and otherwise moves the mark, so that the next start can tell.
// Thread   The main thread. Errors: kData with the remedy; kIo; the store's.
#pragma once

#include "engine/cli/workplace.h"
#include "queue/history.h"

namespace volley::cli {

struct HistoryState {
  queue::HistoryVerdict verdict = queue::HistoryVerdict::kAsLeft;
  std::optional<queue::HistoryRange> directory;
  uint64_t mark = 0;  // the queue's
};

Result<HistoryState> look_at_history(Workplace& place);
Result<queue::History> begin_history(Workplace& place);
// Both are taken as they are from now on.
Status accept_history(Workplace& place, const HistoryState& state);

}  // namespace volley::cli
