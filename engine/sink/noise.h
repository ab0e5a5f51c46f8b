// Noise: octets that mean nothing, the same for the same generator.
//
// Thread  Pure. Not for: secrets.
#pragma once

#include <cstring>
#include <string>

#include "base/random.h"

namespace volley::sink {

inline std::string noise(Random& random, size_t size) {
  std::string out(size, '\0');
  for (size_t at = 0; at < size; at += sizeof(uint64_t)) {
    const uint64_t word = random.next();
    std::memcpy(out.data() + at, &word, std::min(sizeof word, size - at));
  }
  return out;
}

}  // namespace volley::sink
