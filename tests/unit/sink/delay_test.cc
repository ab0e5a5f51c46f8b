// Distance and work, as a client sees them. Nothing here measures: what is proven is order and that all of it comes.
#include <gtest/gtest.h>

#include "sink_fixture.h"

namespace volley::sink {
namespace {

DelayRange ms(int least, int most) {
  return {std::chrono::milliseconds(least), std::chrono::milliseconds(most)};
}

TEST_F(SinkTest, WorksOnOneCommandAfterTheOther) {
  for (Step step : {Step::kConnect, Step::kEhlo, Step::kMail, Step::kRcpt, Step::kData, Step::kBody,
                    Step::kBdat, Step::kEndOfData, Step::kReset, Step::kQuit}) {
    options_.delays.work[static_cast<size_t>(step)] = ms(1, 3);
  }
  options_.delays.distance = ms(0, 4);
  options_.rules = {*parse_rule("rcpt:1:no@:550 5.1.1 no")};
  start();
  RawClient client(sink_->address());
  EXPECT_TRUE(client.replies(1).starts_with("220 "));
  client.say("EHLO client.example.com\r\n");
  EXPECT_EQ(
      client.say("MAIL FROM:<a@example.com>\r\nRCPT TO:<no@example.net>\r\nRCPT "
                 "TO:<b@example.net>\r\nDATA\r\n",
                 4),
      "250 2.1.0 Ok\r\n550 5.1.1 no\r\n250 2.1.5 Ok\r\n354 End data with <CR><LF>.<CR><LF>\r\n");
  client.send(std::string(300000, 'x') + "\r\n.\r\nRSET\r\nMAIL FROM:<a@example.com>\r\n");
  EXPECT_EQ(client.replies(3), "250 2.0.0 Ok\r\n250 2.0.0 Ok\r\n250 2.1.0 Ok\r\n");
  client.say("RCPT TO:<b@example.net>\r\n");
  EXPECT_EQ(count(client.say("BDAT 1\r\nxBDAT 1 LAST\r\nx", 2), "250 "), 2U);
  client.send("QUIT\r\n");
  EXPECT_EQ(client.rest(), "221 2.0.0 Bye\r\n");
  EXPECT_EQ(count(log(), "\n"), 2U);
  EXPECT_EQ(sink_->totals().bytes, 300004U);
}

TEST_F(SinkTest, WhileItWorksNothingBehindIsDone) {
  // Longer than any test: what stands behind the slow command must not be looked at.
  options_.delays.work[static_cast<size_t>(Step::kMail)] = ms(3'600'000, 3'600'000);
  options_.rules = {*parse_rule("rcpt:1:reset")};
  start();
  RawClient client(sink_->address());
  client.replies(1);
  client.say("EHLO client.example.com\r\n");
  client.send("NOOP\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.net>\r\n");
  EXPECT_EQ(client.replies(1), "250 2.0.0 Ok\r\n");
  sink_.reset();
  const std::string rest = client.rest();
  EXPECT_TRUE(rest.empty() || rest == " reset") << rest;
}

TEST_F(SinkTest, ASlowGreetingStillHearsWhoTalksBeforeIt) {
  options_.delays.work[static_cast<size_t>(Step::kConnect)] = ms(3'600'000, 3'600'000);
  start();
  RawClient client(sink_->address());
  client.send("EHLO client.example.com\r\n");
  EXPECT_TRUE(client.rest().starts_with("554 5.5.0"));
}

TEST_F(SinkTest, AClientMayLeaveDuringTheWork) {
  options_.delays.work[static_cast<size_t>(Step::kMail)] = ms(20, 20);
  start();
  {
    RawClient client(sink_->address());
    client.replies(1);
    client.say("EHLO client.example.com\r\n");
    client.send("MAIL FROM:<a@example.com>\r\n");
  }
  RawClient next(sink_->address());
  next.replies(1);
  next.say("EHLO client.example.com\r\n");
  EXPECT_TRUE(next.say("MAIL FROM:<a@example.com>\r\n").starts_with("250 "));
}

}  // namespace
}  // namespace volley::sink
