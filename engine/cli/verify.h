// Verification: what the queue says of a campaign's recipients, held against what their receivers logged.
//
// Purpose    `volley campaign show ID --verify LOG`. Two lists that know nothing of each other: the final outcomes in the queue, and
//            the lines of a receiver's log, one JSON object a message with "rcpt": [...] (`volley sink --log`). Delivered and in no
//            log is lost; in the logs more than once is duplicated; in a log, but bounced, expired or suppressed, is wrong. Whoever
//            has no final outcome in this campaign is somebody else's, and counted.
// Use        add(outcome) for each outcome, seal(), then log lines, then result(). Addresses are compared as the import does it
//            (fold_address), by keyed 128-bit hashes.
// Memory     24 bytes for each final outcome, nothing for a line of a log.
// Errors     A line that cannot be read, a torn last one too, is counted. read_log(): kNoInput.
// Thread     One.
#pragma once

#include <cstdint>
#include <functional>
#include <istream>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "base/result.h"
#include "engine/cli/summary.h"
#include "queue/store.h"
#include "queue/types.h"

namespace volley::cli {

struct Verdicts {
  bool identity = true;
  std::vector<std::string> broken;  // sentences: what does not add up
  uint64_t delivered = 0;           // outcomes that say so
  uint64_t in_log = 0;              // recipients of the campaign that the logs name
  uint64_t lost = 0;
  uint64_t duplicated = 0, copies = 0;  // recipients; messages beyond the first of each
  uint64_t wrong = 0;
  uint64_t forgotten = 0;    // outcomes without an address: neither lost nor wrong
  bool only_counts = false;  // retention has dropped the outcomes: nothing but `identity` is judged
  uint64_t others = 0;      // times that the logs name somebody without a final outcome in this campaign
  uint64_t unreadable = 0;  // lines
  std::vector<std::string> examples;  // of the lost and wrong, a few: "user@example.net: bounced, but in the log"

  bool good() const { return identity && lost == 0 && wrong == 0; }
  std::string json(const queue::Campaign& campaign) const;  // without newline
  std::string text() const;                                 // several lines
};

class Verification {
 public:
  explicit Verification(std::string_view key);  // random: nobody can prepare addresses that collide

  void add(const queue::FinalOutcome& outcome);
  void seal();
  void read_line(std::string_view line);
  void read_log(std::istream& log);

  // The numbers of the campaign before and after its outcomes were read: it may be running.
  void check_identity(const Summary& before, const Summary& after);
  // For the examples: once more each outcome, until false.
  bool explain(const queue::FinalOutcome& outcome);
  Verdicts result() const;

 private:
  struct Entry {
    Hash128 address;
    queue::Outcome outcome;
    uint32_t copies;
  };
  Entry* find(std::string_view address);
  void check_totals(const Summary& summary);

  KeyedHash hash_;
  std::vector<Entry> entries_;  // by address, once sealed
  uint64_t twice_in_queue_ = 0;
  uint64_t tally_[5] = {};  // by Outcome
  Verdicts said_;           // what is known before the entries are counted
};

// All of it; `summary` asks the queue.
Result<Verdicts> verify(queue::Store& store, const std::string& id, const std::vector<std::string>& logs,
                        const std::function<Result<Summary>()>& summary);

}  // namespace volley::cli
