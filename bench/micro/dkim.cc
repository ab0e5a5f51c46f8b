// Signing one 4 KiB message; OpenSSL's own signature and hash are the floor.
#include "engine/message/dkim.h"

#include <openssl/evp.h>

#include <array>
#include <memory>
#include <vector>

#include "bench/micro/sized.h"
#include "bench/replay/recorded.h"
#include "bench/replay/require.h"
#include "engine/message/renderer.h"

namespace volley::bench {
namespace {

std::string rendered() {
  const auto renderer = message::Renderer::compile(campaign("", kAccents), columns());
  const Person ann = person(1);
  const auto values = ann.views();
  std::string out;
  require(
      (*renderer)
          ->render({1, ann.email(), values}, {from_ms(1'700'000'000'000), "mail.example.com"}, out)
          .ok(),
      "a message cannot be rendered");
  return out;
}

std::string body() {
  const std::string text = rendered();
  return text.substr(text.find("\r\n\r\n") + 4);
}

void sign(benchmark::State& state, message::DkimAlgorithm algorithm) {
  const message::DkimSigner signer{"example.com", "s",
                                   std::move(*message::DkimKey::generate(algorithm))};
  const std::array<const message::DkimSigner*, 1> signers = {&signer};
  const std::string text = rendered();
  std::string out;
  for (auto _ : state) {
    out = text;
    require(message::dkim_sign(out, signers, from_ms(1'700'000'000'000)).ok(),
            "a message cannot be signed");
  }
  did(state, 1, text.size());
}

void DkimSignRsa2048(benchmark::State& state) { sign(state, message::DkimAlgorithm::kRsaSha256); }
BENCHMARK(DkimSignRsa2048);
void DkimSignEd25519(benchmark::State& state) {
  sign(state, message::DkimAlgorithm::kEd25519Sha256);
}
BENCHMARK(DkimSignEd25519);

// What is hashed of such a header: about 1 KiB.
void openssl_sign(benchmark::State& state, EVP_PKEY* made, const EVP_MD* digest) {
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(made, EVP_PKEY_free);
  require(key != nullptr, "no key");
  const std::vector<unsigned char> input(1024, 'x');
  std::vector<unsigned char> signature(512);
  for (auto _ : state) {
    const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                          EVP_MD_CTX_free);
    size_t size = signature.size();
    require(
        EVP_DigestSignInit(context.get(), nullptr, digest, nullptr, key.get()) == 1 &&
            EVP_DigestSign(context.get(), signature.data(), &size, input.data(), input.size()) == 1,
        "OpenSSL does not sign");
  }
  did(state, 1, 0);
}

void DkimSignRsa2048LibOpenssl(benchmark::State& state) {
  openssl_sign(state, EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", size_t{2048}), EVP_sha256());
}
BENCHMARK(DkimSignRsa2048LibOpenssl);
void DkimSignEd25519LibOpenssl(benchmark::State& state) {
  openssl_sign(state, EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"), nullptr);
}
BENCHMARK(DkimSignEd25519LibOpenssl);

void DkimBodyHash(benchmark::State& state) {
  const std::string text = body();
  for (auto _ : state) benchmark::DoNotOptimize(message::relaxed_body_hash(text));
  did(state, 1, text.size());
}
BENCHMARK(DkimBodyHash);

void DkimBodyHashLibOpenssl(benchmark::State& state) {
  const std::string text = body();
  std::array<unsigned char, EVP_MAX_MD_SIZE> out;
  for (auto _ : state) {
    unsigned size = 0;
    require(EVP_Digest(text.data(), text.size(), out.data(), &size, EVP_sha256(), nullptr) == 1,
            "no hash");
  }
  did(state, 1, text.size());
}
BENCHMARK(DkimBodyHashLibOpenssl);

}  // namespace
}  // namespace volley::bench
