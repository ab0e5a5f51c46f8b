// The server core's extensions: CHUNKING, DSN, AUTH, LIMITS, REQUIRETLS, implicit TLS.
#include <gtest/gtest.h>

#include "server_driver.h"

namespace volley::smtp {
namespace {

using testing::Driver;

constexpr std::string_view kEhlo = "EHLO c.example.com\r\n";
constexpr std::string_view kRecipient = "MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.net>\r\n";

std::string codes(std::string_view replies) {
  std::string out;
  while (!replies.empty()) {
    out.append(replies.substr(0, 3)).append(" ");
    replies.remove_prefix(std::min(replies.find('\n'), replies.size() - 1) + 1);
  }
  return out;
}

ServerOptions chunking() {
  ServerOptions options;
  options.chunking = true;
  return options;
}

std::string bdat(std::string_view content, bool last) {
  return "BDAT " + std::to_string(content.size()) + (last ? " LAST\r\n" : "\r\n") +
         std::string(content);
}

TEST(ServerBdat, ChunksAtEverySplitAcrossMessages) {
  const std::string group = std::string(kRecipient) + bdat(".dot\r", false) +
                            bdat("\n.\r\n", false) + "BDAT 0 LAST\r\n" + std::string(kRecipient) +
                            bdat("x", true) + "NOOP\r\n";
  for (size_t step = 1; step <= group.size(); ++step) {
    Driver d(chunking());
    EXPECT_NE(d.say(kEhlo).find("250-CHUNKING"), std::string::npos);
    EXPECT_EQ(codes(d.say(group, step)), "250 250 250 250 250 250 250 250 250 ");
    EXPECT_EQ(d.content, ".dot\r\n.\r\nx");
    EXPECT_EQ(d.log,
              "mail(a@example.com) rcpt(b@example.net) bdat chunk chunk end "
              "mail(a@example.com) rcpt(b@example.net) bdat end ");
  }
}

TEST(ServerBdat, IsNotMixedWithDataNorFollowedByRecipients) {
  Driver d(chunking());
  d.say(kEhlo);
  EXPECT_EQ(codes(d.say(std::string(kRecipient) + bdat("x\r\n", false))), "250 250 250 ");
  EXPECT_EQ(codes(d.say("DATA\r\n")), "503 ");
  EXPECT_EQ(codes(d.say("RCPT TO:<c@example.net>\r\n")), "503 ");
  EXPECT_EQ(codes(d.say(bdat("y\r\n", true))), "250 ");
  EXPECT_EQ(codes(d.say(std::string(kRecipient) + "DATA\r\n")), "250 250 354 ");
  EXPECT_EQ(codes(d.say("z\r\n.\r\n")), "250 ");
  EXPECT_EQ(d.content, "x\r\ny\r\nz\r\n");
}

TEST(ServerBdat, WithoutRecipientsIsReadAndRefusedUntilReset) {
  Driver d(chunking());
  d.say(kEhlo);
  // What looks like commands is content.
  const std::string chunk = bdat("RCPT TO:<c@example.net>\r\n", false);
  EXPECT_EQ(codes(d.say(chunk)), "503 ");
  EXPECT_EQ(codes(d.say("MAIL FROM:<>\r\n" + chunk + chunk)), "250 554 503 ");
  EXPECT_EQ(codes(d.say("RCPT TO:<c@example.net>\r\n" + chunk + "DATA\r\n")), "503 503 503 ");
  EXPECT_EQ(d.content, "");
  EXPECT_EQ(codes(d.say("RSET\r\n" + std::string(kRecipient) + bdat("x\r\n", true))),
            "250 250 250 250 ");
  EXPECT_EQ(d.content, "x\r\n");
}

TEST(ServerBdat, AfterARefusedChunkTheRestIsDropped) {
  for (const char* step : {"bdat ", "chunk "}) {
    Driver d(chunking());
    d.say(kEhlo);
    d.refuse = step;
    EXPECT_EQ(codes(d.say(std::string(kRecipient) + bdat("x\r\n", false) + bdat("y\r\n", false) +
                          bdat("z\r\n", true))),
              "250 250 450 503 503 ");
    EXPECT_EQ(d.content, step == std::string("bdat ") ? "" : "x\r\n");
    EXPECT_EQ(d.log.find("end"), std::string::npos);
    EXPECT_EQ(codes(d.say("MAIL FROM:<>\r\n")), "503 ");
    EXPECT_EQ(codes(d.say("RSET\r\nMAIL FROM:<>\r\n")), "250 250 ");
  }
  // A message refused at its end is over, and the next may begin.
  Driver d(chunking());
  d.say(kEhlo);
  d.refuse = "end ";
  EXPECT_EQ(codes(d.say(std::string(kRecipient) + bdat("x\r\n", true) + std::string(kRecipient))),
            "250 250 450 250 250 ");
}

TEST(ServerBdat, ContentIsHeldToCrlf) {
  for (const char* content : {"a\nb\r\n", "a\rb\r\n", "a\r\n\r"}) {
    for (size_t cut = 0; cut <= std::string_view(content).size(); ++cut) {
      Driver d(chunking());
      d.say(kEhlo);
      const std::string_view all(content);
      const std::string replies = d.say(std::string(kRecipient) + bdat(all.substr(0, cut), false) +
                                        bdat(all.substr(cut), true));
      EXPECT_NE(replies.find("554 5.6.11"), std::string::npos) << replies;
      EXPECT_NE(d.log.find("refused"), std::string::npos);
      EXPECT_EQ(d.log.find("end"), std::string::npos);
    }
  }
  Driver d(chunking());
  d.say(kEhlo);
  EXPECT_EQ(codes(d.say(std::string(kRecipient) + bdat(std::string_view("\0\r\n", 3), false) +
                        bdat("x\r\n", true))),
            "250 250 554 503 ");
}

TEST(ServerBdat, SizesAreBounded) {
  ServerOptions options = chunking();
  options.max_size = 10;
  Driver d(options);
  d.say(kEhlo);
  EXPECT_EQ(codes(d.say(std::string(kRecipient) + bdat("12345678", false) + bdat("901", false) +
                        bdat("x", true))),
            "250 250 250 552 503 ");
  EXPECT_EQ(d.content, "12345678");
  EXPECT_EQ(codes(d.say("RSET\r\n" + std::string(kRecipient) + bdat("0123456789", true))),
            "250 250 250 250 ");
  EXPECT_EQ(codes(d.say(std::string(kRecipient) + "BDAT 2000000\r\n")), "250 250 421 ");
  EXPECT_TRUE(d.server.closed());
  for (const char* line : {"BDAT\r\n", "BDAT x\r\n", "BDAT -1\r\n", "BDAT 1 FIRST\r\n",
                           "BDAT 99999999999999999999 LAST\r\n", "BDAT 1 LAST LAST\r\n"}) {
    Driver bad(options);
    bad.say(kEhlo);
    EXPECT_EQ(codes(bad.say(line)), "501 ") << line;
    EXPECT_TRUE(bad.server.closed());
  }
  Driver flood(options);
  flood.say(kEhlo);
  flood.say(kRecipient);
  std::string empty;
  for (int i = 0; i < 101; ++i) empty += "BDAT 0\r\n";
  const std::string replies = codes(flood.say(empty));
  EXPECT_TRUE(replies.ends_with("250 421 ")) << replies;
}

TEST(ServerBdat, NeedsItsKeyword) {
  Driver d;
  EXPECT_EQ(d.say(kEhlo).find("CHUNKING"), std::string::npos);
  d.say(kRecipient);
  EXPECT_EQ(codes(d.say("BDAT 6 LAST\r\nNOOP\r\n")), "502 250 ");  // content is taken for commands
  ServerOptions options = chunking();
  options.pipelining = false;
  Driver slow(options);
  slow.say(kEhlo);
  slow.say("MAIL FROM:<a@example.com>\r\n");
  slow.say("RCPT TO:<b@example.net>\r\n");
  EXPECT_EQ(codes(slow.say(bdat("x\r\n", true))), "250 ");
  slow.say("MAIL FROM:<a@example.com>\r\n");
  slow.say("RCPT TO:<b@example.net>\r\n");
  EXPECT_EQ(codes(slow.say(bdat("x\r\n", true) + "NOOP\r\n")), "500 ");
}

TEST(ServerBdat, ALostConnectionTakesNothing) {
  Driver d(chunking());
  d.say(kEhlo);
  d.say(std::string(kRecipient) + "BDAT 10 LAST\r\n012345678");
  EXPECT_TRUE(d.server.in_data());
  d.server.eof();
  d.pump();
  EXPECT_EQ(d.log, "mail(a@example.com) rcpt(b@example.net) bdat close");
}

TEST(ServerDsn, ParametersAreHandedOn) {
  ServerOptions options;
  options.dsn = true;
  Driver d(options);
  EXPECT_NE(d.say(kEhlo).find("250-DSN"), std::string::npos);
  EXPECT_EQ(codes(d.say(
                "MAIL FROM:<a@example.com> ret=hdrs ENVID=QQ+2B1\r\n"
                "RCPT TO:<b@example.net> NOTIFY=success,FAILURE ORCPT=rfc822;b+3Dc@example.net\r\n"
                "RCPT TO:<c@example.net> NOTIFY=NEVER\r\nRCPT TO:<d@example.net>\r\n")),
            "250 250 250 250 ");
  EXPECT_EQ(
      d.log,
      "mail(a@example.com hdrs QQ+2B1) "
      "rcpt(b@example.net success,FAILURE rfc822;b+3Dc@example.net) rcpt(c@example.net NEVER) "
      "rcpt(d@example.net) ");
}

TEST(ServerDsn, ParametersAreChecked) {
  ServerOptions options;
  options.dsn = true;
  options.max_errors = 100;
  const std::string long_id(101, 'x');
  for (const std::string& parameters :
       {std::string("RET=ALL"), std::string("RET=FULL RET=FULL"), std::string("ENVID="),
        std::string("ENVID=a ENVID=b"), std::string("ENVID=a+2"), std::string("ENVID=a+07"),
        "ENVID=" + long_id}) {
    Driver d(options);
    d.say(kEhlo);
    EXPECT_EQ(codes(d.say("MAIL FROM:<> " + parameters + "\r\n")), "501 ") << parameters;
  }
  Driver d(options);
  d.say(kEhlo);
  d.say("MAIL FROM:<>\r\n");
  for (const char* parameters :
       {"NOTIFY=", "NOTIFY=NEVER,DELAY", "NOTIFY=DELAY,DELAY", "NOTIFY=DELAY,", "NOTIFY=SOON",
        "NOTIFY=DELAY NOTIFY=DELAY", "ORCPT=x", "ORCPT=;x", "ORCPT=rfc822;", "ORCPT=rfc822;a=b",
        "ORCPT=rfc822;a ORCPT=rfc822;a", "NOTIFY"}) {
    EXPECT_EQ(codes(d.say("RCPT TO:<b@example.net> " + std::string(parameters) + "\r\n")), "501 ")
        << parameters;
  }
  Driver utf8(options);
  utf8.say(kEhlo);
  utf8.say("MAIL FROM:<> SMTPUTF8\r\n");
  EXPECT_EQ(codes(utf8.say("RCPT TO:<b@example.net> ORCPT=utf-8;\xc3\xa9@example.net\r\n")),
            "250 ");
  Driver without;
  without.say(kEhlo);
  EXPECT_EQ(codes(without.say("MAIL FROM:<> RET=FULL\r\n")), "555 ");
}

ServerOptions with_auth() {
  ServerOptions options;
  options.auth = "PLAIN X-ASK";
  options.auth_in_clear = true;
  return options;
}

TEST(ServerAuth, AsksAndDecides) {
  for (size_t step : {1, 3, 100}) {
    Driver d(with_auth());
    EXPECT_NE(d.say(kEhlo, step).find("250-AUTH PLAIN X-ASK\r\n"), std::string::npos);
    EXPECT_EQ(d.say("auth x-ask\r\n", step), "334 bW9yZQ==\r\n");
    EXPECT_EQ(d.say("eWVz\r\n", step), "235 2.7.0 welcome\r\n");
    EXPECT_EQ(d.log, "auth(X-ASK) said(yes) ");
    EXPECT_EQ(codes(d.say("AUTH PLAIN eWVz\r\n", step)), "503 ");  // once is enough
  }
  Driver initial(with_auth());
  initial.say(kEhlo);
  EXPECT_EQ(codes(initial.say("AUTH PLAIN =\r\n")), "535 ");
  EXPECT_EQ(codes(initial.say("AUTH PLAIN eWVz\r\n")), "235 ");
  EXPECT_EQ(initial.log, "auth(PLAIN) said() auth(PLAIN) said(yes) ");
  Driver empty(with_auth());
  empty.challenge.clear();
  empty.say(kEhlo);
  EXPECT_EQ(empty.say("AUTH PLAIN\r\n"), "334 \r\n");
  EXPECT_EQ(codes(empty.say("\r\n")), "535 ");  // an empty line is an empty response
}

TEST(ServerAuth, FrameErrors) {
  ServerOptions options = with_auth();
  options.max_errors = 100;
  Driver d(options);
  EXPECT_EQ(codes(d.say("AUTH PLAIN eWVz\r\n")), "503 ");
  d.say(kEhlo);
  EXPECT_EQ(codes(d.say("AUTH\r\n")), "501 ");
  EXPECT_EQ(codes(d.say("AUTH NTLM\r\n")), "504 ");
  EXPECT_EQ(codes(d.say("AUTH PLAIN !\r\n")), "501 ");
  EXPECT_EQ(codes(d.say("AUTH PLAIN eWVz eWVz\r\n")), "501 ");
  for (const char* line : {"*\r\n", "not base64\r\n", "eWVz\n"}) {
    EXPECT_EQ(codes(d.say("AUTH PLAIN\r\n")), "334 ");
    EXPECT_EQ(codes(d.say(line))[0], '5');
    EXPECT_TRUE(d.log.ends_with("authend ")) << d.log;
    EXPECT_EQ(codes(d.say("NOOP\r\n")), "250 ");
  }
  d.say("MAIL FROM:<>\r\n");
  EXPECT_EQ(codes(d.say("AUTH PLAIN eWVz\r\n")), "503 ");
  d.say("RSET\r\n");
  EXPECT_EQ(codes(d.say("AUTH PLAIN eWVz\r\nNOOP\r\n")), "554 ");
  EXPECT_TRUE(d.server.closed());
  Driver inside(with_auth());
  inside.say(kEhlo);
  inside.say("AUTH PLAIN\r\n");
  EXPECT_EQ(codes(inside.say("eWVz\r\nNOOP\r\n")), "554 ");
}

TEST(ServerAuth, LinesMayBeLongButNotEndless) {
  const std::string fits(12284, 'A');  // with CRLF 12,286: base64 comes in fours
  Driver d(with_auth());
  d.say(kEhlo);
  EXPECT_EQ(codes(d.say("AUTH PLAIN " + fits.substr(0, 12272) + "\r\n", 1000)), "535 ");
  d.say("AUTH PLAIN\r\n");
  EXPECT_EQ(codes(d.say(fits + "\r\n", 1000)), "535 ");
  d.say("AUTH PLAIN\r\n");
  EXPECT_EQ(d.say(fits + "AAAA\r\n", 1000).substr(0, 9), "500 5.5.6");
  EXPECT_TRUE(d.log.ends_with("authend "));
}

TEST(ServerAuth, BelongsInsideTlsAndMayBeRequired) {
  ServerOptions options = with_auth();
  options.auth_in_clear = false;
  options.auth_required = true;
  options.starttls = true;
  Driver d(options);
  EXPECT_EQ(d.say(kEhlo).find("AUTH"), std::string::npos);
  EXPECT_EQ(codes(d.say("AUTH PLAIN eWVz\r\n")), "538 ");
  d.say("STARTTLS\r\n");
  d.server.tls_established(d.now);
  EXPECT_NE(d.say(kEhlo).find("AUTH PLAIN"), std::string::npos);
  EXPECT_EQ(codes(d.say("MAIL FROM:<>\r\n")), "530 ");
  EXPECT_EQ(codes(d.say("AUTH PLAIN eWVz\r\n")), "235 ");
  EXPECT_EQ(codes(d.say("MAIL FROM:<>\r\n")), "250 ");
  Driver guesses(with_auth());
  guesses.say(kEhlo);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(codes(guesses.say("AUTH PLAIN eA==\r\n")), "535 ");
  EXPECT_EQ(codes(guesses.say("AUTH PLAIN eWVz\r\n")), "421 ");
  EXPECT_TRUE(guesses.server.closed());
  Driver none;
  none.say(kEhlo);
  EXPECT_EQ(codes(none.say("AUTH PLAIN eWVz\r\n")), "502 ");
}

TEST(ServerTls, ImplicitTlsAndRequireTls) {
  ServerOptions options;
  options.starttls = options.require_tls = true;
  Driver plain(options);
  EXPECT_EQ(plain.say(kEhlo).find("REQUIRETLS"), std::string::npos);
  EXPECT_EQ(codes(plain.say("MAIL FROM:<> REQUIRETLS\r\n")), "555 ");
  Driver d(options, true);
  EXPECT_TRUE(d.server.tls());
  const std::string keywords = d.say(kEhlo);
  EXPECT_NE(keywords.find("250-REQUIRETLS"), std::string::npos);
  EXPECT_EQ(keywords.find("STARTTLS"), std::string::npos);
  EXPECT_EQ(codes(d.say("MAIL FROM:<> REQUIRETLS REQUIRETLS\r\n")), "501 ");
  EXPECT_EQ(codes(d.say("MAIL FROM:<> REQUIRETLS\r\n")), "250 ");
}

TEST(ServerTls, ARefusedStartTlsChangesNothing) {
  ServerOptions options;
  options.starttls = true;
  Driver d(options);
  d.refuse = "starttls ";
  d.say(kEhlo);
  EXPECT_EQ(codes(d.say("STARTTLS\r\n")), "450 ");
  EXPECT_EQ(codes(d.say(kRecipient)), "250 250 ");
}

TEST(ServerKeywords, EachMayBeLeftOut) {
  ServerOptions options;
  options.limits = {20, 100, 1};
  EXPECT_NE(
      Driver(options).say(kEhlo).find("250-LIMITS MAILMAX=20 RCPTMAX=100 RCPTDOMAINMAX=1\r\n"),
      std::string::npos);
  options.limits = {0, 5, 0};
  EXPECT_NE(Driver(options).say(kEhlo).find("250-LIMITS RCPTMAX=5\r\n"), std::string::npos);
  options = {};
  options.pipelining = options.eight_bit = options.smtputf8 = options.enhanced_codes = false;
  options.size = false;
  Driver bare(options);
  EXPECT_EQ(bare.say(kEhlo), "250 sink.example.org\r\n");
  EXPECT_EQ(codes(bare.say("MAIL FROM:<> SIZE=1\r\n")), "555 ");
  EXPECT_EQ(bare.say("MAIL FROM:<>\r\n"), "250 Ok\r\n");
  EXPECT_EQ(bare.say("RCPT TO:<>\r\n"), "501 Bad recipient address syntax\r\n");
}

TEST(ServerDecisions, ResetAndQuitMayBeRefused) {
  Driver d;
  d.say(kEhlo);
  d.say("MAIL FROM:<a@example.com>\r\n");
  d.refuse = "reset ";
  EXPECT_EQ(codes(d.say("RSET\r\n")), "450 ");
  EXPECT_EQ(codes(d.say("MAIL FROM:<>\r\n")), "503 ");  // still inside
  d.refuse = "quit ";
  EXPECT_EQ(codes(d.say("QUIT\r\nNOOP\r\n")), "450 250 ");
  d.refuse.clear();
  EXPECT_EQ(codes(d.say("QUIT\r\nNOOP\r\n")), "221 ");
  EXPECT_TRUE(d.server.closed());
}

}  // namespace
}  // namespace volley::smtp
