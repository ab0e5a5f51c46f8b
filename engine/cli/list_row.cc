#include "engine/cli/list_row.h"

#include "engine/intake/list_reader.h"

namespace volley::cli {

Result<ListRow> read_row(const intake::ListOptions& list, uint64_t number) {
  auto reader = intake::ListReader::open(list.path, list.encoding);
  if (!reader) return reader.error();
  intake::Row row;
  while (true) {
    auto more = (*reader)->next(row);
    if (!more) return more.error();
    if (!*more) {
      return Error{Errc::kData, list.path + ": has no row " + std::to_string(number) + ", only " +
                                    std::to_string(row.number)};
    }
    if (row.number == number) break;
  }
  if (!row.problem.empty()) {
    return Error{Errc::kData, list.path + ":" + std::to_string(row.line) + ": " + std::string(row.problem)};
  }
  ListRow out{number, std::string(row.email), {}};
  for (std::string_view value : row.values) out.values.emplace_back(value);
  return out;
}

}  // namespace volley::cli
