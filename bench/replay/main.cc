// replay: runs one hot path so many times. See replay.h; bench/instructions is who calls it.
//
// Usage  replay --list          one path a line: name, unit, count
//        replay PATH COUNT      64 for a wrong command line, 70 when the path does not do what it should
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "bench/release_only.h"
#include "bench/replay/replay.h"

namespace volley::bench {
namespace {

constexpr Path kPaths[] = {
    {"message_data", "message", 200, "render, MIME, client core with DATA, reply to outcome",
     message_data},
    {"message_bdat", "message", 200, "the same with BDAT, a window on the wire", message_bdat},
    {"refusal", "reply", 200, "reply parser, classification, what becomes of the recipient",
     refusal},
    {"chunk_decode", "recipient", 5120, "chunk from the queue to recipients", chunk_decode},
    {"chunk_encode", "recipient", 5120, "recipients to a chunk", chunk_encode},
    {"import_row", "row", 5000, "CSV row to packed row: parse, check, dedupe, group", import_row},
    {"record", "record", 1000, "outcome to journal entry and event log line", record},
    {"settlement", "recipient", 1280, "a chunk's outcomes to what the queue is told", settlement},
};

}  // namespace

std::span<const Path> paths() { return kPaths; }

}  // namespace volley::bench

int main(int argc, char** argv) {
  using volley::bench::paths;
  if (argc == 2 && std::strcmp(argv[1], "--list") == 0) {
    for (const auto& path : paths())
      std::printf("%s\t%s\t%llu\t%s\n", path.name, path.unit,
                  static_cast<unsigned long long>(path.count), path.what);
    return 0;
  }
  for (const auto& path : paths()) {
    char* end = nullptr;
    const uint64_t count = argc == 3 ? std::strtoull(argv[2], &end, 10) : 0;
    if (count == 0 || *end != '\0' || std::strcmp(argv[1], path.name) != 0) continue;
    const uint64_t bytes = path.run(count);
    std::printf("{\"path\": \"%s\", \"count\": %llu, \"bytes\": %llu, \"compiler\": \"GCC %s\"}\n",
                path.name, static_cast<unsigned long long>(count),
                static_cast<unsigned long long>(bytes), __VERSION__);
    return 0;
  }
  std::fprintf(stderr, "usage: replay --list | replay PATH COUNT\n");
  return 64;
}
