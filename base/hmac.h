// Keyed hashes, password stretching, and care with secrets: what logins are made of.
//
// Purpose   HMAC (RFC 2104), PBKDF2 (RFC 8018 5.2, its first block: Hi() of RFC 5802), comparing without telling how much
//           is right, overwriting what is no longer needed. Digests are plain octets in strings.
// Cost      PBKDF2 takes about a microsecond per iteration, so it is done in portions: advance(2000) is some 2 ms.
// Ownership Values; a Pbkdf2 overwrites its state when it dies.
// Thread    Pure functions; one owner for a Pbkdf2.
// Errors    An empty digest: OpenSSL does not have it here, as MD5 under FIPS. `is_available` tells beforehand.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace volley {

enum class Digest : uint8_t { kMd5, kSha1, kSha256 };

bool is_available(Digest digest);
std::string digest_of(Digest digest, std::string_view bytes);
std::string hmac(Digest digest, std::string_view key, std::string_view bytes);

class Pbkdf2 {
 public:
  Pbkdf2(Digest digest, std::string_view password, std::string_view salt, uint32_t iterations);
  ~Pbkdf2();
  Pbkdf2(const Pbkdf2&) = delete;
  Pbkdf2& operator=(const Pbkdf2&) = delete;

  bool advance(uint32_t iterations);  // at most so many; true when all are done
  const std::string& key() const;     // then

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// The time taken depends on the sizes only.
bool equal_secrets(std::string_view a, std::string_view b);
// Overwrites, then empties.
void wipe(std::string& secret);

}  // namespace volley
