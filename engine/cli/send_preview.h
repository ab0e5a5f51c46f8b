// What `volley send` says before anything is queued: to --dry-run, and to the person who is asked "Send?".
//
// Purpose  Counts are those that the import will make: read = accepted + invalid + duplicate, and suppressed recipients
//          are among the accepted ones, but get nothing.
// Thread   Pure.
#pragma once

#include <string>
#include <string_view>

#include "engine/intake/importer.h"
#include "queue/campaign.h"
#include "queue/types.h"

namespace volley::cli {

std::string dry_run_json(const intake::ListFacts& facts);  // without newline
std::string dry_run_text(const intake::ListFacts& facts);

// `how`: by which way, signed or not. `rejects_path`: where the rows that are left out are, empty: nowhere.
std::string recipients_text(const intake::ListFacts& facts, std::string_view how,
                            std::string_view rejects_path);
// The same for a campaign that was started before.
std::string rest_text(const queue::Campaign& campaign, const queue::Counts& counts,
                      std::string_view how);

// A rendered message as a terminal may see it: no control characters, whole lines, about `cap` bytes.
std::string message_text(std::string_view message, size_t cap);

}  // namespace volley::cli
