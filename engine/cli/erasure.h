// What `volley forget`, `volley campaign purge` and retention have in common: files of the data directory, and the append-only file.
//
// Purpose  Journals are an engine's: they are never changed here. A running engine is asked to seal them, and they are waited for; what
//          a dead one left goes with the next start. Files that were refused rows (rejects-*.csv) lose rows whole or not at all.
// Thread   Blocks on disk and queue. Errors: kIo, kNoInput; the store's.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "engine/cli/workplace.h"

namespace volley::cli {

inline constexpr Duration kErasurePatience = std::chrono::seconds(8);

// Asks on a terminal, unless told not to.
bool sure(const std::string& question, bool yes);

// Looks, again and again until it is true or patience ends; or once when nothing will change.
Result<bool> wait_for(const std::function<Result<bool>()>& look, bool may_change);

// True: no journal of this data directory has such bytes.
Result<bool> journals_without(Workplace& place, const std::function<bool(std::string_view bytes)>& has);

// What `queue reconcile` has put aside (*.journal.old): nobody reads it, and its events are in the log.
Status remove_retired_journals(const std::string& data);

// Rejects files of the data directory.
std::vector<std::string> rejects_files(const std::string& data);
// Drops rows (a quoted row may have line breaks) that `drop` is true of. Returns how many.
Result<uint64_t> drop_rows(const std::string& path, const std::function<bool(std::string_view row)>& drop);
// The campaign's rejects file, when it is in the data directory. True: it was there.
bool remove_rejects(const std::string& data, const queue::Campaign& campaign);

// "rewritten", "none", or why it was not.
Result<std::string> rewrite_append_only_file(queue::Store& store, const std::function<bool()>& stop);

// How many other engines, with data directories of their own, are at work on this queue.
Result<size_t> other_engines(Workplace& place);

}  // namespace volley::cli
