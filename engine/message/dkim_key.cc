// DKIM keys on OpenSSL.
#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <mutex>

#include "base/hash.h"
#include "base/openssl.h"
#include "engine/message/dkim.h"
#include "engine/message/mime.h"

namespace volley::message {
namespace {

using Key = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY_free>>;
using KeyContext = std::unique_ptr<EVP_PKEY_CTX, Freer<EVP_PKEY_CTX_free>>;
using DigestContext = std::unique_ptr<EVP_MD_CTX, Freer<EVP_MD_CTX_free>>;
using Bio = std::unique_ptr<BIO, Freer<BIO_free_all>>;

// Without it OpenSSL would ask on the terminal.
int no_passphrase(char*, int, int, void*) { return -1; }

}  // namespace

struct DkimKey::Impl {
  Key key;
  DkimAlgorithm algorithm = DkimAlgorithm::kRsaSha256;

  Result<std::string> sign_rsa(std::string_view input);
  Result<std::string> sign_ed25519(std::string_view input);

 private:
  KeyContext take_context();

  // One for each thread that signs at a time: what OpenSSL looks up to make one is 2 % of a signature.
  std::mutex mutex_;
  std::vector<KeyContext> idle_;  // guarded by mutex_
};

KeyContext DkimKey::Impl::take_context() {
  {
    const std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      KeyContext context = std::move(idle_.back());
      idle_.pop_back();
      return context;
    }
  }
  KeyContext context(EVP_PKEY_CTX_new(key.get(), nullptr));
  const bool good = context && EVP_PKEY_sign_init(context.get()) > 0 &&
                    EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_PADDING) > 0 &&
                    EVP_PKEY_CTX_set_signature_md(context.get(), EVP_sha256()) > 0;
  if (!good) context.reset();
  return context;
}

Result<std::string> DkimKey::Impl::sign_rsa(std::string_view input) {
  const std::array<uint8_t, 32> digest = Sha256::of(input);
  KeyContext context = take_context();
  std::string out(static_cast<size_t>(EVP_PKEY_get_size(key.get())), '\0');
  size_t size = out.size();
  if (!context || EVP_PKEY_sign(context.get(), reinterpret_cast<unsigned char*>(out.data()), &size, digest.data(), digest.size()) <= 0) {
    ERR_clear_error();
    return Error{Errc::kInternal, "OpenSSL could not sign"};
  }
  out.resize(size);
  const std::lock_guard lock(mutex_);
  idle_.push_back(std::move(context));
  return out;
}

// RFC 8463 3: what is signed is the SHA-256 of the input.
Result<std::string> DkimKey::Impl::sign_ed25519(std::string_view input) {
  const std::array<uint8_t, 32> digest = Sha256::of(input);
  DigestContext context(EVP_MD_CTX_new());
  std::string out(64, '\0');
  size_t size = out.size();
  const bool good = context && EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key.get()) > 0 &&
                    EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(out.data()), &size, digest.data(), digest.size()) > 0;
  if (!good) {
    ERR_clear_error();
    return Error{Errc::kInternal, "OpenSSL could not sign"};
  }
  return out;
}

DkimKey::DkimKey(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
DkimKey::~DkimKey() = default;
DkimKey::DkimKey(DkimKey&&) noexcept = default;
DkimKey& DkimKey::operator=(DkimKey&&) noexcept = default;

std::string_view name_of(DkimAlgorithm algorithm) {
  return algorithm == DkimAlgorithm::kRsaSha256 ? "rsa-sha256" : "ed25519-sha256";
}

Result<DkimKey> DkimKey::load_pem(std::string_view pem, std::string_view name) {
  if (pem.size() > 100'000) {
    return Error{Errc::kConfig, fmt::format("{}: too large for a key in PEM form", name)};
  }
  Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  auto impl = std::make_unique<Impl>();
  impl->key.reset(bio ? PEM_read_bio_PrivateKey(bio.get(), nullptr, no_passphrase, nullptr)
                      : nullptr);
  ERR_clear_error();
  if (!impl->key) {
    return Error{Errc::kConfig,
                 fmt::format("{}: not a private key in PEM form without passphrase: make one with "
                             "`volley dkim keygen`",
                             name)};
  }
  switch (EVP_PKEY_get_base_id(impl->key.get())) {
    case EVP_PKEY_RSA:
      impl->algorithm = DkimAlgorithm::kRsaSha256;
      break;
    case EVP_PKEY_ED25519:
      impl->algorithm = DkimAlgorithm::kEd25519Sha256;
      break;
    default:
      return Error{Errc::kConfig,
                   fmt::format("{}: DKIM knows RSA and Ed25519 keys only; this is neither", name)};
  }
  DkimKey key(std::move(impl));
  if (key.algorithm() == DkimAlgorithm::kRsaSha256 && key.bits() < 1024) {
    return Error{Errc::kConfig,
                 fmt::format("{}: an RSA key of {} bits; receivers ignore less than 1024: make one "
                             "of 2048 with `volley dkim keygen`",
                             name, key.bits())};
  }
  return key;
}

Result<DkimKey> DkimKey::from_seed(std::span<const uint8_t, 32> seed) {
  auto impl = std::make_unique<Impl>();
  impl->algorithm = DkimAlgorithm::kEd25519Sha256;
  impl->key.reset(
      EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, seed.data(), seed.size()));
  if (!impl->key) return Error{Errc::kInternal, "OpenSSL refuses an Ed25519 seed"};
  return DkimKey(std::move(impl));
}

Result<DkimKey> DkimKey::generate(DkimAlgorithm algorithm, unsigned rsa_bits) {
  const bool rsa = algorithm == DkimAlgorithm::kRsaSha256;
  if (rsa && (rsa_bits < 1024 || rsa_bits > 4096)) {
    return Error{Errc::kUsage, "an RSA key for DKIM has 1024 to 4096 bits; 2048 is right for most"};
  }
  KeyContext context(EVP_PKEY_CTX_new_id(rsa ? EVP_PKEY_RSA : EVP_PKEY_ED25519, nullptr));
  EVP_PKEY* made = nullptr;
  const bool good =
      context && EVP_PKEY_keygen_init(context.get()) > 0 &&
      (!rsa || EVP_PKEY_CTX_set_rsa_keygen_bits(context.get(), static_cast<int>(rsa_bits)) > 0) &&
      EVP_PKEY_keygen(context.get(), &made) > 0;
  if (!good) return Error{Errc::kInternal, "OpenSSL could not make a key"};
  auto impl = std::make_unique<Impl>();
  impl->algorithm = algorithm;
  impl->key.reset(made);
  return DkimKey(std::move(impl));
}

DkimAlgorithm DkimKey::algorithm() const { return impl_->algorithm; }

unsigned DkimKey::bits() const {
  return static_cast<unsigned>(EVP_PKEY_get_bits(impl_->key.get()));
}

bool DkimKey::weak() const { return algorithm() == DkimAlgorithm::kRsaSha256 && bits() < 2048; }

Result<std::string> DkimKey::sign(std::string_view input) const {
  return algorithm() == DkimAlgorithm::kRsaSha256 ? impl_->sign_rsa(input) : impl_->sign_ed25519(input);
}

std::string DkimKey::pem() const {
  Bio bio(BIO_new(BIO_s_mem()));
  if (!bio || PEM_write_bio_PKCS8PrivateKey(bio.get(), impl_->key.get(), nullptr, nullptr, 0,
                                            nullptr, nullptr) <= 0) {
    return {};
  }
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return std::string(data, static_cast<size_t>(size));
}

std::string DkimKey::dns_record() const {
  if (algorithm() == DkimAlgorithm::kEd25519Sha256) {
    std::string raw(32, '\0');
    size_t size = raw.size();
    EVP_PKEY_get_raw_public_key(impl_->key.get(), reinterpret_cast<unsigned char*>(raw.data()),
                                &size);
    return "v=DKIM1; k=ed25519; p=" + base64(raw);
  }
  unsigned char* der = nullptr;
  const int size = i2d_PUBKEY(impl_->key.get(), &der);
  std::string record = "v=DKIM1; k=rsa; p=";
  if (size > 0) {
    record += base64({reinterpret_cast<const char*>(der), static_cast<size_t>(size)});
  }
  OPENSSL_free(der);
  return record;
}

std::string dkim_zone_line(std::string_view selector, std::string_view domain,
                           std::string_view record) {
  std::string strings;
  for (size_t at = 0; at < record.size(); at += 255) {
    strings += fmt::format(" \"{}\"", record.substr(at, 255));
  }
  return fmt::format("{}._domainkey.{}. IN TXT ({} )", selector, domain, strings);
}

}  // namespace volley::message
