// What is in the queue and cannot be found: lists that no index names, chunks that nobody can read.
//
// Purpose   Functions keep lists and indexes together; what drifts apart was broken by hand, by a damaged file, or by a mistake of
//           ours. Store::repair() passes by all lists of the queue, by SCAN, and makes each findable again. A partition's owner
//           asks volley1_drift when nothing is to be had, and mends its own partition the same way.
//           A chunk that cannot be read is parked by the engine that meets it (volley1_park); Store::damaged() lists those.
// Repeating All of it changes nothing twice. Thread: as Store; what is pure is any's.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "queue/command.h"
#include "queue/types.h"

namespace volley::queue {

struct ListName {  // a list of chunks, as its key says
  uint32_t partition = 0;
  char place = 'q';                           // q ready, r waiting, h held, f in flight or parked
  std::string due;                            // r
  uint64_t lease = 0;                         // f
  std::string lane_tenant, campaign, domain;  // not of f
};
std::optional<ListName> parse_list_key(std::string_view key);  // none: it is no such key

// Answer: for each list, which is no f and of this partition, whether no index named it.
Command repair_command(uint32_t partition, bool dry_run, std::span<const ListName> lists);

struct RepairTotals {
  uint64_t lists = 0;                // looked at
  uint64_t mended = 0;               // that no index named
  uint64_t adopted = 0;              // chunks in flight under no lease, which have one now
  std::vector<std::string> unknown;  // those whose campaign is not known: left alone
};

struct DamagedChunk {  // parked, because it cannot be read
  uint32_t partition = 0;
  uint64_t lease = 0;
  Destination destination;
  uint64_t recipients = 0;  // as it was counted
  std::string key, why;
};

}  // namespace volley::queue
