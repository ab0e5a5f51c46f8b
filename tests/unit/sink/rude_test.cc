// Every action of a rule, as a client sees it.
#include <gtest/gtest.h>

#include "sink_fixture.h"

namespace volley::sink {
namespace {

class RudeTest : public SinkTest {
 protected:
  void start_with(std::initializer_list<const char*> rules) {
    for (const char* rule : rules) {
      auto parsed = parse_rule(rule);
      ASSERT_TRUE(parsed.ok()) << parsed.error().message;
      options_.rules.push_back(*parsed);
    }
    start();
  }
  // Greeted and through EHLO.
  std::unique_ptr<RawClient> client() {
    auto made = std::make_unique<RawClient>(sink_->address());
    made->replies(1);
    made->say("EHLO client.example.com\r\n");
    return made;
  }
};

TEST_F(RudeTest, CloseLetsEarlierRepliesLeave) {
  start_with({"rcpt:1:close"});
  EXPECT_EQ(
      client()->say(
          "MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.net>\r\nRCPT TO:<c@example.net>\r\n", 9),
      "250 2.1.0 Ok\r\nclosed");
}

TEST_F(RudeTest, ResetIsARst) {
  start_with({"mail:1:reset"});
  auto c = client();
  c->send("MAIL FROM:<a@example.com>\r\n");
  EXPECT_EQ(c->rest(), " reset");
}

TEST_F(RudeTest, StallReadsOnAndSaysNothing) {
  start_with({"dot:1:stall"});
  auto c = client();
  EXPECT_EQ(count(c->say(kEnvelope, 3), "354"), 1U);
  c->send("x\r\n.\r\n");
  c->send(std::string(8 << 20, 'x'));  // more than the kernel would keep for it
  EXPECT_EQ(c->finish(), "");
  EXPECT_EQ(log(), "");
}

TEST_F(RudeTest, ShutReadAnswersAndThenReadsNothing) {
  start_with({"data:1:shut-read"});
  auto c = client();
  EXPECT_EQ(count(c->say(kEnvelope, 3), "354"), 1U);
  c->send("x\r\n.\r\n");
  sink_.reset();  // it leaves with our bytes unread, so TCP says reset
  EXPECT_EQ(c->rest(), " reset");
  EXPECT_EQ(log(), "");
}

TEST_F(RudeTest, DripsTheReplyThatWasDueOrAnother) {
  start_with({"connect:1:drip:3/1", "mail:1:drip:1/1 451 4.7.1 slowly", "rset:1:drip:100/1"});
  RawClient c(sink_->address());
  EXPECT_EQ(c.replies(1), "220 sink.example.org ESMTP\r\n");
  c.say("EHLO client.example.com\r\n");
  EXPECT_EQ(c.say("MAIL FROM:<a@example.com>\r\nRSET\r\nNOOP\r\n", 3),
            "451 4.7.1 slowly\r\n250 2.0.0 Ok\r\n250 2.0.0 Ok\r\n");
}

TEST_F(RudeTest, SaysRepliesTwice) {
  start_with({"mail:1:twice", "rcpt:1:twice 550 5.1.1 no", "quit:1:twice"});
  auto c = client();
  EXPECT_EQ(c->say("MAIL FROM:<a@example.com>\r\n", 2), "250 2.1.0 Ok\r\n250 2.1.0 Ok\r\n");
  EXPECT_EQ(c->say("RCPT TO:<b@example.net>\r\n", 2), "550 5.1.1 no\r\n550 5.1.1 no\r\n");
  EXPECT_TRUE(c->say("DATA\r\n").starts_with("554 "));  // the refusal counts
  c->send("QUIT\r\n");
  EXPECT_EQ(c->rest(), "221 2.0.0 Bye\r\n221 2.0.0 Bye\r\n");
}

TEST_F(RudeTest, JunkAndRawStandWhereTheReplyWas) {
  start_with({"ehlo:1:odd.example.com:junk:1000", "mail:1:raw:250-no end\\r\\n{3*x}",
              "dot:1:raw:999 what\\r\\n"});
  RawClient odd(sink_->address());
  odd.replies(1);
  odd.send("EHLO odd.example.com\r\n");
  const std::string junk = odd.bytes(1000);
  EXPECT_EQ(junk.size(), 1000U);
  EXPECT_EQ(odd.say("NOOP\r\n"), "250 2.0.0 Ok\r\n");
  RawClient again(sink_->address());
  again.replies(1);
  again.send("EHLO odd.example.com\r\n");
  EXPECT_NE(again.bytes(1000), junk);  // by connection
  auto c = client();
  c->send("MAIL FROM:<a@example.com>\r\n");
  EXPECT_EQ(c->bytes(14), "250-no end\r\nxx");
  EXPECT_EQ(c->bytes(1), "x");
  c->say("RCPT TO:<b@example.net>\r\nDATA\r\n", 2);
  EXPECT_EQ(c->say("x\r\n.\r\n"), "999 what\r\n");
  EXPECT_EQ(count(log(), "\n"), 1U);  // whatever it said, it has it
}

TEST_F(RudeTest, LateCloseTakesTheMessageAndSaysNothing) {
  start_with({"dot:1:slow@=1:late-close"});
  const std::string envelope =
      "MAIL FROM:<a@example.com>\r\nRCPT TO:<slow@example.net>\r\nDATA\r\n";
  auto first = client();
  first->say(envelope, 3);
  EXPECT_EQ(first->say("x\r\n.\r\nNOOP\r\n", 2), "closed");
  EXPECT_EQ(count(log(), "\n"), 1U);
  EXPECT_EQ(sink_->totals().messages, 1U);
  auto second = client();  // the second attempt
  second->say(envelope, 3);
  EXPECT_TRUE(second->say("x\r\n.\r\n").starts_with("250 "));
  EXPECT_EQ(count(log(), "\n"), 2U);
}

TEST_F(RudeTest, EarlyRepliesComeBeforeTheDataEnds) {
  start_with({"dot:1:b@:early", "body:1:c@:552 5.3.4 too much", "body:1:d@:421 4.3.2 bye"});
  auto c = client();
  c->say(kEnvelope, 3);
  EXPECT_EQ(c->say("half\r\n"), "250 2.0.0 Ok\r\n");
  EXPECT_EQ(log(), "");                                                // not before it is there
  EXPECT_EQ(c->say("and more\r\n.\r\nNOOP\r\n"), "250 2.0.0 Ok\r\n");  // of NOOP: the dot gets none
  EXPECT_EQ(count(log(), "\n"), 1U);
  c->say("MAIL FROM:<a@example.com>\r\nRCPT TO:<c@example.net>\r\nDATA\r\n", 3);
  EXPECT_EQ(c->say("half\r\n"), "552 5.3.4 too much\r\n");
  EXPECT_EQ(c->say(".\r\nNOOP\r\n"), "250 2.0.0 Ok\r\n");
  EXPECT_EQ(count(log(), "\n"), 1U);
  c->say("MAIL FROM:<a@example.com>\r\nRCPT TO:<c@example.net>\r\n", 2);
  EXPECT_EQ(c->say("BDAT 10 LAST\r\nhalf\r\n"), "552 5.3.4 too much\r\n");
  EXPECT_EQ(c->say("..\r\nNOOP\r\n"), "250 2.0.0 Ok\r\n");
  c->say("MAIL FROM:<a@example.com>\r\nRCPT TO:<d@example.net>\r\nDATA\r\n", 3);
  c->send("half\r\n");
  EXPECT_TRUE(c->rest().starts_with("421 4.3.2 bye\r\n"));
}

TEST_F(RudeTest, ActsInTheMiddleOfABody) {
  start_with(
      {"body:1:b@:reset", "body:1:c@:raw:noise\\r\\n", "body:1:d@:stall", "body:1:e@:close"});
  const auto begin = [&](const std::string& who) {
    auto c = client();
    c->say("MAIL FROM:<a@example.com>\r\nRCPT TO:<" + who + "@example.net>\r\nDATA\r\n", 3);
    c->send("half\r\n");
    return c;
  };
  EXPECT_EQ(begin("b")->rest(), " reset");
  auto noisy = begin("c");
  EXPECT_EQ(noisy->replies(1), "noise\r\n");
  EXPECT_TRUE(noisy->say(".\r\n").starts_with("250 "));
  EXPECT_EQ(begin("d")->finish(), "");
  EXPECT_EQ(begin("e")->rest(), "");
}

TEST_F(RudeTest, RulesForChunksAndForTheEndOfThem) {
  start_with({"bdat:1:b@=1:451 4.3.0 chunk", "dot:1:b@=1:452 4.3.1 end"});
  auto c = client();
  const std::string envelope = "MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.net>\r\n";
  EXPECT_EQ(c->say(envelope + "BDAT 1\r\nxBDAT 1 LAST\r\nx", 4).substr(28, 17),
            "451 4.3.0 chunk\r\n");
  c->say("RSET\r\n");
  EXPECT_EQ(c->say(envelope + "BDAT 1\r\nxBDAT 1 LAST\r\nx", 4).substr(28),
            "250 2.0.0 Ok\r\n452 4.3.1 end\r\n");
  EXPECT_EQ(count(c->say(envelope + "BDAT 1 LAST\r\nx", 3), "250 "), 3U);
  EXPECT_EQ(count(log(), "\n"), 1U);
}

TEST_F(RudeTest, IdleConnectionsAreTalkedToAndClosed) {
  options_.delays.work[static_cast<size_t>(Step::kIdle)] = {std::chrono::milliseconds(5),
                                                            std::chrono::milliseconds(5)};
  start_with({"idle:1:one.example.com=1:raw:250 out of turn\\r\\n",
              "idle:1:two.example.com:421 4.4.2 idle", "idle:1:three.example.com:reset"});
  RawClient one(sink_->address());
  one.replies(1);
  one.say("EHLO one.example.com\r\n");
  EXPECT_EQ(one.replies(1), "250 out of turn\r\n");
  EXPECT_TRUE(one.say("NOOP\r\n").starts_with("250 "));
  RawClient two(sink_->address());
  two.replies(1);
  two.say("EHLO two.example.com\r\n");
  two.say(kEnvelope, 3);
  two.say("x\r\n.\r\n");
  EXPECT_EQ(two.rest(), "421 4.4.2 idle\r\n");
  RawClient three(sink_->address());
  three.replies(1);
  three.say("EHLO three.example.com\r\n");
  EXPECT_EQ(three.rest(), " reset");
}

TEST_F(RudeTest, GreetingsStartTlsAndQuit) {
  start_with({"connect:1:=1:raw:220 ****\\r\\n", "starttls:1:raw:220 go\\r\\n250 injected\\r\\n",
              "quit:1:stall"});
  RawClient first(sink_->address());
  EXPECT_EQ(first.replies(1), "220 ****\r\n");
  first.say("EHLO client.example.com\r\n");
  EXPECT_EQ(first.say("STARTTLS\r\n", 2), "220 go\r\n250 injected\r\n");
  RawClient second(sink_->address());
  EXPECT_EQ(second.replies(1), "220 sink.example.org ESMTP\r\n");
  second.send("QUIT\r\n");
  EXPECT_EQ(second.finish(), "");
}

}  // namespace
}  // namespace volley::sink
