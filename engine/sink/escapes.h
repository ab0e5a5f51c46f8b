// Bytes as they are written in rules and dialogues: \r \n \t \s (a space) \xHH, any other escaped character itself;
// {N*TEXT} is TEXT N times.
//
// Thread  Pure. Errors: kUsage: an escape cut short, a brace that is not closed, more than 64 MiB.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace volley::sink {

Result<std::string> unescape(std::string_view text);

}  // namespace volley::sink
