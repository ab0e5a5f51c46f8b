// Walks of a test: what is found where, and changes by a condition.
//
// Thread  The test's.
#pragma once

#include <map>
#include <set>

#include "tests/unit/queue/harness.h"

namespace volley::queue::testing {

using Numbers = std::multiset<uint64_t>;

// Numbers of recipients by where they lie; corrupt keys beside.
struct Seen {
  std::map<Where, Numbers> at;
  std::vector<std::string> corrupt;

  Numbers all() const {
    Numbers out;
    for (const auto& [where, numbers] : at) out.insert(numbers.begin(), numbers.end());
    return out;
  }
};

inline Seen walk_of(Store& store, const WalkFilter& filter = {}) {
  Seen seen;
  WalkVisitor visitor;
  visitor.found = [&](const Found& found) {
    for (const Recipient& r : found.recipients) seen.at[found.place.where].insert(r.number);
    return Step::kOn;
  };
  visitor.corrupt = [&](std::string_view key, std::string_view) { seen.corrupt.emplace_back(key); };
  const Status walked = store.walk(filter, visitor);
  EXPECT_TRUE(walked.ok()) << (walked ? "" : walked.error().message);
  return seen;
}

// Changes those whose number is wanted, wherever the change applies; returns how many.
inline uint64_t change_of(Store& store, Change what, const std::function<bool(uint64_t)>& wanted,
                          const WalkFilter& filter = {}) {
  uint64_t changed = 0;
  WalkVisitor visitor;
  visitor.found = [&](const Found& found) {
    std::vector<size_t> picked;
    for (size_t i = 0; i < found.recipients.size(); ++i) {
      if (wanted(found.recipients[i].number)) picked.push_back(i);
    }
    if (picked.empty() || !applies_to(what, found.place.where)) return Step::kOn;
    auto result = store.change(what, found, picked);
    if (!result) {
      ADD_FAILURE() << result.error().message;
      return Step::kStop;
    }
    EXPECT_EQ(*result, ChangeResult::kChanged);
    changed += picked.size();
    return picked.size() == found.recipients.size() ? Step::kGone : Step::kOn;
  };
  visitor.corrupt = [](std::string_view key, std::string_view why) {
    ADD_FAILURE() << key << ": " << why;
  };
  const Status walked = store.walk(filter, visitor);
  EXPECT_TRUE(walked.ok()) << (walked ? "" : walked.error().message);
  return changed;
}

inline bool everybody(uint64_t) { return true; }

inline Numbers numbers(uint64_t from, size_t count) {
  const auto list = sequence(from, count);
  return {list.begin(), list.end()};
}

}  // namespace volley::queue::testing
