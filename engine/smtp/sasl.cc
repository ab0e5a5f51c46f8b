#include "engine/smtp/sasl.h"

#include <algorithm>
#include <array>

#include "base/hash.h"
#include "base/hmac.h"
#include "engine/smtp/scram.h"

namespace volley::smtp {
namespace {

constexpr std::array kWithPassword = {kAuthScramSha256, kAuthScramSha1, kAuthCramMd5, kAuthPlain,
                                      kAuthLogin};
constexpr std::array kWithToken = {kAuthOauthbearer, kAuthXoauth2};

Sasl::Answer say(std::string text) { return std::optional<std::string>(std::move(text)); }
Error asks_again(AuthMechanism mechanism) {
  return {Errc::kProtocol, std::string(to_string(mechanism)) + ": the server asks again"};
}

class Plain : public Sasl {
 public:
  explicit Plain(const Credentials& credentials) : credentials_(credentials) {}
  AuthMechanism mechanism() const override { return kAuthPlain; }
  std::optional<std::string> initial() override {
    return '\0' + credentials_.user + '\0' + credentials_.secret;
  }
  Answer answer(std::string_view) override { return asks_again(mechanism()); }

 private:
  const Credentials& credentials_;
};

// Whatever the two questions say: some servers translate them.
class Login : public Sasl {
 public:
  explicit Login(const Credentials& credentials) : credentials_(credentials) {}
  AuthMechanism mechanism() const override { return kAuthLogin; }
  std::optional<std::string> initial() override { return {}; }
  Answer answer(std::string_view) override {
    ++asked_;
    if (asked_ == 1) return say(credentials_.user);
    if (asked_ == 2) return say(credentials_.secret);
    return asks_again(mechanism());
  }

 private:
  const Credentials& credentials_;
  int asked_ = 0;
};

class CramMd5 : public Sasl {
 public:
  explicit CramMd5(const Credentials& credentials) : credentials_(credentials) {}
  AuthMechanism mechanism() const override { return kAuthCramMd5; }
  std::optional<std::string> initial() override { return {}; }
  Answer answer(std::string_view challenge) override {
    if (asked_) return asks_again(mechanism());
    // Without something new in it the answer would be good for ever.
    if (challenge.empty()) return Error{Errc::kProtocol, "CRAM-MD5: the challenge is empty"};
    asked_ = true;
    const std::string mac = hmac(Digest::kMd5, credentials_.secret, challenge);
    return say(credentials_.user + ' ' +
               to_hex(reinterpret_cast<const uint8_t*>(mac.data()), mac.size()));
  }

 private:
  const Credentials& credentials_;
  bool asked_ = false;
};

// A challenge to either of these explains why the token is not good (JSON); the refusal comes after the answer.
class BearerToken : public Sasl {
 public:
  BearerToken(AuthMechanism mechanism, const Credentials& credentials)
      : mechanism_(mechanism), credentials_(credentials) {}
  AuthMechanism mechanism() const override { return mechanism_; }
  std::optional<std::string> initial() override {
    const std::string bearer = "auth=Bearer " + credentials_.secret + "\1\1";
    if (mechanism_ == kAuthXoauth2) return "user=" + credentials_.user + '\1' + bearer;
    std::string out = "n,a=" + to_sasl_name(credentials_.user) + ",\1";
    if (!credentials_.host.empty()) {
      out += "host=" + credentials_.host + "\1port=" + std::to_string(credentials_.port) + '\1';
    }
    return out + bearer;
  }
  Answer answer(std::string_view) override {
    if (explained_) return asks_again(mechanism_);
    explained_ = true;
    return say(mechanism_ == kAuthXoauth2 ? "" : "\1");
  }

 private:
  const AuthMechanism mechanism_;
  const Credentials& credentials_;
  bool explained_ = false;
};

std::unique_ptr<Sasl> make(AuthMechanism mechanism, const Credentials& credentials,
                           std::string_view nonce) {
  switch (mechanism) {
    case kAuthScramSha256:
    case kAuthScramSha1: {
      const Digest digest = mechanism == kAuthScramSha1 ? Digest::kSha1 : Digest::kSha256;
      if (!Scram::is_nonce(nonce) || !is_available(digest)) return nullptr;
      return std::make_unique<Scram>(digest, credentials, nonce);
    }
    case kAuthCramMd5:
      if (!is_available(Digest::kMd5)) return nullptr;
      return std::make_unique<CramMd5>(credentials);
    case kAuthPlain:
      return std::make_unique<Plain>(credentials);
    case kAuthLogin:
      return std::make_unique<Login>(credentials);
    case kAuthXoauth2:
    case kAuthOauthbearer:
      return std::make_unique<BearerToken>(mechanism, credentials);
  }
  return nullptr;
}

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

// RFC 6750 2.1: b64token.
bool is_token_text(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("-._~+/=").find(c) != std::string_view::npos;
  });
}

Error unusable(std::string what) { return {Errc::kConfig, std::move(what)}; }

}  // namespace

Credentials::~Credentials() { wipe(secret); }

Status check_credentials(const Credentials& credentials) {
  const std::string secret = credentials.is_token ? "token" : "password";
  if (credentials.user.empty()) return unusable("the relay's user name is empty");
  if (has_control(credentials.user)) {
    return unusable("the relay's user name has a control character in it");
  }
  if (credentials.secret.empty()) return unusable("the relay's " + secret + " is empty");
  if (has_control(credentials.secret)) {
    return unusable("the relay's " + secret +
                    " has a control character in it: does it end in a line break?");
  }
  if (credentials.is_token && !is_token_text(credentials.secret)) {
    return unusable("the relay's token has a character that no bearer token has");
  }
  if (has_control(credentials.host)) return unusable("the relay's host name is none");
  return {};
}

std::unique_ptr<Sasl> Sasl::choose(const Credentials& credentials, uint16_t offered,
                                   std::string_view nonce) {
  const uint16_t common = offered & credentials.mechanisms;
  const auto first_of = [&](const auto& by_strength) -> std::unique_ptr<Sasl> {
    for (const AuthMechanism mechanism : by_strength) {
      if (!(common & mechanism)) continue;
      if (auto sasl = make(mechanism, credentials, nonce)) return sasl;
    }
    return nullptr;
  };
  return credentials.is_token ? first_of(kWithToken) : first_of(kWithPassword);
}

}  // namespace volley::smtp
