// What a campaign came to: for people, and as the one JSON line that scripts read.
//
// Purpose  The identity holds in both: accepted = delivered + bounced + expired + suppressed + cancelled + queued, and
//          read = accepted + invalid + duplicate.
// Thread   Values.
#pragma once

#include <string>

#include "base/time.h"
#include "queue/campaign.h"
#include "queue/types.h"

namespace volley::cli {

struct Summary {
  queue::Campaign campaign;
  queue::Counts counts;
  Duration elapsed{};
  uint64_t delivered_before = 0;  // by earlier runs that `elapsed` leaves out
  // While the import is open the record has no totals yet: these are the importer's.
  uint64_t read = 0, invalid = 0, duplicate = 0;

  bool finished() const;        // every accepted recipient has its final outcome
  std::string json() const;     // without newline
  std::string text() const;     // several lines
};

}  // namespace volley::cli
