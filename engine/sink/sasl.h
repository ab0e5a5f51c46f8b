// Checking logins: the server's side of SASL, for one user with one password.
//
// Purpose   PLAIN (RFC 4616), LOGIN, CRAM-MD5 (RFC 2195), SCRAM-SHA-256 (RFC 7677, without channel binding), XOAUTH2 and
//           OAUTHBEARER (RFC 7628), where the password is the token. Bytes in, challenges out, no base64: that is the
//           server core's.
// Ownership A LoginExchange is one attempt and refers to its LoginCheck.
// Thread    LoginCheck: any, it does not change. LoginExchange: one owner.
// Errors    kFailed, and no word about why. Not for: more than one user, stored hashes, timing: this is a test receiver.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/random.h"

namespace volley::sink {

inline constexpr std::string_view kMechanisms =
    "PLAIN LOGIN CRAM-MD5 SCRAM-SHA-256 XOAUTH2 OAUTHBEARER";

class LoginCheck {
 public:
  LoginCheck(std::string user, std::string password, uint64_t seed);  // stretches the password once
  const std::string& user() const { return user_; }

 private:
  friend class LoginExchange;
  std::string user_, password_, salt_, stored_key_, server_key_;
};

class LoginExchange {
 public:
  enum class State : uint8_t { kChallenge, kDone, kFailed };

  // `mechanism`: a word of kMechanisms.
  LoginExchange(const LoginCheck& check, std::string_view mechanism, Random& random);
  State begin(std::optional<std::string_view> initial);
  State next(std::string_view response);
  const std::string& challenge() const { return challenge_; }  // with kChallenge

 private:
  using Method = State (LoginExchange::*)(std::string_view);
  State ask(std::string challenge, Method then);
  State judge(bool good) const { return good ? State::kDone : State::kFailed; }
  State plain(std::string_view response);
  State login_user(std::string_view response);
  State login_password(std::string_view response);
  State cram(std::string_view response);
  State scram_first(std::string_view response);
  State scram_final(std::string_view response);
  State scram_acknowledged(std::string_view response);
  State bearer(std::string_view response);
  State told_of_failure(std::string_view response);

  const LoginCheck& check_;
  std::string challenge_;
  std::string nonce_;     // the server's part
  std::string header_;    // SCRAM: the client's GS2 header
  std::string exchange_;  // SCRAM: client-first-bare and server-first, with a comma
  std::string first_;     // what a challenge without initial response says
  Method then_ = nullptr;
  bool client_first_ = true;
  bool user_known_ = false;
  bool xoauth_ = false;
};

}  // namespace volley::sink
