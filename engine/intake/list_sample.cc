#include "engine/intake/list_sample.h"

#include <algorithm>
#include <cstdint>

#include "base/hash.h"
#include "engine/intake/input_file.h"

namespace volley::intake {
namespace {

constexpr std::string_view kSample = "sample:";
constexpr uint64_t kPieces = 64, kPiece = 64 << 10;

}  // namespace

Result<std::string> hash_list(const std::string& path) {
  Result<std::unique_ptr<InputFile>> file = InputFile::open(path, {});
  if (!file) return file.error();
  for (;;) {
    (*file)->drop((*file)->unread().size());
    Result<bool> more = (*file)->fill();
    if (!more.ok()) return more.error();
    if (!*more) return (*file)->fingerprint();
  }
}

Result<std::string> sample_of(const InputFile& file) {
  const uint64_t size = file.bytes_total();
  const uint64_t whole = kPieces * kPiece;
  Sha256 hash;
  hash.update(std::to_string(size) + '\n');
  std::string piece;
  for (uint64_t i = 0; i < kPieces; ++i) {
    const uint64_t at = size <= whole ? i * kPiece : (size - kPiece) * i / (kPieces - 1);
    if (at >= size) break;
    if (Status status = file.read_at(at, std::min(kPiece, size - at), piece); !status) return status.error();
    hash.update(piece);
  }
  return std::string(kSample) + to_hex(hash.finish());
}

Result<std::string> sample_list(const std::string& path) {
  Result<std::unique_ptr<InputFile>> file = InputFile::open(path, {});
  if (!file) return file.error();
  return sample_of(**file);
}

bool is_sample(std::string_view fingerprint) { return fingerprint.starts_with(kSample); }

Result<bool> is_list(const std::string& path, std::string_view fingerprint) {
  Result<std::string> now = is_sample(fingerprint) ? sample_list(path) : hash_list(path);
  if (!now) return now.error();
  return *now == fingerprint;
}

}  // namespace volley::intake
