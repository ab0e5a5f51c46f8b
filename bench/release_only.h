// Included by what is measured: figures of anything but a release build mislead.
#pragma once

#if !defined(NDEBUG) || !defined(__OPTIMIZE__)
#error "benchmarks are built by the release preset only: cmake --preset release"
#endif
