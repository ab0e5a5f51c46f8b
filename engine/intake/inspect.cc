#include <filesystem>
#include <system_error>
#include <utility>

#include "base/hash.h"
#include "base/random.h"
#include "base/units.h"
#include "engine/intake/dedupe.h"
#include "engine/intake/import_rules.h"
#include "engine/intake/importer.h"
#include "engine/intake/input_file.h"
#include "engine/intake/list_reader.h"
#include "engine/intake/rejects.h"
#include "engine/intake/row_check.h"

namespace volley::intake {

void RejectRate::add(uint64_t line, std::string_view reason) {
  ++invalid_;
  if (first_.size() >= 3) return;
  first_.push_back("line " + std::to_string(line) + ": " + std::string(reason));
}

bool RejectRate::exceeded(uint64_t rows, double limit) const {
  return invalid_ > 0 && static_cast<double>(invalid_) > limit * static_cast<double>(rows);
}

Error RejectRate::error(const std::string& path, uint64_t rows, double limit,
                        const std::string& rejects_path) const {
  const auto percent = [](double share) {
    std::string text = std::to_string(share * 100);
    text.resize(text.find('.') + 2);
    return text + " %";
  };
  std::string message = path + ": " + format_count(invalid_) + " of " + format_count(rows) +
                        " rows are invalid (" +
                        percent(static_cast<double>(invalid_) / static_cast<double>(rows)) +
                        ", max_invalid is " + percent(limit) + "): ";
  for (size_t i = 0; i < first_.size(); ++i) message += (i == 0 ? "" : "; ") + first_[i];
  if (!rejects_path.empty()) message += "; all of them are in " + rejects_path;
  return Error{Errc::kData, std::move(message)};
}

Error stopped_error() {
  return Error{Errc::kTempFail, "stopped; the same command goes on from here"};
}

Status check_rejects_path(const std::string& list, const std::string& rejects_path) {
  std::error_code none;
  if (rejects_path.empty() || !std::filesystem::equivalent(list, rejects_path, none)) return {};
  return Error{Errc::kUsage, rejects_path + ": the rejects file is the list itself; name another"};
}

namespace {

void keep_first(const Row& row, ListFacts& facts) {
  facts.first_email.assign(row.email);
  facts.first_values.assign(row.values.begin(), row.values.end());
}

// For hashes that never leave the process.
std::string random_key() { return std::to_string(Random::seed_from_system()); }

// What run_import() would make of each row, in the same order of questions.
class Inspection {
 public:
  Inspection(const RowVisitor& visit, const SuppressionList* suppressed,
             std::string_view dedupe_key)
      : visit_(visit),
        suppressed_(suppressed && suppressed->size() > 0 ? suppressed : nullptr),
        check_(dedupe_key.empty() ? random_key() : std::string(dedupe_key)),
        domain_hash_(random_key()) {}

  // Why the row goes to the rejects file; empty: it does not. Lives until the next call.
  std::string_view judge(const Row& row);

  ListFacts facts;
  RejectRate rate;
  DedupeSet domains;

 private:
  std::string_view refuse(const Row& row, std::string_view reason);

  const RowVisitor& visit_;
  const SuppressionList* const suppressed_;
  RowCheck check_;
  const KeyedHash domain_hash_;
  DedupeSet seen_;
  Status visited_;
  bool has_first_ = false;
};

std::string_view Inspection::refuse(const Row& row, std::string_view reason) {
  rate.add(row.line, reason);
  return reason;
}

std::string_view Inspection::judge(const Row& row) {
  if (std::string_view reason = check_.check(row); !reason.empty()) return refuse(row, reason);
  const Hash128 key = check_.key();
  if (!seen_.insert(key)) {
    ++facts.duplicate;
    return kDuplicate;
  }
  if (suppressed_ && suppressed_->contains(key)) {
    ++facts.suppressed;
    domains.insert(domain_hash_(check_.domain()));
    return {};
  }
  if (visit_) {
    visited_ = visit_(row.number, check_.address(), row.values);
    if (!visited_) return refuse(row, visited_.error().message);
  }
  domains.insert(domain_hash_(check_.domain()));
  if (!std::exchange(has_first_, true)) keep_first(row, facts);
  return {};
}

}  // namespace

Result<ListFacts> inspect(const ListOptions& options, const std::atomic<bool>& stop,
                          const RowVisitor& visit, const std::string& rejects_path,
                          const SuppressionList* suppressed, std::string_view dedupe_key) {
  Result<std::unique_ptr<ListReader>> opened = ListReader::open(options.path, options.encoding);
  if (!opened) return opened.error();
  ListReader& reader = **opened;
  if (Status status = check_rejects_path(options.path, rejects_path); !status)
    return status.error();
  RejectsWriter rejects;
  if (Status status = rejects.open(rejects_path); !status) return status.error();
  Inspection inspection(visit, suppressed, dedupe_key);
  ListFacts& facts = inspection.facts;
  const RejectRate& rate = inspection.rate;
  facts.columns = reader.columns();
  Row row;
  for (;;) {
    if (row.number % 1024 == 0 && stop.load(std::memory_order_relaxed)) return stopped_error();
    Result<bool> more = reader.next(row);
    if (!more.ok()) return more.error();
    if (!*more) break;
    facts.rows = row.number;
    const std::string_view reason = inspection.judge(row);
    if (!reason.empty()) rejects.add(row.line, reason, row.raw);
  }
  if (Status status = rejects.finish(); !status) return status.error();
  facts.invalid = rate.invalid();
  facts.domains = inspection.domains.size();
  facts.fingerprint = reader.fingerprint();
  if (rate.exceeded(facts.rows, options.max_invalid)) {
    return rate.error(options.path, facts.rows, options.max_invalid, rejects_path);
  }
  return std::move(facts);
}

Result<ListFacts> look_at_list(const ListOptions& options, bool sample) {
  Result<std::unique_ptr<ListReader>> reader = ListReader::open(options.path, options.encoding);
  if (!reader) return reader.error();
  ListFacts facts;
  facts.columns = (*reader)->columns();
  if (sample) {
    Result<std::string> taken = (*reader)->sample();
    if (!taken) return taken.error();
    facts.fingerprint = std::move(*taken);
  }
  RowCheck check(random_key());
  Row row;
  // The first row is for showing to a person: not worth reading a list of nothing but rejects to its end.
  while (row.number < 1000) {
    Result<bool> more = (*reader)->next(row);
    if (!more.ok()) return more.error();
    if (!*more) break;
    if (!check.check(row).empty()) continue;
    keep_first(row, facts);
    break;
  }
  return facts;
}

}  // namespace volley::intake
