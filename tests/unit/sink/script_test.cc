#include "engine/sink/script.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace volley::sink {
namespace {

using Kind = ScriptPlayer::Kind;

// Plays until it waits, closes or wants TLS; TLS is there at once.
struct Table {
  explicit Table(std::string_view text) : script(*Script::parse(text)), player(script) {}
  std::string say(std::string_view bytes, size_t step = 1 << 20) {
    std::string out = turn();
    for (size_t at = 0; at < bytes.size(); at += step) {
      player.feed(bytes.substr(at, step));
      out += turn();
    }
    return out;
  }
  std::string turn() {
    std::string out;
    for (;;) {
      const ScriptPlayer::Move move = player.next();
      if (move.kind == Kind::kWait) return out;
      if (move.kind == Kind::kSay) out += move.text;
      if (move.kind == Kind::kNoise) out += "[noise]";
      if (move.kind == Kind::kClose) out += "[close]";
      if (move.kind == Kind::kTls) {
        out += "[tls]";
        player.tls_established();
      }
    }
  }
  Script script;
  ScriptPlayer player;
};

constexpr std::string_view kMessage =
    "# a comment\nrow 54\noption tls never\nready PIPELINING SIZE\\s10\nsubmit 1 a@example.net "
    "body=Hi\\r\\n\n"
    "> MAIL FROM:<news@example.com>\n> RCPT TO:<a@example.net>\n> DATA\n< 250 ok\n< 550 5.1.1 "
    "no\n< 354 go\n"
    "> Hi\n> .\n>none\n? nothing\n<raw 250 ok\\r\\n250 again\\r\\n\n? closed desync\n";

TEST(Script, ARealClientHasOtherWords) {
  for (size_t step : {1, 2, 5, 1000}) {
    Table t(kMessage);
    EXPECT_EQ(t.say(""), "220 mx.example.net ESMTP\r\n");
    EXPECT_EQ(t.say("ehlo other.example.org\r\n", step),
              "250-mx.example.net\r\n250-PIPELINING\r\n250 SIZE 10\r\n");
    EXPECT_EQ(
        t.say("MAIL FROM:<x@example.org> SIZE=5 RET=HDRS\r\nRCPT TO:<y@example.org>\r\nDATA\r\n",
              step),
        "250 ok\r\n550 5.1.1 no\r\n354 go\r\n");
    EXPECT_EQ(t.say("Subject: something else\r\n\r\n..\r\nQUIT\r\n", step), "");
    EXPECT_EQ(t.say(".\r\n", step), "250 ok\r\n250 again\r\n");
    EXPECT_EQ(t.say("MAIL FROM:<>\r\n", step), "");  // the script is over
    EXPECT_EQ(t.say("QUIT\r\n", step), "221 2.0.0 Bye\r\n[close]");
    EXPECT_EQ(t.player.complaint(), "");
  }
}

TEST(Script, AnotherCommandEndsIt) {
  Table t(kMessage);
  t.say("EHLO c.example.com\r\n");
  EXPECT_EQ(t.say("RSET\r\nMAIL FROM:<>\r\n"), "503 5.5.1 Error: not in this dialogue\r\n[close]");
  EXPECT_EQ(t.player.complaint(), "line 6: MAIL was expected, not RSET");
  EXPECT_EQ(t.say("MAIL FROM:<>\r\n"), "");
  Table quits(kMessage);
  quits.say("EHLO c.example.com\r\n");
  EXPECT_EQ(quits.say("QUIT\r\n"), "221 2.0.0 Bye\r\n[close]");
  EXPECT_EQ(quits.player.complaint(), "");
}

TEST(Script, MarksInBetweenAreAnsweredWhereNothingElseIsOwed) {
  Table t("< 220 hi\n> MAIL FROM:<>\n> RCPT TO:<>\n< 250 ok\n< 250 ok\n");
  EXPECT_EQ(t.say("NOOP\r\nMAIL FROM:<>\r\nRCPT TO:<>\r\nNOOP\r\n"),
            "220 hi\r\n250 2.0.0 Ok\r\n250 ok\r\n250 ok\r\n250 2.0.0 Ok\r\n");
  Table owed("< 220 hi\n> MAIL FROM:<>\n> RCPT TO:<>\n< 250 ok\n");
  EXPECT_EQ(owed.say("MAIL FROM:<>\r\nNOOP\r\n"),
            "220 hi\r\n503 5.5.1 Error: not in this dialogue\r\n[close]");
  Table silent("< 220 hi\n> DATA\n< 354 go\n> .\ntimeout\n");
  EXPECT_EQ(silent.say("DATA\r\n"), "220 hi\r\n354 go\r\n");
  EXPECT_EQ(silent.say("x\r\n.\r\nNOOP\r\nQUIT\r\n"), "");  // either would be taken for the dot's
}

TEST(Script, TlsPartsAndEnds) {
  Table tls(
      "< 220 hi\n> EHLO c\n< 250 STARTTLS\n> STARTTLS\n< 220 go\n? needtls\ntls\n> EHLO c\n<raw "
      "2\n<raw 50 ok\\r\\n\neof\n");
  EXPECT_EQ(tls.say("EHLO a\r\nSTARTTLS\r\nEHLO a\r\n"),
            "220 hi\r\n250 STARTTLS\r\n220 go\r\n[tls]");
  EXPECT_EQ(tls.say("EHLO a\r\n"), "250 ok\r\n[close]");  // what came before the handshake is void
  Table noise("< 220 hi\n> STARTTLS\n< 220 go\ntlsfail no\n");
  EXPECT_EQ(noise.say("STARTTLS\r\n"), "220 hi\r\n220 go\r\n");
  EXPECT_EQ(noise.say("hello"), "[noise]");
  Table part("< 220 hi\n> DATA\n< 354 go\n>part 9\n< 552 too much\n> .\n< 250 late\n");
  EXPECT_EQ(part.say("DATA\r\n"), "220 hi\r\n354 go\r\n");
  EXPECT_EQ(part.say("x"), "552 too much\r\n");
  EXPECT_EQ(part.say("\r\n.\r\n"), "250 late\r\n");
  Table helo("ready helo\n> MAIL FROM:<>\n< 250 ok\n");
  EXPECT_EQ(helo.say("EHLO a\r\nHELO a\r\nMAIL FROM:<>\r\n"),
            "220 mx.example.net ESMTP\r\n502 what\r\n250 hi\r\n250 ok\r\n");
}

TEST(Script, ChunksAndChallenges) {
  Table t(
      "< 220 hi\n>bdat 4 Hi\\r\\n\n< 250 one\n> BDAT 4 LAST\n< 250 two\n> AUTH PLAIN\n< 334 x\n> "
      "Zm9v\n< 235 in\n> NOOP\n");
  EXPECT_EQ(t.say("BDAT 12\r\nMAIL\r\nQUIT\r\nBDAT 0 LAST\r\nAUTH LOGIN\r\nanything\r\n", 3),
            "220 hi\r\n250 one\r\n250 two\r\n334 x\r\n235 in\r\n");
}

TEST(Script, PeersAreBounded) {
  Table t("< 220 hi\n> EHLO c\n< 250 hi\n");
  EXPECT_EQ(t.say(std::string(100000, 'x'), 1000),
            "220 hi\r\n500 5.5.2 Error: line too long\r\n[close]");
  Table over("< 220 hi\n");
  EXPECT_EQ(over.say(std::string(200000, 'x'), 1000), "220 hi\r\n");
  EXPECT_EQ(over.say("\r\nQUIT\r\n"), "221 2.0.0 Bye\r\n[close]");
}

TEST(Script, SaysWhereItIsWrong) {
  for (const auto& [text, line] :
       std::vector<std::pair<std::string, std::string>>{{"< 220 hi\nsay 250\n", "line 2: "},
                                                        {"<raw \\x\n", "line 1: "},
                                                        {"> \n", "line 1: "},
                                                        {"", ""}}) {
    auto script = Script::parse(text);
    ASSERT_FALSE(script.ok()) << text;
    EXPECT_EQ(script.error().code, Errc::kData);
    EXPECT_TRUE(script.error().message.starts_with(line)) << script.error().message;
  }
}

TEST(Script, ReadsEveryDialogueOfTheSuite) {
  size_t read = 0;
  for (const auto& entry : std::filesystem::directory_iterator(VOLLEY_DIALOG_DIR)) {
    if (entry.path().extension() != ".dlg") continue;
    std::ostringstream text;
    text << std::ifstream(entry.path()).rdbuf();
    auto script = Script::parse(text.str());
    ASSERT_TRUE(script.ok()) << entry.path() << ": " << script.error().message;
    ++read;
  }
  EXPECT_GT(read, 90U);
}

}  // namespace
}  // namespace volley::sink
