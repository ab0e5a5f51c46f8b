// Hashes: fast non-cryptographic ones (XXH3) for partitions, checksums and duplicate detection; SHA-256 for what
// others may compare.
//
// Thread   Pure functions.
// Stability `partition_hash` and `checksum` are stored on disk and in Redis: XXH3 is a frozen format, seed 0.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace volley {

uint64_t xxh64(std::string_view bytes, uint64_t seed = 0);

struct Hash128 {
  uint64_t high = 0, low = 0;
  auto operator<=>(const Hash128&) const = default;
};

// Keyed: with a random key nobody can prepare two addresses that collide.
class KeyedHash {
 public:
  explicit KeyedHash(std::string_view key);  // any length; stretched to XXH3's secret
  Hash128 operator()(std::string_view bytes) const;

 private:
  std::array<char, 192> secret_;
};

class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  void update(std::string_view bytes);
  std::array<uint8_t, 32> finish();  // once
  static std::array<uint8_t, 32> of(std::string_view bytes);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string to_hex(const uint8_t* bytes, size_t size);
template <size_t N>
std::string to_hex(const std::array<uint8_t, N>& bytes) { return to_hex(bytes.data(), N); }

}  // namespace volley
