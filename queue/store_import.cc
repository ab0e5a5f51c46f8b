#include <fmt/format.h>

#include "queue/outcomes.h"
#include "queue/record.h"
#include "queue/store_impl.h"

namespace volley::queue {

namespace {

// A function call blocks Redis while it copies its chunks in: a few megabytes at a time is a few milliseconds.
constexpr size_t kMaxParts = 2000;

Status check_part(const ImportFlush::Part& part) {
  if (Status good = check_key_part("domain", part.domain); !good) return good;
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(part.chunk[i]); };
  if (part.chunk.size() <= 8 || part.chunk[0] != 'V' ||
      byte(2) + 256u * byte(3) != part.recipients) {
    return Error{Errc::kInternal,
                 fmt::format("import: the chunk for {} is not what its part says", part.domain)};
  }
  return {};
}

// What `where` is to volley1_import.
std::string position_of(const ImportFlush& flush) {
  if (!flush.after) return fmt::format("{}", flush.mark);
  return fmt::format("{}|{}|{}|{}|{}", flush.mark, flush.upto, flush.after->row, flush.after->slice,
                     flush.after->upto);
}

}  // namespace

Result<uint64_t> Store::begin_import(std::string_view id) {
  uint64_t epoch = 0;
  Status updated = impl_->update(id, [&](Campaign& c, int64_t) -> Result<bool> {
    if (Status stays = check_stays(c); !stays) return stays.error();
    if (c.import_closed || c.state == CampaignState::kCancelled ||
        c.state == CampaignState::kFinished) {
      return Error{Errc::kData, fmt::format("campaign {} is {}: its list is complete", c.id,
                                            to_string(c.state))};
    }
    epoch = ++c.import_epoch;
    return true;
  });
  if (!updated) return updated.error();
  // Told to every partition, so that no older importer can slip in where this one has not written yet.
  std::vector<Command> commands;
  for (uint32_t p = 0; p < impl_->partitions; ++p) {
    commands.push_back(Command::function("volley1_begin", partition_key(p)));
    commands.back().arg(id).number(static_cast<int64_t>(epoch));
  }
  auto answers = impl_->link.run(commands);
  if (!answers) return answers.error();
  return epoch;
}

Result<std::vector<ImportMark>> Store::import_marks(std::string_view id) {
  std::vector<Command> commands;
  for (uint32_t p = 0; p < impl_->partitions; ++p) {
    commands.emplace_back("HMGET");
    commands.back().arg(partition_key(p, fmt::format("c:{}", id)));
    commands.back().arg("mark").arg("slice").arg("upto");
  }
  auto answers = impl_->link.run(commands);
  if (!answers) return answers.error();
  std::vector<ImportMark> marks;
  for (const Reply& answer : *answers) {
    const ReplyView fields = answer.view();
    marks.push_back({fields.at(0).unsigned_number(), fields.at(1).unsigned_number(),
                     static_cast<uint32_t>(fields.at(2).unsigned_number())});
  }
  return marks;
}

Status Store::import(std::string_view id, Lane lane, uint64_t epoch,
                     std::span<const ImportFlush> flushes) {
  std::vector<Command> commands;
  const std::string lt = lane_tenant(lane, kDefaultTenant);
  for (const ImportFlush& flush : flushes) {
    if (flush.partition >= impl_->partitions || flush.mark == 0 || flush.parts.size() > kMaxParts ||
        (flush.upto > 0 && !flush.after)) {
      return Error{Errc::kInternal,
                   "import: a flush without a valid partition or mark, or with too many parts"};
    }
    Command& command =
        commands.emplace_back(Command::function("volley1_import", partition_key(flush.partition)));
    command.arg(id).arg(lt).number(static_cast<int64_t>(epoch)).arg(position_of(flush));
    command.number(static_cast<int64_t>(flush.suppressed))
        .arg(encode_outcomes(flush.suppressed_outcomes));
    for (const ImportFlush::Part& part : flush.parts) {
      if (Status good = check_part(part); !good) return good;
      command.arg(part.domain).arg(part.chunk);
    }
  }
  auto answers = impl_->link.run(commands);
  return answers ? Status() : Status(answers.error());
}

Status Store::close_import(std::string_view id, uint64_t epoch, uint64_t read, uint64_t invalid,
                           uint64_t duplicate) {
  return impl_->update(id, [&](Campaign& c, int64_t now) -> Result<bool> {
    auto closed = close_list(c, epoch, now);
    if (!closed || !*closed) return closed;
    c.read = read;
    c.invalid = invalid;
    c.duplicate = duplicate;
    return true;
  });
}

}  // namespace volley::queue
