#include "engine/intake/suppression.h"

#include <algorithm>

#include "base/address.h"
#include "base/files.h"

namespace volley::intake {
namespace {

constexpr uint64_t kMaxFile = uint64_t{1} << 32;

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t' || text.back() == '\r')) {
    text.remove_suffix(1);
  }
  return text;
}

Status add_file(const std::string& path, const KeyedHash& hash, std::vector<Hash128>& out) {
  Result<std::string> text = read_file(path, kMaxFile);
  if (!text) return text.error();
  std::string_view left = *text;
  if (left.starts_with("\xEF\xBB\xBF")) left.remove_prefix(3);
  for (uint64_t line = 1; !left.empty(); ++line) {
    const size_t end = left.find('\n');
    const std::string_view entry = trim(left.substr(0, end));
    left.remove_prefix(end == std::string_view::npos ? left.size() : end + 1);
    if (entry.empty() || entry.front() == '#') continue;
    Result<Address> address = parse_address(entry);
    if (!address) {
      return Error{Errc::kData, path + ":" + std::to_string(line) + ": " + address.error().message +
                                    "; a suppression list has one address a line"};
    }
    out.push_back(hash(fold_address(address->str())));
  }
  return {};
}

void append_big_endian(std::string& out, uint64_t word) {
  for (int shift = 56; shift >= 0; shift -= 8) out += static_cast<char>(word >> shift);
}

}  // namespace

Result<SuppressionList> SuppressionList::load(const std::vector<std::string>& files,
                                              std::string_view dedupe_key) {
  SuppressionList list;
  const KeyedHash hash(dedupe_key);
  for (const std::string& file : files) {
    if (Status status = add_file(file, hash, list.hashes_); !status) return status.error();
  }
  std::sort(list.hashes_.begin(), list.hashes_.end());
  list.hashes_.erase(std::unique(list.hashes_.begin(), list.hashes_.end()), list.hashes_.end());
  return list;
}

bool SuppressionList::contains(const Hash128& folded_address_hash) const {
  return std::binary_search(hashes_.begin(), hashes_.end(), folded_address_hash);
}

std::string SuppressionList::packed() const {
  std::string out;
  out.reserve(16 * hashes_.size());
  for (const Hash128& hash : hashes_) {
    append_big_endian(out, hash.high);
    append_big_endian(out, hash.low);
  }
  return out;
}

}  // namespace volley::intake
