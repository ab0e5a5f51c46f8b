#include "queue/outcomes.h"

#include <algorithm>

#include "queue/column.h"
#include "queue/door.h"
#include "queue/pack.h"
#include "queue/varint.h"

namespace volley::queue {

namespace {

constexpr char kVersion = 1;
constexpr uint64_t kMaxRaw = uint64_t{256} << 20;

Error corrupt() { return {Errc::kData, "outcomes in the queue are corrupt"}; }

}  // namespace

std::string encode_outcomes(std::span<const FinalOutcome> outcomes) {
  if (outcomes.empty()) return {};
  std::vector<uint64_t> numbers, kinds;
  std::vector<std::string_view> enhanced, addresses;
  for (const FinalOutcome& o : outcomes) {
    numbers.push_back(o.number);
    kinds.push_back(static_cast<uint64_t>(o.outcome) | uint64_t{o.code} << 8);
    enhanced.push_back(o.enhanced);
    addresses.push_back(o.address);
  }
  std::string raw;
  put_varint(raw, outcomes.size());
  put_integers(raw, numbers);
  put_integers(raw, kinds);
  put_strings(raw, enhanced);
  put_addresses(raw, addresses);
  std::string out(1, kVersion);
  pack(raw, out);
  return out;
}

Result<std::vector<FinalOutcome>> decode_outcomes(std::string_view packed) {
  if (packed.empty()) return std::vector<FinalOutcome>();
  if (packed[0] != kVersion) return corrupt();
  auto raw = unpack(packed.substr(1), kMaxRaw);
  if (!raw) return corrupt();
  Reader reader(*raw);
  const uint64_t count = reader.varint();
  if (!reader.ok() || count > uint64_t{1} << 20) return corrupt();
  std::vector<uint64_t> numbers(count), kinds(count);
  std::vector<std::string_view> enhanced(count), addresses(count);
  std::string buffer;
  get_integers(reader, numbers);
  get_integers(reader, kinds);
  get_strings(reader, enhanced);
  get_addresses(reader, addresses, buffer);
  if (!reader.ok() || !reader.at_end()) return corrupt();
  std::vector<FinalOutcome> out(count);
  for (size_t i = 0; i < count; ++i) {
    const uint64_t kind = kinds[i] & 0xff;
    if (kind < 1 || kind > 6 || kinds[i] >> 24 != 0) return corrupt();
    out[i] = {numbers[i], static_cast<Outcome>(kind), static_cast<uint16_t>(kinds[i] >> 8),
              std::string(enhanced[i]), std::string(addresses[i])};
  }
  return out;
}

std::string pack_numbers(std::vector<uint64_t> numbers) {
  std::sort(numbers.begin(), numbers.end());
  numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
  std::string out;
  uint64_t previous = 0;
  for (const uint64_t number : numbers) {
    put_varint(out, number - previous);
    previous = number;
  }
  return out;
}

Result<std::vector<uint64_t>> unpack_numbers(std::string_view packed) {
  std::vector<uint64_t> out;
  Reader reader(packed);
  uint64_t previous = 0;
  while (!reader.at_end()) {
    const uint64_t step = reader.varint();
    if (!out.empty() && (step == 0 || previous + step < previous)) reader.fail();
    previous += step;
    out.push_back(previous);
  }
  if (!reader.ok()) return Error{Errc::kData, "packed numbers are corrupt"};
  return out;
}

bool is_content_ref(std::string_view inline_content, std::string_view& ref) {
  if (!inline_content.starts_with("ref:") || inline_content.size() > 100) return false;
  ref = inline_content.substr(4);
  return true;
}

}  // namespace volley::queue
