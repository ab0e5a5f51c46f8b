// How far an engine has come with its queue: what tells a restored backup from a crash.
//
// Purpose    An engine has a mark in the queue that only moves forward: by a thousand at each start, by one each second. Its data
//            directory remembers, in <data>/history, what the queue certainly has (low) and what it cannot have passed (high).
//              mark < low    the queue is older than the journal: what was delivered since would be sent again
//              mark > high   the data directory is older than the queue: its journal knows nothing of what happened since
//            low is written behind the mark by more than a power cut takes away, high before the mark gets there. So neither kill -9
//            nor a power cut nor a new data directory looks like either.
// Format     A line for each queue: its identity (a hash), low, high. Written atomically and synced.
// Thread     Any, one at a time for a file. Errors: kIo; kData for a file that is damaged.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace volley::queue {

inline constexpr uint64_t kHistoryStart = 1000;   // a start moves the mark by so much
inline constexpr uint64_t kHistoryReserve = 120;  // high is ahead of the mark by at most so much
inline constexpr uint64_t kHistorySlack =
    5;  // seconds that a queue may forget, in a power cut or a failover

struct HistoryRange {
  uint64_t low = 0, high = 0;
  bool operator==(const HistoryRange&) const = default;
};

enum class HistoryVerdict { kAsLeft, kQueueOlder, kDirectoryOlder };
// directory: none, when it has never worked with this queue; mark: 0, when the queue has never met this engine.
HistoryVerdict judge_history(const std::optional<HistoryRange>& directory, uint64_t mark);

std::string history_identity(std::string_view dedupe_key);
std::string history_path(const std::string& data_directory);
Result<std::optional<HistoryRange>> read_history(const std::string& path,
                                                 std::string_view identity);
Status write_history(const std::string& path, std::string_view identity, HistoryRange range);

// What an engine goes on from. Empty path: it keeps no history.
struct History {
  std::string path, identity;
  uint64_t mark = 0;  // the queue has it
  HistoryRange range;
  bool volatile_queue = false;  // durability = "memory": forgetting is what it does
};

}  // namespace volley::queue
