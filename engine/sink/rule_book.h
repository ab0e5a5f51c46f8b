// RuleBook: which rule a command meets.
//
// Purpose    The first rule that applies, by step, pattern and odds. Odds are a function of seed, rule and recipient
//            (or, for steps without one, of a running count), so a run repeats itself; `times` counts per recipient
//            over all connections.
// Thread     Any.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/sink/rule.h"

namespace volley::sink {

class RuleBook {
 public:
  RuleBook(std::vector<Rule> rules, uint64_t seed) : rules_(std::move(rules)), seed_(seed) {
    for (const Rule& rule : rules_) wanted_ |= bit(rule.step);
  }

  bool wants(Step step) const { return (wanted_ & bit(step)) != 0; }  // is there one at all
  // `sender`: the EHLO name where there is no transaction, the mechanism at kAuth. `recipients`: the one at kRcpt, all of
  // the message from kData to kEndOfData. nullptr: no rule.
  const Rule* match(Step step, std::string_view sender, std::span<const std::string> recipients);

 private:
  static uint32_t bit(Step step) { return 1u << static_cast<unsigned>(step); }
  bool applies(size_t index, std::string_view subject, bool has_subject);
  bool counts_down(size_t index, std::string_view subject);

  const std::vector<Rule> rules_;
  const uint64_t seed_;
  uint32_t wanted_ = 0;  // bits of the steps that have rules
  std::atomic<uint64_t> draws_{0};
  std::mutex mutex_;
  std::unordered_map<std::string, unsigned> given_;  // rule number and recipient: answers given
};

}  // namespace volley::sink
