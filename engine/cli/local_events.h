// What the event log of this machine knows: which domains a site has, what became of a message.
//
// Thread  Blocks on the disk; the main thread. Errors kNoInput.
#pragma once

#include <set>
#include <string>

#include "base/result.h"
#include "engine/cli/settings.h"

namespace volley::cli {

// `option` (--events), else the configured file, else <data>/events.jsonl.
std::string events_path(const Settings& settings, const std::string& option);

// Domains whose last attempt was at the site, as `volley status` names it.
Result<std::set<std::string>> domains_at_site(const std::string& path, const std::string& site);

}  // namespace volley::cli
