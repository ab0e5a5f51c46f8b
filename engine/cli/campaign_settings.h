// What a running campaign can be told: rate, priority, schedule, brakes; and how it is shown.
//
// Purpose  `volley campaign set` and `volley campaign approve`, and the lines of `campaign show` about them.
// Errors   Usage (64) for values that cannot be read, kData (65) for a schedule that cannot be kept.
// Thread   The main thread.
#pragma once

#include <string>

#include "engine/cli/command.h"
#include "engine/cli/context.h"
#include "queue/campaign.h"

namespace volley::cli {

void add_campaign_settings(Command& campaign, Context& context);  // set, approve

// A line for each setting that is not the usual one.
std::string settings_text(const queue::Campaign& campaign);

}  // namespace volley::cli
