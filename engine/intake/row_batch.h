// RowBatch: accepted rows on their way from the reading thread to the writing one, flat in one buffer.
//
// Purpose    No allocation per row; the packer keeps a row as the very same bytes until it is flushed.
// Ownership  Copies what it is given; a PackedRow's views point into the bytes it was read from.
// Thread     Values.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace volley::intake {

struct PackedRow {
  uint64_t number = 0;
  uint64_t domain_hash = 0;
  uint32_t partition = 0;
  bool suppressed = false;       // accepted, and final at once
  std::string_view domain;       // queue key
  std::string_view address;
  std::string_view values;       // packed: see unpack_values
  uint16_t value_count = 0;
  std::string_view bytes;        // all of it, as packed
};

struct RowBatch {
  std::string bytes;
  uint64_t last_number = 0;      // of the last row read, whatever became of it

  void add(const PackedRow& row, std::span<const std::string_view> row_values);
};

// The row at the front of `bytes`, which must come from RowBatch::add.
PackedRow read_row(std::string_view bytes);
void unpack_values(const PackedRow& row, std::vector<std::string_view>& out);

}  // namespace volley::intake
