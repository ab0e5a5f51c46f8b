// A small seeded generator (xoshiro256**), for jitter and shuffles.
//
// Purpose  Randomness as an argument: pure code takes a Random&, tests seed it. Not for secrets: those come from
//          OpenSSL's RAND_bytes.
// Thread   One owner; not shared.
#pragma once

#include <cstdint>

namespace volley {

class Random {
 public:
  explicit Random(uint64_t seed);
  static uint64_t seed_from_system();

  uint64_t next();
  uint64_t below(uint64_t bound);  // [0, bound); bound > 0
  double unit();                   // [0, 1)

  // UniformRandomBitGenerator, for std::shuffle
  using result_type = uint64_t;
  static constexpr uint64_t min() { return 0; }
  static constexpr uint64_t max() { return ~uint64_t{0}; }
  uint64_t operator()() { return next(); }

 private:
  uint64_t s_[4];
};

}  // namespace volley
