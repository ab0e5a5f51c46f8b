#include "engine/intake/row_batch.h"

#include <cstring>

namespace volley::intake {
namespace {

struct Header {
  uint64_t number;
  uint64_t domain_hash;
  uint32_t partition;
  uint32_t values_size;
  uint16_t address_size;
  uint16_t domain_size;
  uint16_t value_count;
  uint16_t suppressed;
};

}  // namespace

void RowBatch::add(const PackedRow& row, std::span<const std::string_view> row_values) {
  size_t values_size = 0;
  for (std::string_view value : row_values) values_size += sizeof(uint32_t) + value.size();
  const Header header{row.number,
                      row.domain_hash,
                      row.partition,
                      static_cast<uint32_t>(values_size),
                      static_cast<uint16_t>(row.address.size()),
                      static_cast<uint16_t>(row.domain.size()),
                      static_cast<uint16_t>(row_values.size()),
                      row.suppressed};
  bytes.append(reinterpret_cast<const char*>(&header), sizeof header);
  bytes += row.address;
  bytes += row.domain;
  for (std::string_view value : row_values) {
    const auto size = static_cast<uint32_t>(value.size());
    bytes.append(reinterpret_cast<const char*>(&size), sizeof size);
    bytes += value;
  }
}

PackedRow read_row(std::string_view bytes) {
  Header header;
  std::memcpy(&header, bytes.data(), sizeof header);
  PackedRow row;
  row.number = header.number;
  row.domain_hash = header.domain_hash;
  row.partition = header.partition;
  row.suppressed = header.suppressed != 0;
  size_t at = sizeof header;
  row.address = bytes.substr(at, header.address_size);
  at += header.address_size;
  row.domain = bytes.substr(at, header.domain_size);
  at += header.domain_size;
  row.values = bytes.substr(at, header.values_size);
  row.value_count = header.value_count;
  row.bytes = bytes.substr(0, at + header.values_size);
  return row;
}

void unpack_values(const PackedRow& row, std::vector<std::string_view>& out) {
  out.clear();
  std::string_view left = row.values;
  for (uint16_t i = 0; i < row.value_count; ++i) {
    uint32_t size;
    std::memcpy(&size, left.data(), sizeof size);
    out.push_back(left.substr(sizeof size, size));
    left.remove_prefix(sizeof size + size);
  }
}

}  // namespace volley::intake
