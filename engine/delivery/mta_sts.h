// MTA-STS (RFC 8461): what a recipient's domain promises about its mail exchangers, as text.
//
// Purpose  The TXT record of _mta-sts.<domain> says that there is a policy and which edition; the
//          policy, fetched over HTTPS, says which hosts are the domain's and whether TLS with a good
//          certificate is a must. Reads both, and matches a host.
// Rules    TXT: records that do not begin "v=STSv1;" do not count; of the others there must be
//          exactly one, and a good one, else there is no policy (3.1). Policy: LF or CRLF; unknown
//          keys are skipped; of a repeated key other than mx the first counts (3.2). Whatever else
//          is not as the grammar has it makes the whole policy invalid: half a promise is none.
// Thread   Pure.
// Errors   kProtocol with the line that is wrong. Both texts are a stranger's.
// Not for  Fetching (sts_fetcher.h), remembering and deciding (sts_cache.h).
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace volley::delivery {

inline constexpr size_t kMaxStsPolicy = 64 << 10;  // bytes of text
inline constexpr std::chrono::seconds kMaxStsAge{31557600};

enum class StsMode : uint8_t { kNone, kTesting, kEnforce };

struct StsPolicy {
  StsMode mode = StsMode::kNone;
  std::vector<std::string> mx;  // lower case; "*." in front stands for exactly one label
  std::chrono::seconds max_age{};
  bool operator==(const StsPolicy&) const = default;
};

// The id of the policy's edition. nullopt: no policy.
std::optional<std::string> parse_sts_txt(std::span<const std::string> records);

Result<StsPolicy> parse_sts_policy(std::string_view text);

// Whether one of the patterns stands for the host; the mode is not looked at.
bool matches(const StsPolicy& policy, std::string_view mx_host);

// "none", "testing", "enforce", as the policy writes them.
std::string_view to_string(StsMode mode);
std::optional<StsMode> sts_mode(std::string_view word);
// A pattern as policies have it: a name, perhaps with "*." in front. Lower case; nullopt: not one.
std::optional<std::string> sts_pattern(std::string_view text);

}  // namespace volley::delivery
