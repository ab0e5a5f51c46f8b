// One row of a recipient list, by number.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/intake/importer.h"

namespace volley::cli {

struct ListRow {
  uint64_t number = 0;
  std::string email;
  std::vector<std::string> values;   // in column order
};

// kData when the list is shorter or the row is malformed.
Result<ListRow> read_row(const intake::ListOptions& list, uint64_t number);

}  // namespace volley::cli
