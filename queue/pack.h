// zstd behind two functions, with one context per thread.
//
// Purpose  pack() appends raw bytes or a zstd frame, whichever is smaller, with the raw size in front; unpack() reverses it
//          within a cap. Level 1 for chunks (they are packed on the importer's path), higher for what is stored once.
// Errors   unpack: kData. Thread: any.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace volley::queue {

void pack(std::string_view raw, std::string& out, int level = 1);
Result<std::string> unpack(std::string_view packed, uint64_t cap);

}  // namespace volley::queue
