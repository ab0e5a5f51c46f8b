// Dialogues over sockets.
#include <gtest/gtest.h>

#include "sink_fixture.h"

namespace volley::sink {
namespace {

class DialogSessionTest : public SinkTest {
 protected:
  void play(const std::string& file) {
    options_.log.clear();
    options_.dialog = file;
    start();
  }
  std::string write(std::string_view text) {
    std::string path = directory_ + "/test.dlg";
    std::ofstream(path) << text;
    return path;
  }
};

TEST_F(DialogSessionTest, EveryConnectionGetsItFromTheStart) {
  play(std::string(VOLLEY_DIALOG_DIR) + "/rcpt-mixed.dlg");
  for (int i = 0; i < 2; ++i) {
    RawClient client(sink_->address());
    EXPECT_EQ(client.replies(1), "220 mx.example.net ESMTP\r\n");
    EXPECT_EQ(client.say("EHLO me.example.org\r\n"), "250-mx.example.net\r\n250 PIPELINING\r\n");
    EXPECT_EQ(
        client.say(
            "MAIL FROM:<x@example.org>\r\nRCPT TO:<1@example.org>\r\nRCPT TO:<2@example.org>\r\n"
            "RCPT TO:<3@example.org>\r\nDATA\r\n",
            5),
        "250 ok\r\n250 ok\r\n550 5.1.1 no such user\r\n451 4.2.1 later\r\n354 go\r\n");
    EXPECT_EQ(client.say("my own content\r\n.\r\n"), "250 2.0.0 queued\r\n");
    EXPECT_EQ(client.say("QUIT\r\n"), "221 2.0.0 Bye\r\n");
    EXPECT_EQ(client.rest(), "");
  }
}

TEST_F(DialogSessionTest, ClosesAndGoesSilentWhereItSays) {
  play(write("< 220 hi\n> EHLO c\n< 250 hi\n> MAIL FROM:<>\neof\n"));
  RawClient client(sink_->address());
  client.replies(1);
  client.say("EHLO c.example.com\r\n");
  client.send("MAIL FROM:<>\r\n");
  EXPECT_EQ(client.rest(), "");
  sink_.reset();
  play(std::string(VOLLEY_DIALOG_DIR) + "/greeting-drip.dlg");
  RawClient silent(sink_->address());
  EXPECT_EQ(silent.bytes(5), "220-a");
  EXPECT_EQ(silent.finish(), "");
}

TEST_F(DialogSessionTest, TheWrongCommandEndsIt) {
  play(write("ready\n> MAIL FROM:<>\n< 250 ok\n"));
  RawClient client(sink_->address());
  client.replies(1);
  client.say("EHLO c.example.com\r\n");
  EXPECT_EQ(client.say("RSET\r\n", 2), "503 5.5.1 Error: not in this dialogue\r\nclosed");
}

}  // namespace
}  // namespace volley::sink
