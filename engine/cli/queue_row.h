// One queued recipient, as commands print it.
//
// Thread  Pure.
#pragma once

#include <cstdint>
#include <string>

#include "queue/walk.h"

namespace volley::cli {

// What the event log and the API call it: "<campaign>.<number>", or a single message's id.
std::string message_id_of(const queue::Place& place, uint64_t number);
// ready, waiting, in_flight, held, parked; "cancelled" for what is left of a cancelled campaign.
std::string_view state_of(const queue::Place& place);
// When it is tried again; 0: as soon as may be, or not known.
int64_t next_try_ms(const queue::Place& place, const queue::Recipient& recipient);

std::string time_text(int64_t ms);  // "2026-11-03T09:14:07.031Z"; empty for 0

// {"id", "campaign", "lane", "domain", "recipient", "number", "attempts", "enqueued", "first_attempt", "not_before", "last_code",
// "where"}, without newline; times that are not known, and the code of who was never tried, are null.
std::string json_row(const queue::Place& place, const queue::Recipient& recipient);

extern const char kTableHead[];
std::string table_row(const queue::Place& place, const queue::Recipient& recipient, int64_t now_ms);

}  // namespace volley::cli
