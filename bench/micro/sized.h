// How a benchmark says what it did: bytes/s and items/s.
#pragma once

#include <benchmark/benchmark.h>

#include <cstddef>

namespace volley::bench {

// Each iteration did `items` of something, `bytes` in all.
inline void did(benchmark::State& state, size_t items, size_t bytes) {
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(items));
  if (bytes > 0) state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(bytes));
}

}  // namespace volley::bench
