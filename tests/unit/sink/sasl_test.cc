#include "engine/sink/sasl.h"

#include <gtest/gtest.h>

#include "base/base64.h"
#include "base/hash.h"
#include "base/hmac.h"

namespace volley::sink {
namespace {

using State = LoginExchange::State;
using namespace std::string_literals;

struct Attempt {
  explicit Attempt(std::string_view mechanism) : login(check(), mechanism, random) {}
  static const LoginCheck& check() {
    static const LoginCheck kCheck("tim", "tanstaaftanstaaf", 1);
    return kCheck;
  }
  Random random{7};
  LoginExchange login;
};

TEST(Sasl, Plain) {
  EXPECT_EQ(Attempt("PLAIN").login.begin("\0tim\0tanstaaftanstaaf"s), State::kDone);
  EXPECT_EQ(Attempt("PLAIN").login.begin("tim\0tim\0tanstaaftanstaaf"s), State::kDone);
  for (const std::string& wrong : {"\0tim\0other"s, "\0tom\0tanstaaftanstaaf"s, "tim\0"s, ""s,
                                   "tom\0tim\0tanstaaftanstaaf"s, "tim"s}) {
    EXPECT_EQ(Attempt("PLAIN").login.begin(wrong), State::kFailed);
  }
  Attempt asked("PLAIN");
  EXPECT_EQ(asked.login.begin({}), State::kChallenge);
  EXPECT_EQ(asked.login.challenge(), "");
  EXPECT_EQ(asked.login.next("\0tim\0tanstaaftanstaaf"s), State::kDone);
}

TEST(Sasl, Login) {
  Attempt good("LOGIN");
  EXPECT_EQ(good.login.begin({}), State::kChallenge);
  EXPECT_EQ(good.login.challenge(), "Username:");
  EXPECT_EQ(good.login.next("tim"), State::kChallenge);
  EXPECT_EQ(good.login.challenge(), "Password:");
  EXPECT_EQ(good.login.next("tanstaaftanstaaf"), State::kDone);
  Attempt initial("LOGIN");
  EXPECT_EQ(initial.login.begin("tim"), State::kChallenge);
  EXPECT_EQ(initial.login.next("tanstaaf"), State::kFailed);
  Attempt stranger("LOGIN");
  EXPECT_EQ(stranger.login.begin("tom"), State::kChallenge);  // does not tell yet
  EXPECT_EQ(stranger.login.next("tanstaaftanstaaf"), State::kFailed);
}

TEST(Sasl, CramMd5) {
  Attempt good("CRAM-MD5");
  EXPECT_EQ(good.login.begin({}), State::kChallenge);
  const std::string& challenge = good.login.challenge();
  EXPECT_TRUE(challenge.starts_with("<") && challenge.ends_with(">"));
  const std::string mac = hmac(Digest::kMd5, "tanstaaftanstaaf", challenge);
  const std::string digest = to_hex(reinterpret_cast<const uint8_t*>(mac.data()), mac.size());
  EXPECT_EQ(good.login.next("tim " + digest), State::kDone);
  Attempt other("CRAM-MD5");
  EXPECT_EQ(other.login.begin({}), State::kChallenge);
  EXPECT_EQ(other.login.next("tom " + digest), State::kFailed);
  EXPECT_EQ(Attempt("CRAM-MD5").login.begin("tim " + digest), State::kFailed);
}

// A SCRAM client, written from RFC 5802 section 3.
struct ScramClient {
  std::string first_bare = "n=tim,r=abc", server_first;
  std::string final_without_proof, stored, server_key;

  std::string final(std::string_view password, std::string_view nonce_suffix = "") {
    const auto field = [&](std::string_view key) {
      const size_t at = server_first.find(key) + key.size();
      return server_first.substr(at, server_first.find(',', at) - at);
    };
    Pbkdf2 salted(Digest::kSha256, password, *from_base64(field(",s=")), 4096);
    while (!salted.advance(1000)) {
    }
    const std::string client_key = hmac(Digest::kSha256, salted.key(), "Client Key");
    server_key = hmac(Digest::kSha256, salted.key(), "Server Key");
    stored = digest_of(Digest::kSha256, client_key);
    final_without_proof = "c=biws,r=" + field("r=") + std::string(nonce_suffix);
    std::string proof = hmac(Digest::kSha256, stored, text());
    for (size_t i = 0; i < proof.size(); ++i)
      proof[i] = static_cast<char>(proof[i] ^ client_key[i]);
    return final_without_proof + ",p=" + to_base64(proof);
  }
  std::string text() const { return first_bare + "," + server_first + "," + final_without_proof; }
};

TEST(Sasl, ScramSha256) {
  for (const char* password : {"tanstaaftanstaaf", "wrong"}) {
    Attempt attempt("SCRAM-SHA-256");
    ScramClient client;
    ASSERT_EQ(attempt.login.begin("n,," + client.first_bare), State::kChallenge);
    client.server_first = attempt.login.challenge();
    EXPECT_TRUE(client.server_first.starts_with("r=abc"));
    EXPECT_TRUE(client.server_first.ends_with(",i=4096"));
    const State state = attempt.login.next(client.final(password));
    if (password == "wrong"s) {
      EXPECT_EQ(state, State::kFailed);
      continue;
    }
    ASSERT_EQ(state, State::kChallenge);
    EXPECT_EQ(attempt.login.challenge(),
              "v=" + to_base64(hmac(Digest::kSha256, client.server_key, client.text())));
    EXPECT_EQ(attempt.login.next(""), State::kDone);
  }
  Attempt replayed("SCRAM-SHA-256");
  ScramClient client;
  ASSERT_EQ(replayed.login.begin("n,," + client.first_bare), State::kChallenge);
  client.server_first = replayed.login.challenge();
  EXPECT_EQ(replayed.login.next(client.final("tanstaaftanstaaf", "x")), State::kFailed);
  for (const char* first :
       {"", "n,", "n,,", "n,,n=tim", "n,,r=abc", "n,,n=tim,r=", "p=tls-unique,,n=tim,r=a"}) {
    EXPECT_EQ(Attempt("SCRAM-SHA-256").login.begin(first), State::kFailed) << first;
  }
}

TEST(Sasl, Bearers) {
  EXPECT_EQ(Attempt("XOAUTH2").login.begin("user=tim\1auth=Bearer tanstaaftanstaaf\1\1"),
            State::kDone);
  EXPECT_EQ(
      Attempt("OAUTHBEARER")
          .login.begin("n,a=tim,\1host=mx.example.net\1port=587\1auth=Bearer tanstaaftanstaaf\1\1"),
      State::kDone);
  for (const char* mechanism : {"XOAUTH2", "OAUTHBEARER"}) {
    for (const char* wrong :
         {"user=tim\1auth=Bearer expired\1\1", "n,a=tim,\1auth=Bearer expired\1\1",
          "user=tom\1auth=Bearer tanstaaftanstaaf\1\1", "", "\1"}) {
      Attempt attempt(mechanism);
      ASSERT_EQ(attempt.login.begin(wrong), State::kChallenge) << wrong;
      EXPECT_NE(attempt.login.challenge().find("invalid_token"), std::string::npos);
      EXPECT_EQ(attempt.login.next("\1"), State::kFailed);
    }
  }
}

}  // namespace
}  // namespace volley::sink
