#include "queue/column.h"

#include <algorithm>

namespace volley::queue {

namespace {

enum Mode : uint64_t { kEmpty = 0, kEqual = 1, kEach = 2 };
// Longer than any real domain; keeps a corrupt chunk from asking for gigabytes.
constexpr size_t kMaxShared = 1024;

template <typename T>
bool all_equal(std::span<const T> values) {
  return std::all_of(values.begin(), values.end(), [&](const T& v) { return v == values[0]; });
}

}  // namespace

void put_integers(std::string& out, std::span<const uint64_t> values) {
  if (values.empty()) return;
  if (all_equal(values)) {
    put_varint(out, values[0] == 0 ? kEmpty : kEqual);
    if (values[0] != 0) put_varint(out, values[0]);
    return;
  }
  put_varint(out, kEach);
  uint64_t previous = 0;
  for (const uint64_t value : values) {
    put_varint(out, zigzag(static_cast<int64_t>(value - previous)));
    previous = value;
  }
}

void get_integers(Reader& reader, std::span<uint64_t> values) {
  if (values.empty()) return;
  const uint64_t mode = reader.varint();
  if (mode == kEach) {
    uint64_t previous = 0;
    for (uint64_t& value : values) {
      previous += static_cast<uint64_t>(unzigzag(reader.varint()));
      value = previous;
    }
    return;
  }
  if (mode > kEach) reader.fail();
  const uint64_t value = mode == kEqual ? reader.varint() : 0;
  std::fill(values.begin(), values.end(), value);
}

void put_strings(std::string& out, std::span<const std::string_view> values) {
  if (values.empty()) return;
  if (all_equal(values)) {
    put_varint(out, values[0].empty() ? kEmpty : kEqual);
    if (!values[0].empty()) put_string(out, values[0]);
    return;
  }
  put_varint(out, kEach);
  for (const std::string_view value : values) put_varint(out, value.size());
  for (const std::string_view value : values) out += value;
}

void get_strings(Reader& reader, std::span<std::string_view> values) {
  if (values.empty()) return;
  const uint64_t mode = reader.varint();
  if (mode == kEach) {
    std::vector<uint64_t> sizes(values.size());
    for (uint64_t& size : sizes) size = reader.varint();
    for (size_t i = 0; i < values.size(); ++i) values[i] = reader.bytes(sizes[i]);
    return;
  }
  if (mode > kEach) reader.fail();
  const std::string_view value = mode == kEqual ? reader.string() : std::string_view();
  std::fill(values.begin(), values.end(), value);
}

void put_addresses(std::string& out, std::span<const std::string_view> addresses) {
  if (addresses.empty()) return;
  const size_t at = addresses[0].rfind('@');
  std::string_view shared =
      at == std::string_view::npos ? std::string_view() : addresses[0].substr(at);
  if (shared.size() > kMaxShared) shared = {};
  for (const std::string_view address : addresses) {
    if (!address.ends_with(shared)) shared = {};
  }
  put_string(out, shared);
  std::vector<std::string_view> locals(addresses.begin(), addresses.end());
  for (std::string_view& local : locals) local.remove_suffix(shared.size());
  put_strings(out, locals);
}

void get_addresses(Reader& reader, std::span<std::string_view> addresses, std::string& buffer) {
  const std::string_view shared = reader.string();
  if (shared.size() > kMaxShared) reader.fail();
  get_strings(reader, addresses);
  if (!reader.ok() || shared.empty()) return;
  size_t total = 0;
  for (const std::string_view local : addresses) {
    if (local.size() > kMaxShared) reader.fail();
    total += local.size() + shared.size();
  }
  if (!reader.ok()) return;
  buffer.clear();
  buffer.reserve(total);  // the views below point into it
  for (std::string_view& address : addresses) {
    const size_t start = buffer.size();
    buffer += address;
    buffer += shared;
    address = std::string_view(buffer).substr(start);
  }
}

}  // namespace volley::queue
