#include "base/hmac.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <algorithm>

namespace volley {
namespace {

const char* name_of(Digest digest) {
  switch (digest) {
    case Digest::kMd5:
      return "MD5";
    case Digest::kSha1:
      return "SHA1";
    case Digest::kSha256:
      return "SHA256";
  }
  return "";
}

unsigned char* bytes_of(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }
const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

// An HMAC whose key is set once and then used for many texts.
class Keyed {
 public:
  Keyed(Digest digest, std::string_view key) {
    EVP_MAC* mac = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
    ctx_ = EVP_MAC_CTX_new(mac);
    EVP_MAC_free(mac);
    std::string name = name_of(digest);
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name.data(), name.size()),
        OSSL_PARAM_construct_end()};
    if (key.empty()) key = "";  // a null pointer would mean: the key of before
    usable_ = ctx_ && EVP_MAC_init(ctx_, bytes_of(key), key.size(), parameters) == 1;
  }
  ~Keyed() { EVP_MAC_CTX_free(ctx_); }
  Keyed(const Keyed&) = delete;
  Keyed& operator=(const Keyed&) = delete;

  // `out` may be `bytes`' own string: it is written last.
  void operator()(std::string_view bytes, std::string& out) {
    unsigned char mac[EVP_MAX_MD_SIZE];
    size_t size = 0;
    const bool done = usable_ && EVP_MAC_init(ctx_, nullptr, 0, nullptr) == 1 &&
                      EVP_MAC_update(ctx_, bytes_of(bytes), bytes.size()) == 1 &&
                      EVP_MAC_final(ctx_, mac, &size, sizeof mac) == 1;
    out.assign(reinterpret_cast<const char*>(mac), done ? size : 0);
  }

 private:
  EVP_MAC_CTX* ctx_ = nullptr;
  bool usable_ = false;
};

}  // namespace

bool is_available(Digest digest) { return !digest_of(digest, {}).empty(); }

std::string digest_of(Digest digest, std::string_view bytes) {
  std::string out(EVP_MAX_MD_SIZE, '\0');
  size_t size = 0;
  const int done = EVP_Q_digest(nullptr, name_of(digest), nullptr, bytes.data(), bytes.size(),
                                bytes_of(out), &size);
  out.resize(done == 1 ? size : 0);
  return out;
}

std::string hmac(Digest digest, std::string_view key, std::string_view bytes) {
  std::string out;
  Keyed(digest, key)(bytes, out);
  return out;
}

struct Pbkdf2::State {
  Keyed prf;
  std::string last;  // U of the last iteration
  std::string key;   // all of them, exclusive or
  uint32_t left;
};

Pbkdf2::Pbkdf2(Digest digest, std::string_view password, std::string_view salt, uint32_t iterations)
    : state_(new State{Keyed(digest, password), {}, {}, std::max<uint32_t>(iterations, 1) - 1}) {
  const std::string first = std::string(salt) + std::string("\0\0\0\1", 4);
  state_->prf(first, state_->last);
  state_->key = state_->last;
}

Pbkdf2::~Pbkdf2() {
  wipe(state_->last);
  wipe(state_->key);
}

bool Pbkdf2::advance(uint32_t iterations) {
  State& s = *state_;
  for (; iterations > 0 && s.left > 0; --iterations, --s.left) {
    s.prf(s.last, s.last);
    for (size_t i = 0; i < s.last.size(); ++i) s.key[i] = static_cast<char>(s.key[i] ^ s.last[i]);
  }
  return s.left == 0;
}

const std::string& Pbkdf2::key() const { return state_->key; }

bool equal_secrets(std::string_view a, std::string_view b) {
  return a.size() == b.size() && (a.empty() || CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0);
}

void wipe(std::string& secret) {
  if (!secret.empty()) OPENSSL_cleanse(secret.data(), secret.size());
  secret.clear();
}

}  // namespace volley
