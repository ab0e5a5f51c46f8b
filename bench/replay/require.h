// require(): what is measured must have happened.
//
// Purpose  A benchmark that fails is a fast one. Anything but the expected outcome ends the program with exit 70 and the reason.
// Thread   Any.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace volley::bench {

[[noreturn]] inline void fail(std::string_view why) {
  std::fprintf(stderr, "not what was to be measured: %.*s\n", static_cast<int>(why.size()),
               why.data());
  std::exit(70);
}

inline void require(bool condition, std::string_view why) {
  if (!condition) fail(why);
}

}  // namespace volley::bench
