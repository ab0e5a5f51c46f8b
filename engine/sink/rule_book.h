// RuleBook: which scripted answer a command gets.
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

#include "engine/sink/sink.h"

namespace volley::sink {

class RuleBook {
 public:
  RuleBook(std::vector<Rule> rules, uint64_t seed) : rules_(std::move(rules)), seed_(seed) {}

  bool empty() const { return rules_.empty(); }
  // `sender`: also the EHLO name at kEhlo. `recipients`: the one at kRcpt, all of the message from kData on.
  // nullptr: accept.
  const Rule* match(Step step, std::string_view sender, std::span<const std::string> recipients);

 private:
  bool applies(size_t index, std::string_view subject, bool has_subject);
  bool counts_down(size_t index, std::string_view subject);

  const std::vector<Rule> rules_;
  const uint64_t seed_;
  std::atomic<uint64_t> draws_{0};
  std::mutex mutex_;
  std::unordered_map<std::string, unsigned> given_;  // rule number and recipient: answers given
};

}  // namespace volley::sink
