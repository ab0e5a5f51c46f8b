#include "queue/history.h"

#include <fmt/format.h>

#include <charconv>
#include <filesystem>
#include <map>

#include "base/files.h"
#include "base/hash.h"

namespace volley::queue {

namespace {

constexpr uint64_t kMostBytes = uint64_t{1} << 20;

bool parse(std::string_view text, uint64_t& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

using Lines = std::map<std::string, HistoryRange, std::less<>>;

Result<Lines> read_lines(const std::string& path) {
  Lines lines;
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return lines;
  auto bytes = read_file(path, kMostBytes);
  if (!bytes) return bytes.error();
  std::string_view rest = *bytes;
  while (!rest.empty()) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    const size_t first = line.find(' '), second = line.find(' ', first + 1);
    HistoryRange range;
    if (first == std::string_view::npos || second == std::string_view::npos ||
        !parse(line.substr(first + 1, second - first - 1), range.low) ||
        !parse(line.substr(second + 1), range.high)) {
      return Error{Errc::kData,
                   fmt::format("{} is damaged: remove it once it is certain that queue and data "
                               "directory belong together",
                               path)};
    }
    lines[std::string(line.substr(0, first))] = range;
  }
  return lines;
}

}  // namespace

HistoryVerdict judge_history(const std::optional<HistoryRange>& directory, uint64_t mark) {
  const HistoryRange range = directory.value_or(HistoryRange{});
  if (mark + kHistorySlack < range.low) return HistoryVerdict::kQueueOlder;
  if (mark > range.high) return HistoryVerdict::kDirectoryOlder;
  return HistoryVerdict::kAsLeft;
}

std::string history_identity(std::string_view dedupe_key) {
  const auto digest = Sha256::of(fmt::format("history of {}", dedupe_key));
  return to_hex(digest.data(), 16);
}

std::string history_path(const std::string& data_directory) { return data_directory + "/history"; }

Result<std::optional<HistoryRange>> read_history(const std::string& path,
                                                 std::string_view identity) {
  auto lines = read_lines(path);
  if (!lines) return lines.error();
  const auto found = lines->find(identity);
  if (found == lines->end()) return std::optional<HistoryRange>();
  return std::optional<HistoryRange>(found->second);
}

Status write_history(const std::string& path, std::string_view identity, HistoryRange range) {
  auto lines = read_lines(path);
  if (!lines) return lines.error();
  (*lines)[std::string(identity)] = range;
  std::string text;
  for (const auto& [name, marks] : *lines)
    text += fmt::format("{} {} {}\n", name, marks.low, marks.high);
  return write_file_atomically(path, text);
}

}  // namespace volley::queue
