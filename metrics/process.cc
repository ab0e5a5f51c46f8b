#include "metrics/process.h"

#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>

namespace volley::metrics {

namespace {

std::optional<std::string> slurp(const char* path) {
  std::ifstream in(path);
  std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  if (text.empty()) return std::nullopt;
  return text;
}

std::optional<double> resident_bytes() {
  auto text = slurp("/proc/self/statm");
  unsigned long size = 0, resident = 0;
  if (!text || std::sscanf(text->c_str(), "%lu %lu", &size, &resident) != 2) return std::nullopt;
  return static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE));
}

std::optional<double> open_fds() {
  DIR* directory = opendir("/proc/self/fd");
  if (directory == nullptr) return std::nullopt;
  int count = 0;
  while (const dirent* entry = readdir(directory)) {
    if (entry->d_name[0] != '.') ++count;
  }
  closedir(directory);
  return count - 1;  // not the one just used for looking
}

std::optional<double> max_fds() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return std::nullopt;
  return static_cast<double>(limit.rlim_cur);
}

std::optional<double> cpu_seconds() {
  rusage usage{};
  if (getrusage(RUSAGE_SELF, &usage) != 0) return std::nullopt;
  auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// Ticks since boot (field 22 of stat, counted after the parenthesised name), plus the boot's time.
std::optional<double> start_time() {
  auto stat = slurp("/proc/self/stat");
  auto boot = slurp("/proc/stat");
  if (!stat || !boot) return std::nullopt;
  size_t at = stat->rfind(')');
  size_t line = boot->find("\nbtime ");
  if (at == std::string::npos || line == std::string::npos) return std::nullopt;
  constexpr int kFieldsAfterName = 20;
  for (int field = 0; field < kFieldsAfterName; ++field) {
    at = stat->find(' ', at + 1);
    if (at == std::string::npos) return std::nullopt;
  }
  double ticks = std::strtod(stat->c_str() + at, nullptr);
  double booted = std::strtod(boot->c_str() + line + std::strlen("\nbtime "), nullptr);
  return booted + ticks / static_cast<double>(sysconf(_SC_CLK_TCK));
}

}  // namespace

std::optional<double> read_process_metric(ProcessMetric m) {
  switch (m) {
    case ProcessMetric::kResidentMemory:
      return resident_bytes();
    case ProcessMetric::kOpenFds:
      return open_fds();
    case ProcessMetric::kMaxFds:
      return max_fds();
    case ProcessMetric::kCpuSeconds:
      return cpu_seconds();
    case ProcessMetric::kStartTime:
      return start_time();
    case ProcessMetric::kBuildInfo:
      return 1;
    case ProcessMetric::kCount:
      break;
  }
  return std::nullopt;
}

}  // namespace volley::metrics
