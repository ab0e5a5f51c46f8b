// Importer: from a list to the queue, durably, each row once, however often it is interrupted.
//
// Purpose    inspect() reads the whole list without touching the queue: what is fatal is found before anything is
//            queued, and the list gets its fingerprint. run_import() reads it again, validates, removes duplicates (128-bit
//            keyed hashes of folded addresses) and suppressed addresses, groups by domain, packs chunks, and writes a
//            partition's rows and its mark together. A list of many small domains goes through a temporary file first, about
//            up to three times its size (packer.h). A rerun reads from row 1, rebuilds counts and duplicates, and skips what a mark covers.
// Memory     40 bytes per recipient for duplicates (inspect() too), 64 MiB of packing buffers. Recipient number = row number.
// Thread     run_import() reads on the calling thread and packs and writes on another (import_writer.h), which has
//            the Store to itself until run_import() returns.
// Stop       What is not yet written is dropped; a rerun reads it again.
// Errors     kNoInput, kData (over max_invalid; the list changed while it was read), kUnavailable (queue), kTempFail
//            (stopped), kCantCreate, kIo (the temporary file; what went into it is queued at the end of the list only).
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "engine/intake/import_limits.h"
#include "engine/intake/suppression.h"
#include "queue/campaign.h"
#include "queue/store.h"

namespace volley::metrics {
class EventLog;
struct Shard;
}

namespace volley::intake {

struct ListOptions {
  std::string path;
  std::string encoding = "utf-8";
  double max_invalid = 0.05;
};

struct ListFacts {
  std::string fingerprint;               // SHA-256 of the file's bytes, hex; or a sample (list_sample.h)
  std::vector<std::string> columns;
  uint64_t rows = 0, invalid = 0;        // 0 when only looked at (stream)
  uint64_t duplicate = 0, suppressed = 0;  // as run_import() would count them: suppressed ones are accepted
  uint64_t domains = 0;
  std::vector<std::string> first_values; // of the first row to send to, in columns order
  std::string first_email;
};

// `visit` sees every row that would be sent to: valid, not a duplicate, not suppressed (dry run: render it); an error
// from it counts as an invalid row and goes to the rejects file.
using RowVisitor =
    std::function<Status(uint64_t number, std::string_view email, std::span<const std::string_view> values)>;
// `dedupe_key` is the one that `suppressed` was loaded with; without it, a random one finds the duplicates.
Result<ListFacts> inspect(const ListOptions& options, const std::atomic<bool>& stop, const RowVisitor& visit = nullptr,
                          const std::string& rejects_path = {}, const SuppressionList* suppressed = nullptr,
                          std::string_view dedupe_key = {});
// Columns and first row, and a sample for a fingerprint if one is asked for (list_sample.h): milliseconds, however long the list is. All
// there is for --stream.
Result<ListFacts> look_at_list(const ListOptions& options, bool sample);

struct ImportTotals {
  uint64_t read = 0, accepted = 0, invalid = 0, duplicate = 0, suppressed = 0;
  std::string fingerprint = {};  // of all that was read, once that is the whole list
};

struct ImportOptions {
  ListOptions list;
  std::string rejects_path;              // line,reason,row as CSV; rewritten by each run
  bool stream = false;                   // flush every 200 ms, check max_invalid as it goes
  // About 10 times a second, and with the final totals before run_import() returns, also with an error. The fraction is of the
  // work: where rows wait in a temporary file, reading them is half of it.
  std::function<void(const ImportTotals&, double fraction)> progress;
  std::function<void()> on_flush;        // something was queued: wake the engine. Called on the writing thread.
  metrics::Shard* metrics = nullptr;     // of the calling thread
  std::string spill_directory;           // for a temporary file (row_spill.h); empty: the system's for those
  ImportLimits limits;
};

// The campaign exists (Store::create) and `epoch` is from begin_import. Leaves close_import to the caller.
Result<ImportTotals> run_import(queue::Store& store, const queue::Campaign& campaign, uint64_t epoch,
                                const ImportOptions& options, const SuppressionList& suppressed,
                                metrics::EventLog* events, const std::atomic<bool>& stop);

}  // namespace volley::intake
