#include "engine/sink/rule_book.h"

#include "base/hash.h"

namespace volley::sink {

const Rule* RuleBook::match(Step step, std::string_view sender,
                            std::span<const std::string> recipients) {
  for (size_t i = 0; i < rules_.size(); ++i) {
    const Rule& rule = rules_[i];
    if (rule.step != step) continue;
    const bool sender_matches = sender.find(rule.match) != std::string_view::npos;
    if (recipients.empty()) {
      if (sender_matches && applies(i, sender, false)) return &rule;
      continue;
    }
    for (const std::string& recipient : recipients) {
      if (!sender_matches && recipient.find(rule.match) == std::string::npos) continue;
      if (applies(i, recipient, true)) return &rule;
    }
  }
  return nullptr;
}

bool RuleBook::applies(size_t index, std::string_view subject, bool has_subject) {
  const Rule& rule = rules_[index];
  if (rule.odds < 1) {
    const uint64_t salt = seed_ ^ (index + 1) * 0x9E3779B97F4A7C15ULL;
    const uint64_t draw = draws_.fetch_add(1, std::memory_order_relaxed);
    const uint64_t hash = has_subject
                              ? xxh64(subject, salt)
                              : xxh64({reinterpret_cast<const char*>(&draw), sizeof draw}, salt);
    if (static_cast<double>(hash >> 11) * 0x1p-53 >= rule.odds) return false;
  }
  return rule.times == 0 || counts_down(index, subject);
}

bool RuleBook::counts_down(size_t index, std::string_view subject) {
  std::string key = std::to_string(index) + ' ';
  key += subject;
  const std::lock_guard lock(mutex_);
  unsigned& given = given_[key];
  if (given >= rules_[index].times) return false;
  ++given;
  return true;
}

}  // namespace volley::sink
