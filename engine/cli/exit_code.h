// Exit codes, after sysexits.h: 0 finished, 64 usage, 65 data, 66 input file or queue, 69 unavailable, 70 internal, 73/74 disk,
// 75 paused or still queued, 77 refused credentials, 78 configuration.
#pragma once

#include "base/result.h"

namespace volley::cli {

inline constexpr int kExitFinished = 0;
inline constexpr int kExitUsage = 64;
inline constexpr int kExitData = 65;
inline constexpr int kExitUnavailable = 69;
inline constexpr int kExitInternal = 70;
inline constexpr int kExitTempFail = 75;

int exit_code(Errc code);
// Prints `volley: message` on standard error and returns the error's exit code.
int report(const Error& error);

}  // namespace volley::cli
