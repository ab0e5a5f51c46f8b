#include <fmt/format.h>

#include <unordered_map>

#include "queue/outcomes.h"
#include "queue/store_impl.h"

namespace volley::queue {

namespace {

using Visit = std::function<bool(const FinalOutcome&)>;

// All outcomes of one partition in the order in which they were recorded; false: the visitor has seen enough.
Result<bool> read_all(StoreLink& link, const std::string& key, const Visit& visit) {
  constexpr int64_t kBlocks = 64;
  for (int64_t from = 0;; from += kBlocks) {
    auto blocks = link.run(Command("LRANGE").arg(key).number(from).number(from + kBlocks - 1));
    if (!blocks) return blocks.error();
    for (size_t i = 0; i < blocks->view().size(); ++i) {
      auto outcomes = decode_outcomes(blocks->view().at(i).text());
      if (!outcomes) return outcomes.error();
      for (const FinalOutcome& outcome : *outcomes) {
        if (!visit(outcome)) return false;
      }
    }
    if (blocks->view().size() < static_cast<size_t>(kBlocks)) return true;
  }
}

}  // namespace

Result<std::unordered_map<uint64_t, uint32_t>> Store::Impl::retried(uint32_t partition,
                                                                    std::string_view id) {
  std::unordered_map<uint64_t, uint32_t> out;
  auto any = link.run(
      Command("HGET").arg(partition_key(partition, fmt::format("c:{}", id))).arg("retried"));
  if (!any) return any.error();
  if (any->view().is_nil()) return out;
  auto read = read_all(link, partition_key(partition, fmt::format("o:{}", id)),
                       [&](const FinalOutcome& outcome) {
                         if (outcome.outcome == Outcome::kRetried) ++out[outcome.number];
                         return true;
                       });
  if (!read) return read.error();
  return out;
}

Result<std::unordered_map<uint64_t, uint32_t>> Store::retried(uint32_t partition,
                                                              std::string_view id) {
  return impl_->retried(partition, id);
}

Status Store::each_outcome(std::string_view id, const Visit& visit, std::string_view domain) {
  for (const uint32_t p : partitions_of(domain, impl_->partitions)) {
    auto retried = impl_->retried(p, id);
    if (!retried) return retried.error();
    auto read = read_all(impl_->link, partition_key(p, fmt::format("o:{}", id)),
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
