// Final outcomes, packed: how they lie in Redis until their campaign is purged.
//
// Purpose  About 20 bytes for each of a chunk's delivered recipients: numbers as differences, replies once each, addresses
//          without the domain they share.
// Errors   decode_outcomes: kData. Thread: pure.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "queue/types.h"

namespace volley::queue {

std::string encode_outcomes(std::span<const FinalOutcome> outcomes);  // empty for none
Result<std::vector<FinalOutcome>> decode_outcomes(std::string_view packed);

}  // namespace volley::queue
