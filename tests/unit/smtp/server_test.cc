#include "engine/smtp/server.h"

#include <gtest/gtest.h>

#include <array>

#include "server_driver.h"

namespace volley::smtp {
namespace {

using testing::Driver;
using Type = Server::Event::Type;
using namespace std::chrono_literals;

constexpr std::string_view kEnvelope =
    "MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.net>\r\nDATA\r\n";

TEST(Server, CrossMessagePipelineAtEverySplit) {
  const std::string first = "EHLO client.example.com\r\n";
  const std::string second = "..dot\r\n\r\n.\r\n" + std::string(kEnvelope);
  for (size_t step = 1; step < 60; ++step) {
    Driver d;
    d.say(first, step);
    d.say(kEnvelope, step);
    const std::string replies = d.say(second, step);
    EXPECT_EQ(
        replies,
        "250 2.0.0 Ok\r\n250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n354 End data with <CR><LF>.<CR><LF>\r\n");
    EXPECT_EQ(d.content, ".dot\r\n\r\n");
    EXPECT_EQ(d.say("x\r\n.\r\nQUIT\r\n", step), "250 2.0.0 Ok\r\n221 2.0.0 Bye\r\n");
    EXPECT_EQ(d.log,
              "mail(a@example.com) rcpt(b@example.net) end "
              "mail(a@example.com) rcpt(b@example.net) end quit close");
  }
}

TEST(Server, TalksBeforeTheGreeting) {
  Server server({});
  server.start({});
  server.feed("EHLO x.example.com\r\n", {});
  while (server.next_event()) {
  }
  EXPECT_TRUE(server.closed());
}

TEST(Server, OrderOfCommands) {
  Driver d;
  EXPECT_EQ(d.say("MAIL FROM:<a@example.com>\r\n").substr(0, 9), "503 5.5.1");
  d.say("EHLO c.example.com\r\n");
  EXPECT_EQ(d.say("RCPT TO:<a@example.com>\r\n").substr(0, 9), "503 5.5.1");
  EXPECT_EQ(d.say("DATA\r\n").substr(0, 9), "503 5.5.1");
  EXPECT_EQ(d.say("MAIL FROM:<>\r\n").substr(0, 3), "250");
  EXPECT_EQ(d.say("MAIL FROM:<>\r\n").substr(0, 9), "503 5.5.1");
  EXPECT_EQ(d.say("DATA\r\n").substr(0, 9), "554 5.5.1");
  EXPECT_EQ(d.say("RSET\r\n").substr(0, 3), "250");
  EXPECT_EQ(d.log, "mail() reset ");
}

TEST(Server, DataMayNotBePipelinedBehind) {
  for (const char* group :
       {"EHLO c.example.com\r\nMAIL FROM:<>\r\n", "HELO c.example.com\r\nNOOP\r\n"}) {
    Driver d;
    EXPECT_EQ(d.say(group).substr(0, 9), "554 5.5.0");
    EXPECT_TRUE(d.server.closed());
  }
  Driver d;
  d.say("EHLO c.example.com\r\n");
  EXPECT_NE(d.say(std::string(kEnvelope) + "body\r\n").find("554 5.5.0"), std::string::npos);
  EXPECT_TRUE(d.server.closed());
}

TEST(Server, WithoutPipeliningAnythingExtraEndsIt) {
  ServerOptions options;
  options.pipelining = false;
  Driver d(options);
  EXPECT_EQ(d.say("EHLO c.example.com\r\n").find("PIPELINING"), std::string::npos);
  d.say("MAIL FROM:<a@example.com>\r\n");
  d.say("RCPT TO:<b@example.net>\r\n");
  d.say("DATA\r\n");
  EXPECT_EQ(d.say("x\r\n.\r\nMAIL FROM:<>\r\n").substr(0, 9), "500 5.5.0");
  EXPECT_EQ(d.log.find("end"), std::string::npos);  // not taken
}

TEST(Server, StartTlsNeedsAnEmptyBuffer) {
  ServerOptions options;
  options.starttls = true;
  Driver injected(options);
  injected.say("EHLO c.example.com\r\n");
  EXPECT_EQ(injected.say("STARTTLS\r\nMAIL FROM:<>\r\n").substr(0, 9), "554 5.7.0");
  Driver d(options);
  EXPECT_NE(d.say("EHLO c.example.com\r\n").find("STARTTLS"), std::string::npos);
  EXPECT_EQ(d.say("STARTTLS now\r\n").substr(0, 3), "501");
  EXPECT_EQ(d.say("STARTTLS\r\n").substr(0, 3), "220");
  EXPECT_EQ(d.log, "starttls tls ");
  d.server.tls_established(d.now);
  EXPECT_EQ(d.say("MAIL FROM:<>\r\n").substr(0, 3), "503");  // all is forgotten
  EXPECT_EQ(d.say("EHLO c.example.com\r\n").find("STARTTLS"), std::string::npos);
  EXPECT_EQ(d.say("STARTTLS\r\n").substr(0, 3), "503");
}

TEST(Server, BareNewlinesInCommandsAndContent) {
  Driver d;
  d.say("EHLO c.example.com\r\n");
  EXPECT_EQ(d.say("NOOP\n").substr(0, 9), "500 5.5.2");
  EXPECT_EQ(d.say("NO\rOP\r\n").substr(0, 9), "500 5.5.2");
  d.say(kEnvelope);
  EXPECT_EQ(d.say("a\n.\nMAIL FROM:<x@example.com>\r\n.\r\n").substr(0, 10), "554 5.6.11");
  EXPECT_EQ(d.log, "mail(a@example.com) rcpt(b@example.net) refused ");
  EXPECT_EQ(d.say("NOOP\r\n").substr(0, 3), "250");
}

TEST(Server, SizeLimits) {
  ServerOptions options;
  options.max_size = 10;
  Driver d(options);
  d.say("EHLO c.example.com\r\n");
  EXPECT_EQ(d.say("MAIL FROM:<> SIZE=11\r\n").substr(0, 9), "552 5.3.4");
  d.say(kEnvelope);
  EXPECT_EQ(d.say("0123456789\r\n.\r\n").substr(0, 9), "552 5.3.4");
  EXPECT_NE(d.log.find("refused"), std::string::npos);
  d.say(kEnvelope);
  EXPECT_EQ(d.say("01234567\r\n.\r\n").substr(0, 3), "250");
  d.say(kEnvelope);
  EXPECT_EQ(d.say(std::string(3 << 20, 'x')).substr(0, 3), "421");
}

TEST(Server, ParametersAreChecked) {
  Driver d;
  d.say("EHLO c.example.com\r\n");
  for (const auto& [line, code] : std::vector<std::pair<std::string, std::string>>{
           {"MAIL FROM:<a@example.com> FOO=1", "555"},
           {"MAIL FROM:<a@example.com> SIZE=x", "501"},
           {"MAIL FROM:<a@example.com> SIZE=1 SIZE=1", "501"},
           {"MAIL FROM:<a@example.com> BODY=BINARYMIME", "501"},
           {"MAIL FROM:<\xc3\xa9@example.com>", "553"},
           {"MAIL FROM:a@example.com", "501"},
           {"MAIL FROM:<a@b@example.com>", "501"},
           {"MAIL FROM: <\xc3\xa9@example.com> SMTPUTF8 BODY=8BITMIME", "250"},
           {"RCPT TO:<b@example.net> FOO", "555"},
           {"RCPT TO:<>", "501"},
           {"RCPT TO:<\xc3\xa9@example.net>", "250"},
       }) {
    EXPECT_EQ(d.say(line + "\r\n").substr(0, 3), code) << line;
  }
  Driver helo;
  helo.say("HELO c.example.com\r\n");
  EXPECT_EQ(helo.say("MAIL FROM:<> SIZE=1\r\n").substr(0, 3), "555");
}

TEST(Server, RecipientsAreRefusedAndCapped) {
  ServerOptions options;
  options.max_rcpts = 2;
  Driver d(options);
  d.refuse = "no@example.net";
  d.say("EHLO c.example.com\r\nx");
  Driver e(options);
  e.refuse = "no@example.net";
  e.say("EHLO c.example.com\r\n");
  EXPECT_EQ(e.say("MAIL FROM:<>\r\nRCPT TO:<no@example.net>\r\nRCPT TO:<1@example.net>\r\n"
                  "RCPT TO:<2@example.net>\r\nRCPT TO:<3@example.net>\r\n"),
            "250 2.1.0 Ok\r\n550 5.1.1 no such user\r\n250 2.1.5 Ok\r\n250 2.1.5 Ok\r\n"
            "452 4.5.3 Error: too many recipients\r\n");
}

TEST(Server, HeldDecisionsKeepTheRest) {
  Server server({});
  server.start({});
  server.next_event();
  server.next_event();
  std::array<OutSlice, 4> slices;
  const auto flush = [&] {
    std::string out;
    while (const size_t n = server.gather(slices)) {
      for (size_t i = 0; i < n; ++i) {
        out += slices[i];
        server.consume(slices[i].size());
      }
    }
    return out;
  };
  flush();
  server.feed("EHLO c.example.com\r\n", {});
  while (server.next_event()) {
  }
  flush();
  {
    std::string group = "MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.net>\r\n";
    server.feed(group, {});
    ASSERT_EQ(server.next_event()->type, Type::kMail);
    server.hold();
    EXPECT_FALSE(server.next_event());
  }
  server.feed("RSET\r\n", {});
  EXPECT_FALSE(server.next_event());
  EXPECT_EQ(flush(), "");
  server.respond(451, "4.3.0", "disk");
  EXPECT_EQ(server.next_event()->type, Type::kReset);
  EXPECT_FALSE(server.next_event());
  EXPECT_EQ(flush(), "451 4.3.0 disk\r\n503 5.5.1 Error: need MAIL command\r\n250 2.0.0 Ok\r\n");
}

TEST(Server, NuisanceIsBounded) {
  Driver d;
  d.say("EHLO c.example.com\r\n");
  EXPECT_EQ(d.say(std::string(5000, 'x'), 1000), "");
  EXPECT_EQ(d.say("y\r\n").substr(0, 9), "500 5.5.2");
  EXPECT_EQ(d.say(std::string(5000, 'x') + "\r\n").substr(0, 3), "421");
  Driver noop;
  std::string flood, out;
  for (int i = 0; i < 200; ++i) flood += "NOOP\r\n";
  out = noop.say(flood);
  EXPECT_NE(out.find("421 4.7.0"), std::string::npos);
  Driver unknown;
  for (int i = 0; i < 11; ++i) out = unknown.say("WHAT\r\n");
  EXPECT_EQ(out.substr(0, 3), "421");
  Driver http;
  EXPECT_EQ(http.say("GET / HTTP/1.1\r\n").substr(0, 3), "554");
  Driver tls;
  EXPECT_EQ(tls.say("\x16\x03\x01"), "");
  EXPECT_TRUE(tls.server.closed());
  Driver binary;
  EXPECT_EQ(binary.say(std::string_view("NO\0P\r\n", 6)).substr(0, 3), "500");
}

TEST(Server, IdleTimeoutAndShutdown) {
  Driver d;
  d.server.timeout(d.now + 4min);
  EXPECT_FALSE(d.server.closed());
  d.server.timeout(d.now + 5min);
  d.pump();
  EXPECT_EQ(d.said().substr(0, 9), "421 4.4.2");
  Driver busy;
  busy.say("EHLO c.example.com\r\n");
  busy.say(kEnvelope);
  busy.server.shutdown();
  EXPECT_EQ(busy.say("x\r\n.\r\n"), "250 2.0.0 Ok\r\n421 4.3.2 Service shutting down\r\n");
}

TEST(Server, EofInDataTakesNothing) {
  Driver d;
  d.say("EHLO c.example.com\r\n");
  d.say(kEnvelope);
  d.say("half a mess");
  EXPECT_TRUE(d.server.in_data());
  d.server.eof();
  d.pump();
  EXPECT_EQ(d.log, "mail(a@example.com) rcpt(b@example.net) close");
}

}  // namespace
}  // namespace volley::smtp
