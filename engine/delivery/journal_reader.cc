#include <algorithm>
#include <filesystem>
#include <set>
#include <tuple>

#include "base/files.h"
#include "engine/delivery/journal.h"
#include "engine/delivery/journal_format.h"

namespace volley::delivery {
namespace {

// All segments together: an outcome's marks may be in another file than the outcome. One that was carried over may be
// there twice, or in a file behind younger ones: it is one outcome, and in its old place.
struct Collected {
  struct Outcome {
    Record record;
    uint64_t at = 0;  // how much was read before it
  };
  std::vector<uint64_t> runs;  // as their first segments come; one for each loop
  std::map<std::pair<size_t, uint64_t>, Outcome> outcomes;  // by place of its run, and sequence
  std::map<std::tuple<uint64_t, uint32_t, uint64_t>, uint64_t>
      settled;                          // run, partition, lease -> its last mark
  std::map<uint64_t, uint64_t> logged;  // run -> events up to here
  uint64_t read = 0;

  bool is_settled(const Outcome& outcome, uint64_t run) const;
};

// A chunk that was fenced and then recovered keeps its lease's number: a mark says nothing of what came behind it, and
// only within a run is it known what that is. An outcome whose own mark is missing is asked for too much, which costs
// nothing: the queue does not know its lease any more.
bool Collected::is_settled(const Outcome& outcome, uint64_t run) const {
  const auto mark = settled.find({run, outcome.record.partition, outcome.record.lease});
  return mark != settled.end() && mark->second > outcome.at;
}

Result<std::vector<std::string>> segment_files(const std::string& directory) {
  std::vector<std::filesystem::path> paths;
  std::error_code error;
  if (!std::filesystem::exists(directory, error)) return std::vector<std::string>{};
  for (std::filesystem::directory_iterator it(directory, error), end; !error && it != end;
       it.increment(error)) {
    if (it->path().extension() == ".journal") paths.push_back(it->path());
  }
  if (error) return Error{Errc::kIo, "cannot read " + directory + ": " + error.message()};
  // "0-9" before "0-10": shorter first, then by name.
  std::sort(paths.begin(), paths.end(), [](const auto& a, const auto& b) {
    const auto left = a.filename().string(), right = b.filename().string();
    return left.size() != right.size() ? left.size() < right.size() : left < right;
  });
  std::vector<std::string> names;
  names.reserve(paths.size());
  for (const auto& path : paths) names.push_back(path.string());
  return names;
}

void read_entries(JournalReader& reader, uint64_t run, Collected& all) {
  const auto known = std::find(all.runs.begin(), all.runs.end(), run);
  const auto place = static_cast<size_t>(known - all.runs.begin());
  if (known == all.runs.end()) all.runs.push_back(run);
  while (auto entry = reader.next()) {
    ++all.read;
    switch (entry->type) {
      case EntryType::kHeader:
        break;
      case EntryType::kOutcome:
        all.outcomes.try_emplace({place, entry->sequence},
                                 Collected::Outcome{std::move(entry->record), all.read});
        break;
      case EntryType::kSettled:
        all.settled[{run, entry->partition, entry->lease}] = all.read;
        break;
      case EntryType::kLogged: {
        uint64_t& mark = all.logged[entry->run];
        mark = std::max(mark, entry->sequence);
        break;
      }
    }
  }
}

}  // namespace

Result<Replay> read_journals(const std::string& directory, std::string_view queue_identity) {
  auto files = segment_files(directory);
  if (!files.ok()) return files.error();
  Replay replay;
  Collected all;
  for (const auto& path : *files) {
    auto bytes = read_file(path);
    if (!bytes.ok()) return Error{Errc::kIo, bytes.error().message};
    JournalReader reader(*bytes);
    auto header = reader.next();
    // A segment that died before its header was whole has nothing in it.
    const bool stillborn = reader.recognised() && !header && reader.damaged() == 0;
    const bool ours =
        header && header->type == EntryType::kHeader && header->identity == queue_identity;
    if (!ours && !stillborn) {
      replay.foreign.push_back(path);
      continue;
    }
    replay.segments.push_back(path);
    if (ours) read_entries(reader, header->run, all);
    replay.damaged += reader.damaged();
  }

  std::set<uint64_t> runs;
  for (auto& [name, outcome] : all.outcomes) {
    Record& record = outcome.record;
    const uint64_t run = all.runs[name.first];
    const auto mark = all.logged.find(run);
    if (mark == all.logged.end() || name.second > mark->second) {
      replay.unlogged.push_back(record);
      runs.insert(run);
    }
    if (all.is_settled(outcome, run)) continue;
    replay.unsettled[{record.partition, record.lease}].push_back(std::move(record));
  }
  replay.runs.assign(runs.begin(), runs.end());
  return replay;
}

}  // namespace volley::delivery
