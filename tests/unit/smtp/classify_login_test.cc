// What becomes of the mail when a relay does not let us in.
#include <gtest/gtest.h>

#include <chrono>

#include "engine/smtp/classify.h"
#include "tests/unit/smtp/classify_fixture.h"

namespace volley::smtp {
namespace {

using namespace std::chrono_literals;

// Whatever words a relay has for it, none of them is about the mail.
TEST(Classify, RefusedLoginsRestThePath) {
  Outcome o;
  o.kind = Outcome::Kind::kFailed;
  o.stage = Stage::kAuth;
  o.local = EnhancedCode{4, 7, 8};
  for (const char* reply :
       {"535 5.7.8 authentication failed", "535 5.7.8 user unknown",
        "534 5.7.9 use an app password", "535 too many invalid recipients",
        "550 5.1.1 mailbox does not exist", "530 5.7.0 Must issue a STARTTLS command first"}) {
    o.reply = reply_of(reply);
    for (const char* provider : {"", "google", "o365"}) {
      const Verdict v = classifier().classify(o, provider);
      EXPECT_STREQ(v.rule, "login") << reply;
      EXPECT_EQ(v.action, Action::kDefer);
      EXPECT_EQ(v.scope, Scope::kPath);
      EXPECT_EQ(v.cls, ReplyClass::kAuth);
      EXPECT_EQ(v.pause_path, 30min);
      EXPECT_TRUE(v.has(Effect::kAlert));
    }
  }
  // The same where we would not log in.
  o.reply = {};
  o.kind = Outcome::Kind::kRetry;
  o.local = EnhancedCode{4, 7, 11};
  EXPECT_STREQ(classifier().classify(o).rule, "login");
}

TEST(Classify, TroubleInALoginIsTroubleLikeAny) {
  Outcome o;
  o.kind = Outcome::Kind::kRetry;
  o.stage = Stage::kAuth;
  o.reply = reply_of("454 4.7.0 Temporary authentication failure");
  EXPECT_STREQ(classifier().classify(o).rule, "N26b");
  o.reply = reply_of("454 4.7.0 Too many login attempts, please try again later");
  EXPECT_STREQ(classifier().classify(o).rule, "N2");
  o.reply = {};
  o.local = EnhancedCode{4, 4, 2};
  EXPECT_EQ(classifier().classify(o).cls, ReplyClass::kSys);
  EXPECT_EQ(classifier().classify(o).pause_path, Duration{});
}

}  // namespace
}  // namespace volley::smtp
