// TraceTarget: what `volley trace` was asked for.
//
// Purpose  An address; a message's id as API and event log have it ("november.17", or a single message's own); or a Message-ID,
//          whose left side names campaign and recipient: <november.17.1a2b3c4d@example.com>, with or without the brackets.
// Thread   Pure. Errors kUsage for what is none of them; kData for a Message-ID that all recipients of a campaign share.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/cli/address_match.h"

namespace volley::cli {

struct TraceTarget {
  std::optional<AddressMatch> address;
  std::string single;                 // a single message's id
  std::string campaign;               // with number
  uint64_t number = 0;

  std::string id() const;  // as the event log has it; empty for an address
};

// `campaigns`: ids of those in the queue; a Message-ID's left side has a short form of one.
Result<TraceTarget> parse_trace_target(const std::string& text, const std::vector<std::string>& campaigns);

}  // namespace volley::cli
