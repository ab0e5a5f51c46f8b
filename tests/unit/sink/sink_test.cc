#include "engine/sink/sink.h"

#include <gtest/gtest.h>

#include "base/hash.h"
#include "base/net/loop.h"
#include "base/net/stream.h"
#include "base/net/tls.h"
#include "engine/sink/meter.h"
#include "sink_fixture.h"

namespace volley::sink {
namespace {

TEST_F(SinkTest, LogsAMessageBeforeItAccepts) {
  start();
  RawClient client(sink_->address());
  EXPECT_TRUE(client.replies(1).starts_with("220 "));
  const std::string ehlo = client.say("EHLO client.example.com\r\n");
  EXPECT_NE(ehlo.find("PIPELINING"), std::string::npos);
  EXPECT_NE(ehlo.find("STARTTLS"), std::string::npos);
  EXPECT_EQ(count(client.say("MAIL FROM:<\"a b\"@example.com>\r\nRCPT TO:<b@example.net>\r\nRCPT "
                             "TO:<C@Example.ORG>\r\nDATA\r\n",
                             4),
                  "250"),
            3U);
  const std::string content = "Subject: x\r\n\r\n.a dot\r\n..\r\nend\r\n";
  EXPECT_TRUE(client.say("Subject: x\r\n\r\n..a dot\r\n...\r\nend\r\n.\r\n").starts_with("250 "));
  // No waiting here: the line was in the file before the 250 left.
  EXPECT_EQ(log(),
            "{\"from\":\"\\\"a "
            "b\\\"@example.com\",\"rcpt\":[\"b@example.net\",\"C@Example.ORG\"],\"bytes\":" +
                std::to_string(content.size()) + ",\"sha256\":\"" + to_hex(Sha256::of(content)) +
                "\",\"port\":" + std::to_string(client.port()) + ",\"tls\":false,\"chunking\":false,\"ehlo\":\"client.example.com\"}\n");
  EXPECT_TRUE(client.say("QUIT\r\n").starts_with("221 "));
  EXPECT_EQ(client.replies(1), "closed");
  const Totals totals = sink_->totals();
  EXPECT_EQ(totals.connections, 1U);
  EXPECT_EQ(totals.messages, 1U);
  EXPECT_EQ(totals.bytes, content.size());
}

TEST_F(SinkTest, TakesMessagesPipelinedOneBehindTheOther) {
  start();
  RawClient client(sink_->address());
  client.replies(1);
  client.say("EHLO client.example.com\r\n");
  client.send(kEnvelope);
  EXPECT_EQ(count(client.replies(3), "354"), 1U);
  std::string sums;
  for (int i = 0; i < 200; ++i) {
    const std::string content = "Subject: " + std::to_string(i) + "\r\n\r\n" +
                                std::string(static_cast<size_t>(i) * 50, 'x') + "\r\n";
    sums += to_hex(Sha256::of(content));
    client.send(content + ".\r\n" + std::string(kEnvelope));
    const std::string replies = client.replies(4);
    ASSERT_EQ(count(replies, "250 "), 3U) << replies;
    ASSERT_EQ(count(log(), "\n"), static_cast<size_t>(i + 1));
  }
  std::string logged;
  const std::string text = log();
  for (size_t at = text.find("sha256"); at != std::string::npos; at = text.find("sha256", at + 1))
    logged += text.substr(at + 9, 64);
  EXPECT_EQ(logged, sums);
}

TEST_F(SinkTest, DigestsContentThatComesInAnyPieces) {
  start();
  RawClient client(sink_->address());
  client.replies(1);
  client.say("EHLO client.example.com\r\n");
  const std::string content = "Subject: x\r\n\r\n.\r\n..\r\n.x\r\n\r\n";
  const std::string wire = "Subject: x\r\n\r\n..\r\n...\r\n..x\r\n\r\n.\r\n";
  client.say(kEnvelope, 3);
  for (char c : wire) client.send(std::string_view(&c, 1));
  EXPECT_TRUE(client.replies(1).starts_with("250 "));
  EXPECT_NE(log().find(to_hex(Sha256::of(content))), std::string::npos);
}

TEST_F(SinkTest, DoesNotAcceptWhatItCouldNotLog) {
  options_.log = "/dev/full";
  start();
  RawClient client(sink_->address());
  client.replies(1);
  client.say("EHLO client.example.com\r\n");
  client.say(kEnvelope, 3);
  EXPECT_EQ(client.say("x\r\n.\r\n"), "closed");
  RawClient second(sink_->address());
  EXPECT_TRUE(second.replies(1).starts_with("220 "));
}

TEST_F(SinkTest, RefusesByRule) {
  options_.rules = {*parse_rule("rcpt:1:later@=1:451 4.7.1 try later"),
                    *parse_rule("data-end:1:odd@:554 5.7.1 no: thanks"),
                    *parse_rule("mail:1:spam@:550"), *parse_rule("data:1:nodata@:452 full")};
  start();
  RawClient client(sink_->address());
  client.replies(1);
  client.say("EHLO client.example.com\r\n");
  EXPECT_EQ(client.say("MAIL FROM:<spam@example.com>\r\n"), "550\r\n");
  client.say("MAIL FROM:<a@example.com>\r\n");
  EXPECT_EQ(client.say("RCPT TO:<later@example.com>\r\n"), "451 4.7.1 try later\r\n");
  EXPECT_TRUE(client.say("RCPT TO:<later@example.com>\r\n").starts_with("250 "));
  EXPECT_TRUE(client.say("RCPT TO:<odd@example.com>\r\n").starts_with("250 "));
  client.say("DATA\r\n");
  EXPECT_EQ(client.say("x\r\n.\r\n"), "554 5.7.1 no: thanks\r\n");
  client.say("MAIL FROM:<a@example.com>\r\nRCPT TO:<nodata@example.com>\r\n", 2);
  EXPECT_EQ(client.say("DATA\r\n"), "452 full\r\n");
  EXPECT_EQ(log(), "");
  EXPECT_EQ(sink_->totals().messages, 0U);
}

TEST_F(SinkTest, ClosesByRule) {
  options_.rules = {*parse_rule("data-end:1:drop@:"),
                    *parse_rule("ehlo:1:bad.example.com:421 4.3.2 bye")};
  start();
  RawClient client(sink_->address());
  client.replies(1);
  client.say("EHLO client.example.com\r\n");
  client.say("MAIL FROM:<drop@example.com>\r\nRCPT TO:<b@example.net>\r\nDATA\r\n", 3);
  EXPECT_EQ(client.say("x\r\n.\r\n"), "closed");
  EXPECT_EQ(log(), "");
  RawClient second(sink_->address());
  second.replies(1);
  EXPECT_EQ(second.say("EHLO bad.example.com\r\n"), "421 4.3.2 bye\r\n");
  EXPECT_EQ(second.replies(1), "closed");
}

TEST_F(SinkTest, KeepsItsCaps) {
  options_.max_connections = 1;
  options_.max_messages = 1;
  start();
  RawClient client(sink_->address());
  client.replies(1);
  RawClient second(sink_->address());
  EXPECT_TRUE(second.replies(1).starts_with("421 4.7.0"));
  EXPECT_EQ(second.replies(1), "closed");
  client.say("EHLO client.example.com\r\n");
  client.say(kEnvelope, 3);
  EXPECT_TRUE(client.say("x\r\n.\r\n").starts_with("250 "));
  EXPECT_TRUE(client.say("MAIL FROM:<a@example.com>\r\n").starts_with("421 4.7.0"));
  EXPECT_EQ(client.replies(1), "closed");
}

TEST_F(SinkTest, MetersMessages) {
  options_.rate = 2;
  options_.daily = 2;
  start();
  RawClient client(sink_->address());
  client.replies(1);
  client.say("EHLO client.example.com\r\n");
  for (const char* answer : {"250 ", "250 ", "550 5.4.5 Daily"}) {
    client.say(kEnvelope, 3);
    EXPECT_TRUE(client.say("x\r\n.\r\n").starts_with(answer)) << answer;
  }
  EXPECT_EQ(count(log(), "\n"), 2U);
}

TEST(Meter, LetsOneSecondsWorthThroughAtOnce) {
  Meter meter(3, 5);
  const TimePoint start = monotonic_now();
  using enum Meter::Answer;
  for (int i = 0; i < 3; ++i) EXPECT_EQ(meter.take(start), kTaken);
  EXPECT_EQ(meter.take(start + std::chrono::milliseconds(300)), kTooFast);
  EXPECT_EQ(meter.take(start + std::chrono::milliseconds(400)), kTaken);
  EXPECT_EQ(meter.take(start + std::chrono::milliseconds(500)), kTooFast);
  EXPECT_EQ(meter.take(start + std::chrono::hours(2)), kTaken);
  EXPECT_EQ(meter.take(start + std::chrono::hours(4)), kUsedUp);
}

TEST_F(SinkTest, AnswersLaterInOrder) {
  options_.delays.distance = {std::chrono::milliseconds(20), std::chrono::milliseconds(20)};
  start();
  RawClient client(sink_->address());
  const TimePoint begin = monotonic_now();
  EXPECT_TRUE(client.replies(1).starts_with("220 "));
  EXPECT_GE(monotonic_now() - begin, std::chrono::milliseconds(15));
  client.say("EHLO client.example.com\r\n");
  client.say(kEnvelope, 3);
  EXPECT_TRUE(client.say("x\r\n.\r\n").starts_with("250 "));
  EXPECT_TRUE(client.say("QUIT\r\n").starts_with("221 "));
  EXPECT_EQ(client.replies(1), "closed");
}

TEST_F(SinkTest, RefusesBareNewlines) {
  start();
  RawClient client(sink_->address());
  client.replies(1);
  client.say("EHLO client.example.com\r\n");
  client.say(kEnvelope, 3);
  EXPECT_TRUE(client.say("x\n.\ny\r\n.\r\n").starts_with("554 5.6.11"));
  EXPECT_EQ(log(), "");
}

TEST_F(SinkTest, SharesAPortAndALogAmongThreads) {
  options_.threads = 2;
  start();
  for (int i = 0; i < 40; ++i) {
    RawClient client(sink_->address());
    client.replies(1);
    client.say("EHLO client.example.com\r\n");
    client.say(kEnvelope, 3);
    ASSERT_TRUE(client.say("x\r\n.\r\n").starts_with("250 "));
  }
  EXPECT_EQ(count(log(), "\n"), 40U);
  EXPECT_EQ(sink_->totals().messages, 40U);
}

TEST_F(SinkTest, SaysWhatIsWrong) {
  start();
  Options second = options_;
  second.listen = sink_->address();
  for (unsigned threads : {1U, 2U}) {
    second.threads = threads;
    auto failed = Sink::start(second);
    ASSERT_FALSE(failed.ok());
    EXPECT_EQ(failed.error().code, Errc::kUnavailable);
  }
  second.listen = "127.0.0.1:0";
  second.log = directory_ + "/none/sink.log";
  EXPECT_EQ(Sink::start(second).error().code, Errc::kCantCreate);
  second.listen = "nowhere";
  EXPECT_EQ(Sink::start(second).error().code, Errc::kUsage);
}

TEST_F(SinkTest, TwoOfThemDoNotShareAPort) {
  options_.threads = 2;
  start();
  Options second = options_;
  second.listen = sink_->address();
  auto failed = Sink::start(second);
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(failed.error().code, Errc::kUnavailable);
}

// Sends the next line whenever the reply to the last one is there, over TLS from STARTTLS on.
class TlsClient final : public net::StreamListener {
 public:
  TlsClient(net::Loop& loop, const std::string& address) {
    context_ = net::TlsContext::client({}).value();
    stream_ = net::connect(loop, *net::Endpoint::parse(address), std::nullopt, *this);
  }
  void on_data(std::span<const char> bytes) override {
    text_.append(bytes.data(), bytes.size());
    if (!text_.ends_with("\n") || text_.substr(text_.rfind('\n', text_.size() - 2) + 1)[3] == '-')
      return;
    static constexpr std::string_view kScript[] = {"EHLO client.example.com\r\n",
                                                   "STARTTLS\r\n",
                                                   "",
                                                   "MAIL FROM:<a@example.com>\r\n",
                                                   "RCPT TO:<b@example.net>\r\n",
                                                   "DATA\r\n",
                                                   "x\r\n.\r\n",
                                                   "QUIT\r\n"};
    if (step_ == 2) {
      net::TlsStart start;
      EXPECT_TRUE(stream_->start_tls(*context_, start).ok());
    } else if (step_ < std::size(kScript)) {
      stream_->write(kScript[step_]);
    }
    ++step_;
  }
  void on_tls_ready(const net::TlsInfo&) override { stream_->write("EHLO client.example.com\r\n"); }
  void on_closed(Error) override { closed_ = true; }
  bool closed() const { return closed_; }
  const std::string& text() const { return text_; }

 private:
  std::unique_ptr<net::TlsContext> context_;
  net::StreamPtr stream_;
  std::string text_;
  size_t step_ = 0;
  bool closed_ = false;
};

TEST_F(SinkTest, SpeaksTls) {
  for (const Duration delay : {Duration::zero(), Duration(std::chrono::milliseconds(5))}) {
    options_.delays.distance = {delay, delay};
    start();
    net::Loop loop;
    {
      TlsClient client(loop, sink_->address());
      while (!client.closed()) loop.run_once(true);
      EXPECT_EQ(count(client.text(), "STARTTLS"), 1U) << client.text();  // no longer offered inside
      EXPECT_EQ(count(client.text(), "221 "), 1U) << client.text();
    }
    sink_.reset();
  }
  EXPECT_EQ(count(log(), "\"tls\":true,\"chunking\":false,\"tls_version\":\"TLSv1.3\","), 2U);
}

}  // namespace
}  // namespace volley::sink
