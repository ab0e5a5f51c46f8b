#include "engine/cli/exit_code.h"

#include <cstdio>

namespace volley::cli {

int exit_code(Errc code) {
  switch (code) {
    case Errc::kUsage: return kExitUsage;
    case Errc::kData: return kExitData;
    case Errc::kNoInput: return 66;
    case Errc::kUnavailable:
    case Errc::kConnection: return kExitUnavailable;
    case Errc::kInternal: return kExitInternal;
    case Errc::kCantCreate: return 73;
    case Errc::kIo: return 74;
    case Errc::kTempFail: return kExitTempFail;
    case Errc::kProtocol: return 76;
    case Errc::kNoPermission: return 77;
    case Errc::kConfig: return 78;
  }
  return kExitInternal;
}

int report(const Error& error) {
  std::fprintf(stderr, "volley: %s\n", error.message.c_str());
  return exit_code(error.code);
}

}  // namespace volley::cli
