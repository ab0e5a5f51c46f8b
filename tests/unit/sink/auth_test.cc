// AUTH over sockets; the mechanisms themselves are in sasl_test.cc.
#include <gtest/gtest.h>

#include "base/base64.h"
#include "sink_fixture.h"

namespace volley::sink {
namespace {

class SinkAuthTest : public SinkTest {
 protected:
  SinkAuthTest() {
    options_.login = Login{"tim", "tanstaaf"};
    options_.server.auth_in_clear = true;
  }
  static std::string plain(std::string_view password) {
    return to_base64(std::string("\0tim\0", 5) + std::string(password));
  }
};

TEST_F(SinkAuthTest, LogsWhoSentIt) {
  options_.server.auth_required = true;
  start();
  RawClient client(sink_->address());
  client.replies(1);
  EXPECT_EQ(count(client.say("EHLO client.example.com\r\n"),
                  "AUTH PLAIN LOGIN CRAM-MD5 SCRAM-SHA-256 XOAUTH2 OAUTHBEARER\r\n"),
            1U);
  EXPECT_TRUE(client.say("MAIL FROM:<a@example.com>\r\n").starts_with("530 5.7.0"));
  EXPECT_TRUE(client.say("AUTH PLAIN " + plain("wrong") + "\r\n").starts_with("535 5.7.8"));
  EXPECT_EQ(client.say("AUTH PLAIN\r\n"), "334 \r\n");
  EXPECT_TRUE(client.say("*\r\n").starts_with("501 5.7.0"));
  EXPECT_EQ(client.say("AUTH LOGIN\r\n"), "334 VXNlcm5hbWU6\r\n");
  EXPECT_EQ(client.say("dGlt\r\n"), "334 UGFzc3dvcmQ6\r\n");
  EXPECT_TRUE(client.say(to_base64("tanstaaf") + "\r\n").starts_with("235 2.7.0"));
  EXPECT_EQ(count(client.say(kEnvelope, 3), "250 "), 2U);
  client.say("x\r\n.\r\n");
  EXPECT_EQ(count(log(), "\"auth\":\"tim\""), 1U);
}

TEST_F(SinkAuthTest, IsOfferedInsideTlsOnlyUnlessToldOtherwise) {
  options_.server.auth_in_clear = false;
  start();
  RawClient client(sink_->address());
  client.replies(1);
  EXPECT_EQ(count(client.say("EHLO client.example.com\r\n"), "AUTH"), 0U);
  EXPECT_TRUE(client.say("AUTH PLAIN " + plain("tanstaaf") + "\r\n").starts_with("538 5.7.11"));
}

TEST_F(SinkAuthTest, RulesMeetTheMechanism) {
  options_.rules = {*parse_rule("auth:1:PLAIN=1:454 4.7.0 later"),
                    *parse_rule("auth:1:LOGIN:twice")};
  start();
  RawClient client(sink_->address());
  client.replies(1);
  client.say("EHLO client.example.com\r\n");
  EXPECT_EQ(client.say("AUTH PLAIN " + plain("tanstaaf") + "\r\n"), "454 4.7.0 later\r\n");
  EXPECT_EQ(client.say("AUTH LOGIN\r\n", 2), "334 VXNlcm5hbWU6\r\n334 VXNlcm5hbWU6\r\n");
  client.say("*\r\n");
  EXPECT_TRUE(client.say("AUTH PLAIN " + plain("tanstaaf") + "\r\n").starts_with("235 "));
}

}  // namespace
}  // namespace volley::sink
