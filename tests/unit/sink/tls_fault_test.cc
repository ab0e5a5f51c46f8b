// TLS as it should be and as it should not.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/files.h"
#include "base/net/loop.h"
#include "base/net/stream.h"
#include "base/net/timer.h"
#include "base/net/tls.h"
#include "sink_fixture.h"

namespace volley::sink {
namespace {

using testing::HasSubstr;

// Greeting, EHLO, STARTTLS, handshake; or the handshake at once. Then `lines`, one after each reply.
class TlsProbe final : public net::StreamListener {
 public:
  TlsProbe(net::Loop& loop, const std::string& address, const net::TlsClientOptions& trust,
           std::vector<std::string> lines = {}, bool implicit = false)
      : implicit_(implicit), lines_(std::move(lines)) {
    if (!trust.ca_file.empty()) demand_.kind = net::TlsDemand::Kind::kPkix;
    demand_.min_version = net::TlsVersion::kTls12;
    auto context = net::TlsContext::client(trust);
    EXPECT_TRUE(context.ok());
    context_ = std::move(context).value();
    stream_ = net::connect(loop, *net::Endpoint::parse(address), std::nullopt, *this);
    if (!implicit_) lines_.insert(lines_.begin(), {"EHLO client.example.com\r\n", "STARTTLS\r\n"});
  }
  void on_connected() override {
    if (implicit_) hand_shake();
  }
  void on_data(std::span<const char> bytes) override {
    text.append(bytes.data(), bytes.size());
    if (!text.ends_with("\n") || text.substr(text.rfind('\n', text.size() - 2) + 1)[3] == '-')
      return;
    if (text.ends_with("Ready to start TLS\r\n") && !tls) return hand_shake();
    if (text.ends_with("TLS not available just now\r\n") || text.ends_with("not implemented\r\n"))
      refused = true;
    next();
  }
  void on_tls_ready(const net::TlsInfo& info) override {
    tls = info;
    if (!implicit_) next();  // nobody greets again
  }
  void on_closed(Error error) override { closed = error.message; }

  std::string text;
  std::optional<net::TlsInfo> tls;
  std::optional<std::string> closed;
  bool refused = false;
  bool done = false;  // nothing more to say, and answered

 private:
  void hand_shake() {
    net::TlsStart start;
    start.server_name = "sink.example.org";
    start.demand = demand_;
    const Status status = stream_->start_tls(*context_, start);
    EXPECT_TRUE(status.ok());
  }
  void next() {
    if (said_ < lines_.size()) {
      stream_->write(lines_[said_++]);
    } else {
      done = true;
    }
  }

  const bool implicit_;
  std::vector<std::string> lines_;
  size_t said_ = 0;
  net::TlsDemand demand_;
  std::unique_ptr<net::TlsContext> context_;
  net::StreamPtr stream_;
};

class TlsFaultTest : public SinkTest {
 protected:
  void start_with(TlsFault fault) {
    sink_.reset();
    options_.tls_fault = fault;
    options_.save_certificate = directory_ + "/presented.pem";
    start();
  }
  // Trusts the saved certificate as if an authority had signed it: what is refused then is the fault.
  net::TlsClientOptions trusting() const {
    return {.ca_file = options_.save_certificate, .system_cas = false};
  }
  // Turns the loop until the probe is refused, answered or closed.
  static void run(net::Loop& loop, TlsProbe& probe) {
    bool expired = false;
    net::Timer watchdog(loop, [&] { expired = true; });
    watchdog.set_after(std::chrono::milliseconds(kPatienceMs));
    while (!probe.closed && !probe.refused && !probe.done && !expired) loop.run_once(true);
    EXPECT_FALSE(expired);
  }
  std::string failure(const net::TlsClientOptions& trust) {
    net::Loop loop;
    TlsProbe probe(loop, sink_->address(), trust);
    run(loop, probe);
    return probe.closed.value_or("no failure");
  }
};

const std::vector<std::string> kMail{"EHLO client.example.com\r\n",
                                     "MAIL FROM:<a@example.com> REQUIRETLS\r\n",
                                     "RCPT TO:<b@example.net>\r\n", "DATA\r\n", "x\r\n.\r\n"};

TEST_F(TlsFaultTest, NothingIsWrongByDefault) {
  start_with(TlsFault::kNone);
  net::Loop loop;
  TlsProbe probe(loop, sink_->address(), trusting(), kMail);
  run(loop, probe);
  ASSERT_TRUE(probe.tls.has_value()) << probe.closed.value_or("");
  EXPECT_TRUE(probe.tls->verified);
  EXPECT_TRUE(probe.text.ends_with("250 2.0.0 Ok\r\n")) << probe.text;
  EXPECT_EQ(count(probe.text, "250-REQUIRETLS"), 1U);
  EXPECT_EQ(count(log(), "\"tls\":true,\"chunking\":false,\"tls_version\":\"TLSv1.3\""), 1U);
}

TEST_F(TlsFaultTest, ImplicitTls) {
  options_.implicit_tls = true;
  start_with(TlsFault::kNone);
  net::Loop loop;
  TlsProbe probe(loop, sink_->address(), trusting(), kMail, true);
  run(loop, probe);
  EXPECT_TRUE(probe.text.starts_with("220 ") && probe.text.ends_with("250 2.0.0 Ok\r\n"))
      << probe.text;
  EXPECT_EQ(count(probe.text, "STARTTLS"), 0U);
  EXPECT_EQ(count(log(), "\"tls\":true"), 1U);
}

TEST_F(TlsFaultTest, CertificatesWithOneFault) {
  start_with(TlsFault::kExpired);
  EXPECT_THAT(failure(trusting()), HasSubstr("expired"));
  start_with(TlsFault::kWrongName);
  EXPECT_THAT(failure(trusting()), HasSubstr("mismatch"));
  start_with(TlsFault::kNone);
  options_.save_certificate = directory_ + "/other.pem";
  ASSERT_TRUE(write_file_atomically(options_.save_certificate,
                                    net::make_self_signed("x.example.org")->certificate_pem)
                  .ok());
  EXPECT_THAT(failure(trusting()), HasSubstr("self"));
}

TEST_F(TlsFaultTest, OldVersionsNoiseAndSilence) {
  start_with(TlsFault::kTls10);
  EXPECT_THAT(failure({}), HasSubstr("TLS handshake"));
  start_with(TlsFault::kGarbage);
  EXPECT_THAT(failure({}), HasSubstr("TLS handshake"));
  options_.implicit_tls = true;
  start_with(TlsFault::kGarbage);
  RawClient noise(sink_->address());
  noise.send("\x16\x03\x01");
  EXPECT_EQ(noise.bytes(512).size(), 512U);
  start_with(TlsFault::kStall);
  RawClient silent(sink_->address());
  silent.send("\x16\x03\x01");
  EXPECT_EQ(silent.finish(), "");
  options_.implicit_tls = false;
  start_with(TlsFault::kStall);
  RawClient after(sink_->address());
  after.replies(1);
  after.say("EHLO client.example.com\r\n");
  EXPECT_TRUE(after.say("STARTTLS\r\n").starts_with("220 "));
  after.send("\x16\x03\x01");
  EXPECT_EQ(after.finish(), "");
}

TEST_F(TlsFaultTest, RefusedStartTlsLeavesTheSessionAlone) {
  for (const auto& [fault, code] :
       {std::pair{TlsFault::kRefuse454, "454 4.7.0"}, {TlsFault::kRefuse502, "502 5.5.1"}}) {
    start_with(fault);
    RawClient client(sink_->address());
    client.replies(1);
    EXPECT_EQ(count(client.say("EHLO client.example.com\r\n"), "STARTTLS"), 1U);
    EXPECT_TRUE(client.say("STARTTLS\r\n").starts_with(code));
    EXPECT_EQ(count(client.say(kEnvelope, 3), "250 "), 2U);
  }
}

TEST_F(TlsFaultTest, PresentsOnesOwnChain) {
  const auto identity = net::make_self_signed("sink.example.org");
  options_.certificate = directory_ + "/own.pem";
  options_.key = directory_ + "/own.key";
  ASSERT_TRUE(write_file_atomically(options_.certificate, identity->certificate_pem).ok());
  ASSERT_TRUE(write_file_atomically(options_.key, identity->key_pem).ok());
  start_with(TlsFault::kNone);
  EXPECT_EQ(read_file_text(options_.save_certificate), identity->certificate_pem);
  net::Loop loop;
  TlsProbe probe(loop, sink_->address(), trusting(), kMail);
  run(loop, probe);
  ASSERT_TRUE(probe.tls.has_value());
  EXPECT_TRUE(probe.tls->verified);
}

}  // namespace
}  // namespace volley::sink
