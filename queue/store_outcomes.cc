#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

#include "queue/outcomes.h"
#include "queue/store_impl.h"

namespace volley::queue {

namespace {

using Visit = std::function<bool(const FinalOutcome&)>;

constexpr uint64_t kAll = UINT64_MAX;

std::string outcomes_key(uint32_t partition, std::string_view id) {
  return partition_key(partition, fmt::format("o:{}", id));
}

Command retried_command(uint32_t partition, std::string_view id) {
  return Command("HGET").arg(partition_key(partition, fmt::format("c:{}", id))).arg("retried");
}

// Outcomes of one partition in the order in which they were recorded, of the first blocks; false: the visitor has seen enough. The list
// only grows at its end, so the same blocks have the same recipients when they are read again.
Result<bool> read_all(StoreLink& link, const std::string& key, uint64_t limit, const Visit& visit) {
  constexpr uint64_t kBlocks = 64;
  for (uint64_t from = 0; from < limit; from += kBlocks) {
    const uint64_t wanted = std::min(kBlocks, limit - from);
    Command range("LRANGE");
    range.arg(key)
        .number(static_cast<int64_t>(from))
        .number(static_cast<int64_t>(from + wanted - 1));
    auto blocks = link.run(range);
    if (!blocks) return blocks.error();
    for (size_t i = 0; i < blocks->view().size(); ++i) {
      auto outcomes = decode_outcomes(blocks->view().at(i).text());
      if (!outcomes) return outcomes.error();
      for (const FinalOutcome& outcome : *outcomes) {
        if (!visit(outcome)) return false;
      }
    }
    if (blocks->view().size() < wanted) return true;
  }
  return true;
}

}  // namespace

Result<std::unordered_map<uint64_t, uint32_t>> Store::Impl::retried(uint32_t partition,
                                                                    std::string_view id,
                                                                    uint64_t blocks) {
  std::unordered_map<uint64_t, uint32_t> out;
  auto any = link.run(retried_command(partition, id));
  if (!any) return any.error();
  if (any->view().is_nil()) return out;
  auto read = read_all(link, outcomes_key(partition, id), blocks, [&](const FinalOutcome& outcome) {
    if (outcome.outcome == Outcome::kRetried) ++out[outcome.number];
    return true;
  });
  if (!read) return read.error();
  return out;
}

Result<std::unordered_map<uint64_t, uint32_t>> Store::retried(uint32_t partition,
                                                              std::string_view id) {
  return impl_->retried(partition, id, kAll);
}

Result<OutcomeMoment> Store::outcome_moment(std::string_view id) {
  std::vector<Command> commands;
  for (uint32_t p = 0; p < impl_->partitions; ++p)
    commands.push_back(Command("LLEN").arg(outcomes_key(p, id)));
  auto lengths = impl_->link.run(commands);
  if (!lengths) return lengths.error();
  OutcomeMoment out;
  for (const Reply& length : *lengths) out.blocks.push_back(length.view().unsigned_number());
  return out;
}

Result<uint64_t> Store::tried_again(std::string_view id) {
  std::vector<Command> commands;
  for (uint32_t p = 0; p < impl_->partitions; ++p) commands.push_back(retried_command(p, id));
  auto answers = impl_->link.run(commands);
  if (!answers) return answers.error();
  uint64_t total = 0;
  for (const Reply& answer : *answers) total += answer.view().unsigned_number();
  return total;
}

Status Store::each_outcome(std::string_view id, const Visit& visit, std::string_view domain,
                           const OutcomeMoment* since) {
  for (const uint32_t p : partitions_of(domain, impl_->partitions)) {
    const std::string key = outcomes_key(p, id);
    uint64_t moment = 0;
    if (since == nullptr) {
      auto length = impl_->link.run(Command("LLEN").arg(key));
      if (!length) return length.error();
      moment = length->view().unsigned_number();
    } else {
      moment = p < since->blocks.size() ? since->blocks[p] : 0;
    }
    auto retried = impl_->retried(p, id, moment);
    if (!retried) return retried.error();
    auto read = read_all(impl_->link, key, since == nullptr ? moment : kAll,
                         [&](const FinalOutcome& outcome) {
                           if (outcome.outcome == Outcome::kRetried) return true;
                           const auto again = retried->find(outcome.number);
                           if (again == retried->end() || again->second == 0) return visit(outcome);
                           --again->second;
                           return true;
                         });
    if (!read) return read.error();
    if (!*read) return {};
  }
  return {};
}

}  // namespace volley::queue
