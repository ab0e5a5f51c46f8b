// SCRAM (RFC 5802 with SHA-1, RFC 7677 with SHA-256): both sides prove that they know the password, neither says it.
//
// Purpose    One login, without channel binding and without a second identity. See sasl.h for how it is driven.
// Errors     Anything that is not the grammar of section 7, extensions that must be understood, a nonce that does not extend
//            ours, iterations outside the limits, a signature that is wrong. After `e=` (the server's own complaint) the
//            answer is empty and verified() stays false: the refusal comes as a reply.
// Thread     One owner.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/hmac.h"
#include "engine/smtp/sasl.h"

namespace volley::smtp {

class Scram : public Sasl {
 public:
  // RFC 7677 section 4 asks for 4096 and old servers have less; as few as a server likes would give the password away.
  static constexpr uint32_t kFewestIterations = 1000;
  static constexpr uint32_t kMostIterations = 1'000'000;
  static constexpr uint32_t kPortion = 2048;  // iterations at a time

  static bool is_nonce(std::string_view nonce);

  Scram(Digest digest, const Credentials& credentials, std::string_view nonce);
  ~Scram() override;

  AuthMechanism mechanism() const override;
  std::optional<std::string> initial() override;
  Answer answer(std::string_view challenge) override;
  Answer resume() override;
  bool verified() const override { return step_ == Step::kVerified; }

 private:
  enum class Step : uint8_t { kFirst, kCounting, kFinal, kVerified, kRefused };

  Answer on_server_first(std::string_view message);
  Answer on_server_final(std::string_view message);
  std::string client_final();

  const Digest digest_;
  const Credentials& credentials_;
  const std::string nonce_;
  Step step_ = Step::kFirst;
  std::string auth_message_;  // grows with the exchange
  std::string whole_nonce_;
  std::string expected_;  // the server's signature
  std::unique_ptr<Pbkdf2> salted_;
};

// RFC 5802 `saslname`: '=' and ',' are spelt out.
std::string to_sasl_name(std::string_view user);

}  // namespace volley::smtp
