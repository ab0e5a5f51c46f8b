// micro: what the engine's parts cost one by one, and beside them what a well-kept library takes for the same (Lib in their names).
//
// Usage  cmake --preset release && cmake --build --preset release --target micro
//        build/release/bench/micro/micro [--benchmark_filter=REGEX]
// Needs  redis-server for Queue*; starts a private one, without an append-only file, and stops it.
#include <benchmark/benchmark.h>

#include "bench/release_only.h"

BENCHMARK_MAIN();
