#include "base/hash.h"

#include <openssl/evp.h>
#include <xxhash.h>

namespace volley {

uint64_t xxh64(std::string_view bytes, uint64_t seed) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

KeyedHash::KeyedHash(std::string_view key) {
  for (size_t i = 0; i < secret_.size(); i += 8) {
    const uint64_t word = xxh64(key, 1 + i);
    for (size_t b = 0; b < 8; ++b) secret_[i + b] = static_cast<char>(word >> (8 * b));
  }
}

Hash128 KeyedHash::operator()(std::string_view bytes) const {
  const XXH128_hash_t h =
      XXH3_128bits_withSecret(bytes.data(), bytes.size(), secret_.data(), secret_.size());
  return {h.high64, h.low64};
}

struct Sha256::State {
  EVP_MD_CTX* ctx = EVP_MD_CTX_new();
  ~State() { EVP_MD_CTX_free(ctx); }
};

Sha256::Sha256() : state_(std::make_unique<State>()) {
  EVP_DigestInit_ex(state_->ctx, EVP_sha256(), nullptr);
}
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;

void Sha256::update(std::string_view bytes) {
  EVP_DigestUpdate(state_->ctx, bytes.data(), bytes.size());
}

std::array<uint8_t, 32> Sha256::finish() {
  std::array<uint8_t, 32> out;
  EVP_DigestFinal_ex(state_->ctx, out.data(), nullptr);
  return out;
}

std::array<uint8_t, 32> Sha256::of(std::string_view bytes) {
  Sha256 hash;
  hash.update(bytes);
  return hash.finish();
}

std::string to_hex(const uint8_t* bytes, size_t size) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  out.reserve(2 * size);
  for (size_t i = 0; i < size; ++i) {
    out += kDigits[bytes[i] >> 4];
    out += kDigits[bytes[i] & 15];
  }
  return out;
}

}  // namespace volley
