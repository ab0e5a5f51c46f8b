// The mechanisms by themselves, against the examples of their RFCs.
#include "engine/smtp/sasl.h"

#include <gtest/gtest.h>

#include <string>

#include "base/base64.h"
#include "base/hmac.h"
#include "engine/smtp/scram.h"

namespace volley::smtp {
namespace {

constexpr uint16_t kAll = 0xffff;
constexpr const char* kNonce = "rOprNGfwEbeRWgbNEkqO";  // RFC 7677
constexpr const char* kServerFirst =
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";

Credentials password(std::string user, std::string secret) {
  return {std::move(user), std::move(secret), false, kAll, "", 0};
}
Credentials token(std::string user, std::string secret) {
  return {std::move(user), std::move(secret), true, kAll, "server.example.com", 587};
}

// What a mechanism says in the end, however many portions it takes.
Result<std::string> said(Sasl& sasl, std::string_view challenge) {
  Sasl::Answer answer = sasl.answer(challenge);
  while (answer.ok() && !*answer) answer = sasl.resume();
  if (!answer) return answer.error();
  return **answer;
}

std::string why(Sasl& sasl, std::string_view challenge) {
  const auto answer = said(sasl, challenge);
  return answer ? "no error" : answer.error().message;
}

TEST(Sasl, PlainIsRfc4616) {
  const Credentials tim = password("tim", "tanstaaftanstaaf");
  const auto sasl = Sasl::choose(tim, kAuthPlain, "");
  EXPECT_EQ(to_base64(*sasl->initial()), "AHRpbQB0YW5zdGFhZnRhbnN0YWFm");
  EXPECT_TRUE(sasl->verified());
  EXPECT_EQ(why(*sasl, ""), "PLAIN: the server asks again");
}

TEST(Sasl, LoginTakesTwoQuestions) {
  const Credentials tim = password("tim", "tanstaaftanstaaf");
  const auto sasl = Sasl::choose(tim, kAuthLogin, "");
  EXPECT_FALSE(sasl->initial());
  EXPECT_EQ(*said(*sasl, *from_base64("VXNlcm5hbWU6")), "tim");
  EXPECT_EQ(*said(*sasl, *from_base64("UGFzc3dvcmQ6")), "tanstaaftanstaaf");
  EXPECT_EQ(why(*sasl, "Username:"), "LOGIN: the server asks again");
}

TEST(Sasl, CramMd5IsRfc2195) {
  const Credentials tim = password("tim", "tanstaaftanstaaf");
  const auto sasl = Sasl::choose(tim, kAuthCramMd5, "");
  EXPECT_FALSE(sasl->initial());
  EXPECT_EQ(to_base64(*said(*sasl, "<1896.697170952@postoffice.reston.mci.net>")),
            "dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw");
  EXPECT_EQ(why(*sasl, "<1897@postoffice.reston.mci.net>"), "CRAM-MD5: the server asks again");
  EXPECT_EQ(why(*Sasl::choose(tim, kAuthCramMd5, ""), ""), "CRAM-MD5: the challenge is empty");
}

TEST(Sasl, ScramSha256IsRfc7677) {
  const Credentials user = password("user", "pencil");
  const auto sasl = Sasl::choose(user, kAuthScramSha256, kNonce);
  EXPECT_EQ(sasl->initial(), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
  EXPECT_EQ(*said(*sasl, kServerFirst),
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
            "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
  EXPECT_FALSE(sasl->verified());
  EXPECT_EQ(*said(*sasl, "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="), "");
  EXPECT_TRUE(sasl->verified());
  EXPECT_EQ(why(*sasl, ""), "SCRAM: the server asks again");
}

TEST(Sasl, ScramSha256KeysAreThoseOfRfc7677) {
  const std::string salt = *from_base64("W22ZaJ0SNY7soEsUEjb6gQ==");
  Pbkdf2 salted(Digest::kSha256, "pencil", salt, 4096);
  EXPECT_TRUE(salted.advance(4096));
  const std::string client_key = hmac(Digest::kSha256, salted.key(), "Client Key");
  EXPECT_EQ(to_base64(digest_of(Digest::kSha256, client_key)),
            "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=");
  EXPECT_EQ(to_base64(hmac(Digest::kSha256, salted.key(), "Server Key")),
            "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=");
}

TEST(Sasl, ScramSha1IsRfc5802) {
  const Credentials user = password("user", "pencil");
  const auto sasl = Sasl::choose(user, kAuthScramSha1, "fyko+d2lbbFgONRv9qkxdawL");
  EXPECT_EQ(sasl->initial(), "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL");
  EXPECT_EQ(*said(*sasl, "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096"),
            "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=");
  EXPECT_EQ(*said(*sasl, "v=rmF9pqV8S7suAoZWja4dJRkFsKQ="), "");
  EXPECT_TRUE(sasl->verified());
}

TEST(Sasl, ScramSpellsOutCommasAndEquals) {
  const Credentials odd = password("a=b,c", "pencil");
  EXPECT_EQ(Sasl::choose(odd, kAuthScramSha256, kNonce)->initial(),
            "n,,n=a=3Db=2Cc,r=rOprNGfwEbeRWgbNEkqO");
}

// Portions keep the loop's turns short: 2048 iterations are some 2 ms.
TEST(Sasl, ScramComputesInPortions) {
  const Credentials user = password("user", "pencil");
  const auto sasl = Sasl::choose(user, kAuthScramSha256, kNonce);
  (void)sasl->initial();
  Sasl::Answer answer = sasl->answer(std::string(kServerFirst).replace(80, 6, "i=9000"));
  int portions = 1;
  for (; answer.ok() && !*answer; ++portions) answer = sasl->resume();
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(portions, 5);
}

TEST(Sasl, ScramTakesNothingElseForAServersFirstMessage) {
  const std::string malformed = "SCRAM: the server's message is malformed";
  const std::pair<std::string, std::string> kMessages[] = {
      {"", malformed},
      {"r=", malformed},
      {"s=W22ZaJ0SNY7soEsUEjb6gQ==,r=rOprNGfwEbeRWgbNEkqOx,i=4096", malformed},
      {"m=new,r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", malformed},
      {"r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==", malformed},
      {"r=rOprNGfwEbeRWgbNEkqOx,s=,i=4096", malformed},
      {"r=rOprNGfwEbeRWgbNEkqOx,s=no base64,i=4096", malformed},
      {"r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=", malformed},
      {"r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=-1", malformed},
      {"r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096x", malformed},
      {"r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=04096", malformed},
      {"r=rOprNGfwEbeRWgbNEkqO x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", malformed},
      {std::string("r=rOprNGfwEbeRWgbNEkqO\0x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", 58), malformed},
      {"r=rOprNGfwEbeRWgbNEkqO,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
       "SCRAM: the server's nonce does not extend ours"},
      {"r=anotherNonceAltogether,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
       "SCRAM: the server's nonce does not extend ours"},
      {"r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=1",
       "SCRAM: the server wants fewer than 1000 iterations"},
      {"r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=999",
       "SCRAM: the server wants fewer than 1000 iterations"},
      {"r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=1000001",
       "SCRAM: the server wants more than 1000000 iterations"},
      {"r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=99999999999999999999",
       "SCRAM: the server wants more than 1000000 iterations"},
  };
  const Credentials user = password("user", "pencil");
  for (const auto& [message, error] : kMessages) {
    const auto sasl = Sasl::choose(user, kAuthScramSha256, kNonce);
    (void)sasl->initial();
    EXPECT_EQ(why(*sasl, message), error) << message;
    EXPECT_FALSE(sasl->verified());
  }
}

TEST(Sasl, ScramLimitsThemselvesAreTakenAndExtensionsIgnored) {
  const Credentials user = password("user", "pencil");
  for (const char* tail : {"i=1000", "i=1000000", "i=4096,x=later"}) {
    const auto sasl = Sasl::choose(user, kAuthScramSha256, kNonce);
    (void)sasl->initial();
    EXPECT_TRUE(
        sasl->answer("r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==," + std::string(tail))
            .ok())
        << tail;
  }
}

TEST(Sasl, ScramBelievesNoServerThatDoesNotKnowThePassword) {
  const Credentials user = password("user", "pencil");
  const std::pair<const char*, const char*> kMessages[] = {
      {"v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
       "SCRAM: the server's signature is wrong: it does not know the password"},
      {"v=", "SCRAM: the server's signature is wrong: it does not know the password"},
      {"v=6rri", "SCRAM: the server's signature is wrong: it does not know the password"},
      {"v=no base64", "SCRAM: the server's message is malformed"},
      {"", "SCRAM: the server's message is malformed"},
      {"p=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
       "SCRAM: the server's message is malformed"}};
  for (const auto& [message, error] : kMessages) {
    const auto sasl = Sasl::choose(user, kAuthScramSha256, kNonce);
    (void)sasl->initial();
    ASSERT_TRUE(said(*sasl, kServerFirst).ok());
    EXPECT_EQ(why(*sasl, message), error) << message;
    EXPECT_FALSE(sasl->verified());
  }
}

TEST(Sasl, ScramLetsTheServerRefuse) {
  const Credentials user = password("user", "pencil");
  const auto sasl = Sasl::choose(user, kAuthScramSha256, kNonce);
  (void)sasl->initial();
  ASSERT_TRUE(said(*sasl, kServerFirst).ok());
  EXPECT_EQ(*said(*sasl, "e=invalid-proof"), "");
  EXPECT_FALSE(sasl->verified());
}

TEST(Sasl, Xoauth2IsGooglesSample) {
  const Credentials user =
      token("someuser@example.com", "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg");
  const auto sasl = Sasl::choose(user, kAuthXoauth2, "");
  EXPECT_EQ(
      to_base64(*sasl->initial()),
      "dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB5YTI5LnZGOWRmdDRxbVRjMk52YjNSbGNrQmhk"
      "SFJoZG1semRHRXVZMjl0Q2cBAQ==");
  EXPECT_EQ(*said(*sasl, R"({"status":"401","schemes":"bearer"})"), "");
  EXPECT_EQ(why(*sasl, "{}"), "XOAUTH2: the server asks again");
}

TEST(Sasl, OauthbearerIsRfc7628) {
  const Credentials user = token("user@example.com", "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==");
  const auto sasl = Sasl::choose(user, kAuthOauthbearer, "");
  EXPECT_EQ(
      to_base64(*sasl->initial()),
      "bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9c2VydmVyLmV4YW1wbGUuY29tAXBvcnQ9NTg3AWF1dGg9QmVhcmVy"
      "IHZGOWRmdDRxbVRjMk52YjNSbGNrQmhiSFJoZG1semRHRXVZMjl0Q2c9PQEB");
  EXPECT_EQ(to_base64(*said(*sasl, R"({"status":"invalid_token"})")), "AQ==");
  EXPECT_EQ(why(*sasl, "{}"), "OAUTHBEARER: the server asks again");
  Credentials anywhere = user;
  anywhere.host.clear();
  EXPECT_EQ(Sasl::choose(anywhere, kAuthOauthbearer, "")->initial(),
            "n,a=user@example.com,\1auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\1\1");
}

TEST(Sasl, TheStrongestInCommonIsChosen) {
  const auto chosen = [](const Credentials& credentials, unsigned offered,
                         std::string_view nonce = kNonce) -> std::string {
    const auto sasl = Sasl::choose(credentials, static_cast<uint16_t>(offered), nonce);
    return sasl ? to_string(sasl->mechanism()) : "none";
  };
  Credentials user = password("user", "pencil");
  EXPECT_EQ(chosen(user, kAll), "SCRAM-SHA-256");
  EXPECT_EQ(chosen(user, kAll & ~kAuthScramSha256), "SCRAM-SHA-1");
  EXPECT_EQ(chosen(user, kAuthLogin | kAuthPlain | kAuthCramMd5), "CRAM-MD5");
  EXPECT_EQ(chosen(user, kAuthLogin | kAuthPlain), "PLAIN");
  EXPECT_EQ(chosen(user, kAuthLogin), "LOGIN");
  EXPECT_EQ(chosen(user, kAuthXoauth2 | kAuthOauthbearer), "none");
  EXPECT_EQ(chosen(user, 0), "none");
  for (const char* nonce : {"", "tooshort", "with,comma,in,it,,", "with space in it.."}) {
    EXPECT_EQ(chosen(user, kAll, nonce), "CRAM-MD5") << nonce;
  }
  user.mechanisms = kAuthPlain | kAuthLogin;
  EXPECT_EQ(chosen(user, kAll), "PLAIN");
  EXPECT_EQ(chosen(user, kAuthScramSha256), "none");
  const Credentials bearer = token("user", "t0ken");
  EXPECT_EQ(chosen(bearer, kAll), "OAUTHBEARER");
  EXPECT_EQ(chosen(bearer, kAuthXoauth2 | kAuthPlain), "XOAUTH2");
  EXPECT_EQ(chosen(bearer, kAuthPlain | kAuthLogin), "none");  // a token is no password
}

TEST(Sasl, CredentialsThatNoServerCouldBeTold) {
  EXPECT_TRUE(check_credentials(password("user", "pencil")).ok());
  EXPECT_TRUE(check_credentials(password("jos\xC3\xA9", "gar\xC3\xA7on, 1=2")).ok());
  EXPECT_TRUE(check_credentials(token("user", "ya29.a-b_c~d+e/f==")).ok());
  for (const Credentials& bad :
       {password("", "pencil"), password("user", ""), password("user\n", "pencil"),
        password("user", "pencil\n"), password(std::string("us\0er", 5), "pencil"),
        token("user", "a b"), token("user", "a\1b"), token("user\1auth=x", "token")}) {
    const Status status = check_credentials(bad);
    ASSERT_FALSE(status.ok()) << bad.user;
    EXPECT_EQ(status.error().code, Errc::kConfig);
    EXPECT_EQ(status.error().message.find("pencil"), std::string::npos);
  }
}

}  // namespace
}  // namespace volley::smtp
