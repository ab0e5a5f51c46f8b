// What the words of the command line become, and which of them contradict each other.
#include <gtest/gtest.h>

#include "sink_fixture.h"

namespace volley::sink {
namespace {

TEST(SinkOptions, KeywordsCanBeLeftOut) {
  smtp::ServerOptions server = everything_offered();
  server.limits = {1, 2, 3};
  for (const char* keyword : {"PIPELINING", "8bitmime", "SMTPUTF8", "ENHANCEDSTATUSCODES", "SIZE",
                              "StartTls", "DSN", "CHUNKING", "REQUIRETLS", "AUTH", "LIMITS"}) {
    EXPECT_TRUE(leave_out(keyword, server).ok()) << keyword;
  }
  EXPECT_FALSE(server.pipelining || server.eight_bit || server.smtputf8 || server.enhanced_codes ||
               server.size || server.starttls || server.dsn || server.chunking ||
               server.require_tls || !server.auth.empty() || server.limits.mail_max ||
               server.limits.rcpt_max || server.limits.rcpt_domain_max);
  EXPECT_EQ(leave_out("ETRN", server).error().code, Errc::kUsage);
}

TEST(SinkOptions, LimitsLoginsAndMechanisms) {
  smtp::AnnouncedLimits limits;
  ASSERT_TRUE(parse_limits("mailmax=20,RCPTDOMAINMAX=1", limits).ok());
  EXPECT_EQ(limits.mail_max, 20U);
  EXPECT_EQ(limits.rcpt_max, 0U);
  EXPECT_EQ(limits.rcpt_domain_max, 1U);
  EXPECT_TRUE(parse_limits("", limits).ok());
  for (const char* text : {"MAILMAX", "MAILMAX=", "MAILMAX=0", "MAILMAX=x", "X=1", "MAILMAX=1,,"}) {
    EXPECT_EQ(parse_limits(text, limits).error().code, Errc::kUsage) << text;
  }
  std::optional<Login> login;
  ASSERT_TRUE(parse_login("tim:a:b", login).ok());
  EXPECT_EQ(login->user, "tim");
  EXPECT_EQ(login->password, "a:b");
  for (const char* text : {"tim", "tim:", ":x"})
    EXPECT_FALSE(parse_login(text, login).ok()) << text;
  smtp::ServerOptions server;
  ASSERT_TRUE(choose_mechanisms("plain, CRAM-MD5", server).ok());
  EXPECT_EQ(server.auth, "PLAIN CRAM-MD5");
  EXPECT_FALSE(choose_mechanisms("NTLM", server).ok());
  TlsFault fault{};
  EXPECT_TRUE(parse_tls_fault("refuse-454", fault));
  EXPECT_EQ(fault, TlsFault::kRefuse454);
  EXPECT_FALSE(parse_tls_fault("none", fault));
}

class SinkContradictions : public SinkTest {
 protected:
  void expect_refused(Errc code) {
    auto sink = Sink::start(options_);
    ASSERT_FALSE(sink.ok());
    EXPECT_EQ(sink.error().code, code) << sink.error().message;
    options_ = {};
    options_.listen = "127.0.0.1:0";
  }
};

TEST_F(SinkContradictions, AreRefused) {
  options_.certificate = "x.pem";
  expect_refused(Errc::kUsage);
  options_.certificate = options_.key = directory_ + "/none.pem";
  expect_refused(Errc::kNoInput);
  options_.certificate = options_.key = "x.pem";
  options_.tls_fault = TlsFault::kExpired;
  expect_refused(Errc::kUsage);
  options_.implicit_tls = true;
  options_.tls_fault = TlsFault::kRefuse502;
  expect_refused(Errc::kUsage);
  options_.server.starttls = false;
  options_.tls_fault = TlsFault::kStall;
  expect_refused(Errc::kUsage);
  options_.server.auth_required = true;
  expect_refused(Errc::kUsage);
  options_.dialog = directory_ + "/none.dlg";
  expect_refused(Errc::kNoInput);
  options_.dialog = "x.dlg";
  options_.rules = {*parse_rule("mail:1:450")};
  expect_refused(Errc::kUsage);
  const std::string empty = directory_ + "/empty.dlg";
  std::ofstream(empty) << "# nothing\nwhat is this\n";
  options_.dialog = empty;
  expect_refused(Errc::kData);
}

}  // namespace
}  // namespace volley::sink
