#include "base/nearest.h"

#include <algorithm>
#include <vector>

namespace volley {
namespace {

size_t distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

}  // namespace

void Nearest::consider(std::string_view candidate) {
  const size_t edits = distance(candidate, word_);
  if (edits >= edits_ || edits >= candidate.size()) return;
  edits_ = edits;
  best_ = candidate;
}

}  // namespace volley
