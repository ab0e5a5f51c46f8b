#include "engine/cli/erasure.h"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <thread>

#include "engine/cli/live_engines.h"

namespace volley::cli {
namespace {

namespace fs = std::filesystem;

constexpr Duration kLook = std::chrono::milliseconds(200);

bool is_rejects(const std::string& name) { return name.starts_with("rejects-") && name.ends_with(".csv"); }

std::vector<std::string> files_in(const std::string& directory, const std::function<bool(const std::string&)>& wanted) {
  std::vector<std::string> out;
  std::error_code error;
  for (fs::directory_iterator it(directory, error), end; !error && it != end; it.increment(error)) {
    if (wanted(it->path().filename().string())) out.push_back(it->path().string());
  }
  return out;
}

// False: one of them has it. A journal that goes meanwhile has nothing.
Result<bool> without(const std::string& directory, const std::function<bool(std::string_view)>& has) {
  for (const std::string& path : files_in(directory, [](const std::string& name) { return name.ends_with(".journal"); })) {
    auto bytes = read_file(path);
    if (bytes && has(*bytes)) return false;
    if (!bytes && access(path.c_str(), F_OK) == 0) return bytes.error();
  }
  return true;
}

}  // namespace

bool sure(const std::string& question, bool yes) {
  if (yes || isatty(STDIN_FILENO) == 0 || isatty(STDERR_FILENO) == 0) return true;
  std::fprintf(stderr, "%s [y/N] ", question.c_str());
  const int answer = std::getchar();
  if (answer == EOF) std::fprintf(stderr, "\n");
  return answer == 'y' || answer == 'Y';
}

Result<bool> wait_for(const std::function<Result<bool>()>& look, bool may_change) {
  const TimePoint end = monotonic_now() + kErasurePatience;
  for (;;) {
    auto done = look();
    if (!done || *done || !may_change || monotonic_now() >= end) return done;
    std::this_thread::sleep_for(kLook);
  }
}

Result<bool> journals_without(Workplace& place, const std::function<bool(std::string_view bytes)>& has) {
  const std::string directory = place.data() + "/journal";
  auto clean = without(directory, has);
  if (!clean || *clean) return clean;
  const bool engine = !place.alone() && FileLock::held(place.data() + "/engine.lock");
  if (!engine) return false;
  if (Status asked = place.store().seal_journals(); !asked) return asked.error();
  return wait_for([&] { return without(directory, has); }, true);
}

std::vector<std::string> rejects_files(const std::string& data) { return files_in(data, is_rejects); }

Result<uint64_t> drop_rows(const std::string& path, const std::function<bool(std::string_view row)>& drop) {
  auto text = read_file(path, uint64_t{4} << 30);
  if (!text) return text.error();
  std::string kept;
  uint64_t dropped = 0;
  for (size_t start = 0; start < text->size();) {
    size_t end = start;
    for (bool quoted = false; end < text->size() && (quoted || (*text)[end] != '\n'); ++end) {
      if ((*text)[end] == '"') quoted = !quoted;
    }
    end = std::min(end + 1, text->size());
    const std::string_view row = std::string_view(*text).substr(start, end - start);
    if (start > 0 && drop(row)) {
      ++dropped;
    } else {
      kept += row;
    }
    start = end;
  }
  if (dropped == 0) return dropped;
  if (Status written = replace_file(path, kept); !written) return written.error();
  return dropped;
}

Status remove_retired_journals(const std::string& data) {
  for (const std::string& path : files_in(data + "/journal", [](const std::string& name) { return name.ends_with(".journal.old"); })) {
    if (unlink(path.c_str()) != 0 && errno != ENOENT) return Error{Errc::kIo, "cannot remove " + path + ": " + std::strerror(errno)};
  }
  return {};
}

bool remove_rejects(const std::string& data, const queue::Campaign& campaign) {
  std::error_code error;
  const fs::path path(campaign.rejects_path);
  if (!is_rejects(path.filename().string())) return false;
  return fs::equivalent(path.parent_path(), data, error) && fs::remove(path, error);
}

Result<std::string> rewrite_append_only_file(queue::Store& store, const std::function<bool()>& stop) {
  auto done = store.rewrite_log(stop);
  if (done) return std::string(*done ? "rewritten" : "none");
  if (done.error().code == Errc::kTempFail) return done.error();
  return done.error().message;
}

Result<size_t> other_engines(Workplace& place) {
  auto live = live_engines(place.store());
  if (!live) return live.error();
  const auto ours = read_file(place.data() + "/instance", 64);
  size_t count = 0;
  for (const queue::EngineStatus& engine : live->engines) count += !ours || engine.engine != *ours ? 1 : 0;
  return count;
}

}  // namespace volley::cli
