#include "queue/library.h"

#include <fmt/format.h>

#include "base/hash.h"

namespace volley::queue {

std::string_view library_version() {
  static const std::string version = fmt::format("{:016x}", xxh64(kLibrarySource));
  return version;
}

Command library_version_command() {
  Command command("FCALL");
  command.arg("volley1_version").arg("0");
  return command;
}

Command load_library_command() {
  static constexpr std::string_view kMark = "@VERSION@";
  std::string code(kLibrarySource);
  if (const size_t at = code.find(kMark); at != std::string::npos)
    code.replace(at, kMark.size(), library_version());
  Command command("FUNCTION");
  command.arg("LOAD").arg("REPLACE").arg(code);
  return command;
}

}  // namespace volley::queue
