// What the sink offers beyond plain SMTP, over sockets.
#include <gtest/gtest.h>

#include "base/hash.h"
#include "sink_fixture.h"

namespace volley::sink {
namespace {

TEST_F(SinkTest, OffersEverythingItHas) {
  start();
  RawClient client(sink_->address());
  client.replies(1);
  const std::string keywords = client.say("EHLO client.example.com\r\n");
  for (const char* keyword : {"PIPELINING", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES", "DSN",
                              "CHUNKING", "STARTTLS", "SIZE 67108864"}) {
    EXPECT_EQ(count(keywords, keyword), 1U) << keyword;
  }
  for (const char* keyword : {"AUTH", "LIMITS", "REQUIRETLS"}) {
    EXPECT_EQ(count(keywords, keyword), 0U) << keyword;
  }
}

TEST_F(SinkTest, TakesMessagesByBdat) {
  start();
  RawClient client(sink_->address());
  client.replies(1);
  client.say("EHLO client.example.com\r\n");
  const std::string envelope = "MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.net>\r\n";
  const std::string replies = client.say(
      envelope + "BDAT 6\r\n.dot\r\nBDAT 3 LAST\r\n.\r\n" + envelope + "BDAT 1 LAST\r\nx", 7);
  EXPECT_EQ(count(replies, "250 "), 7U) << replies;
  EXPECT_EQ(count(log(), to_hex(Sha256::of(".dot\r\n.\r\n"))), 1U);
  EXPECT_EQ(count(log(), to_hex(Sha256::of("x"))), 1U);
  EXPECT_EQ(count(log(), "\"chunking\":true"), 2U);
  EXPECT_EQ(sink_->totals().messages, 2U);
}

TEST_F(SinkTest, KeepsItsSizesAndRecipientLimits) {
  options_.server.max_size = 10;
  options_.server.max_rcpts = 1;
  start();
  RawClient client(sink_->address());
  client.replies(1);
  EXPECT_EQ(count(client.say("EHLO client.example.com\r\n"), "SIZE 10\r\n"), 1U);
  EXPECT_TRUE(client.say("MAIL FROM:<a@example.com> SIZE=11\r\n").starts_with("552 5.3.4"));
  client.say("MAIL FROM:<a@example.com>\r\n");
  client.say("RCPT TO:<b@example.net>\r\n");
  EXPECT_TRUE(client.say("RCPT TO:<c@example.net>\r\n").starts_with("452 4.5.3"));
  client.say("DATA\r\n");
  EXPECT_TRUE(client.say("0123456789\r\n.\r\n").starts_with("552 5.3.4"));
  EXPECT_EQ(log(), "");
}

TEST_F(SinkTest, AnnouncesAndKeepsLimits) {
  options_.server.limits = {1, 2, 1};
  start();
  RawClient client(sink_->address());
  client.replies(1);
  EXPECT_EQ(count(client.say("EHLO client.example.com\r\n"),
                  "LIMITS MAILMAX=1 RCPTMAX=2 RCPTDOMAINMAX=1\r\n"),
            1U);
  client.say("MAIL FROM:<a@example.com>\r\n");
  EXPECT_TRUE(client.say("RCPT TO:<b@example.net>\r\n").starts_with("250 "));
  EXPECT_TRUE(
      client.say("RCPT TO:<b@example.org>\r\n").starts_with("452 4.5.3"));  // another domain
  EXPECT_TRUE(client.say("RCPT TO:<c@example.net>\r\n").starts_with("250 "));
  EXPECT_TRUE(
      client.say("RCPT TO:<d@example.net>\r\n").starts_with("452 4.5.3"));  // a third recipient
  client.say("DATA\r\n");
  client.say("x\r\n.\r\n");
  EXPECT_TRUE(client.say("MAIL FROM:<a@example.com>\r\n").starts_with("421 "));  // a second message
}

TEST_F(SinkTest, LeavesOutEnhancedCodesButNotThoseOfRules) {
  options_.server.enhanced_codes = false;
  options_.rules = {*parse_rule("rcpt:1:451 4.7.1 later")};
  start();
  RawClient client(sink_->address());
  client.replies(1);
  client.say("EHLO client.example.com\r\n");
  EXPECT_EQ(client.say("MAIL FROM:<a@example.com>\r\n"), "250 Ok\r\n");
  EXPECT_EQ(client.say("RCPT TO:<b@example.net>\r\n"), "451 4.7.1 later\r\n");
}

}  // namespace
}  // namespace volley::sink
