// The client core against a receiver that says anything at any time.
//
// Invariants  Each submitted transaction ends exactly once, before Closed; each recipient has one outcome, its own or the
//             transaction's. Delivered only if the receiver, counting its own replies against what it read, gave a 2xx to that
//             transaction's own end of data or BDAT, and to the RCPT of everyone it counts for. What is written stays in
//             proportion to what is under way. Nothing after Closed.
//             Where a login is configured: no MAIL before a 235, no AUTH without TLS unless that is allowed, and neither
//             the secret nor what encodes it anywhere but in the answers to AUTH, whatever the receiver repeats.
#include "engine/smtp/client.h"

#include <fuzzer/FuzzedDataProvider.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "tests/fuzz/client_receiver.h"

namespace volley::smtp {
namespace {

constexpr std::array<const char*, 26> kLines = {
    "220 mx\r\n",
    "250 ok\r\n",
    "250-mx\r\n250-PIPELINING\r\n250 SIZE 100000\r\n",
    "250-mx\r\n250-PIPELINING\r\n250-DSN\r\n250 CHUNKING\r\n",
    "250-mx\r\n250-PIPELINING\r\n250-CHUNKING\r\n250 LIMITS RCPTMAX=2 MAILMAX=3\r\n",
    "354 go\r\n",
    "250 ok\r\n250 ok\r\n354 go\r\n",
    "250 ok\r\n250 ok\r\n250 ok\r\n",
    "250 ok\r\n250 ok\r\n250 ok\r\n250 ok\r\n250 ok\r\n250 ok\r\n250 ok\r\n250 ok\r\n",
    "421 bye\r\n",
    "550 5.1.1 no\r\n",
    "451 later\r\n",
    "452 4.5.3 too many recipients\r\n",
    "503 bad sequence\r\n",
    "502 5.5.1 what\r\n",
    "554 5.5.1 no valid recipients\r\n",
    "554 protocol synchronization error\r\n",
    "250-a\r\n550 b\r\n",
    "garbage\r\n",
    "250",
    "\r\n",
    "250-STARTTLS\r\n250 PIPELINING\r\n",
    "555 parameter\r\n",
    "250 ok 250 ok\r\n",
    "250 done\r\n250 ok\r\n250 ok\r\n354 go\r\n",
    "221 bye\r\n",
};

// SCRAM's are good for the nonce, user and secret below, with 1000 and 2500 iterations.
constexpr std::array<const char*, 18> kLoginLines = {
    "250-mx\r\n250 AUTH SCRAM-SHA-256 CRAM-MD5 PLAIN LOGIN XOAUTH2 OAUTHBEARER\r\n",
    "250-mx\r\n250-STARTTLS\r\n250 AUTH SCRAM-SHA-256 SCRAM-SHA-1\r\n",
    "250-mx\r\n250-PIPELINING\r\n250 AUTH LOGIN PLAIN XOAUTH2\r\n",
    "250-mx\r\n250-PIPELINING\r\n250 AUTH LOGIN\r\n",
    "235 ok\r\n",
    "235 ok\r\n",
    "334 \r\n",
    "334 VXNlcm5hbWU6\r\n",
    "334 cj1yT3ByTkdmd0ViZVJXZ2JORWtxT3NydixzPVcyMlphSjBTTlk3c29Fc1VFamI2Z1E9PSxpPTEwMDA=\r\n",
    "334 cj1yT3ByTkdmd0ViZVJXZ2JORWtxT3NydixzPVcyMlphSjBTTlk3c29Fc1VFamI2Z1E9PSxpPTI1MDA=\r\n",
    "334 dj03MDdkOThYVVUvUjMyY21GMEduN1hxSkh6Q3oxWmFKeVVGakJtREVlZ2djPQ==\r\n",
    "334 dj0yNGJmbHloaG40Y3k4SGtqZ1R4aW9iRjRjUi9wU3l5bll6cUlGdDdTRnFRPQ==\r\n",
    "334 go on\r\n",
    "501 cancelled\r\n",
    "504 no such mechanism\r\n",
    "535 5.7.8 no\r\n",
    "454 4.7.0 later\r\n",
    "235-ok\r\n535 no\r\n"};

class Session {
 public:
  explicit Session(FuzzedDataProvider& in) : in_(in), options_(options(in)), client_(options_) {
    receiver_.login_wanted = options_.credentials != nullptr;
  }

  void run() {
    client_.start(now_);
    for (int steps = 0; steps < 200 && in_.remaining_bytes() > 0 && !closed_; ++steps) {
      step();
      drain();
    }
    client_.eof(now_);
    drain();
    require(closed_);
    require(client_.deadline() == kNever);
    client_.feed("250 late\r\n", now_);
    client_.timeout(now_);
    require(!client_.next_event());
    for (const auto& [id, sent] : sent_) require(sent.ended);
  }

 private:
  static constexpr uint32_t kWindow = 8, kRcpts = 3;
  static constexpr size_t kBodyCap = 32, kCommandCap = 128;
  struct Sent {
    uint32_t rcpts = 0;
    std::set<uint32_t> refused;
    bool ended = false;
  };

  static ClientOptions options(FuzzedDataProvider& in) {
    ClientOptions o;
    o.ehlo_name = "client.example.com";
    o.tls = in.ConsumeBool() ? TlsMode::kNever : TlsMode::kOpportunistic;
    o.cross_message = in.ConsumeIntegralInRange(0, 3) != 0;
    o.hold_until_mark = in.ConsumeBool();
    o.rset_between = in.ConsumeBool();
    const int draw = in.ConsumeIntegralInRange(0, 255);
    o.pipelining = draw % 4 != 0;
    if (draw >= 160) log_in(o, draw / 4);
    static constexpr Chunking kChunking[] = {Chunking::kNever, Chunking::kOneAtATime,
                                             Chunking::kStream, Chunking::kStream};
    o.chunking = kChunking[in.ConsumeIntegralInRange(0, 3)];
    o.bdat_window = in.ConsumeIntegralInRange<uint32_t>(1, kWindow);
    o.bdat_bytes = in.ConsumeBool() ? 1 << 20 : 10;
    return o;
  }

  static void log_in(ClientOptions& o, int draw) {
    auto credentials = std::make_shared<Credentials>();
    credentials->user = "user";
    credentials->secret = kSecret;
    credentials->is_token = draw % 3 == 0;
    o.credentials = std::move(credentials);
    o.sasl_nonce = "rOprNGfwEbeRWgbNEkqO";
    o.auth_in_clear = draw % 4 != 0;
  }

  void say(std::string bytes) {
    receiver_.say(bytes);
    while (!bytes.empty()) {
      const size_t n =
          in_.ConsumeBool() ? bytes.size() : in_.ConsumeIntegralInRange<size_t>(1, bytes.size());
      const std::string piece = bytes.substr(0, n);
      bytes.erase(0, n);
      client_.feed(piece, now_);
    }
  }

  void say_something() {
    if (!options_.credentials || in_.ConsumeBool()) {
      return say(kLines[in_.ConsumeIntegralInRange<size_t>(0, kLines.size() - 1)]);
    }
    const size_t which = in_.ConsumeIntegralInRange<size_t>(0, kLoginLines.size() + 1);
    if (which < kLoginLines.size()) return say(kLoginLines[which]);
    if (ready_ || !receiver_.login_seen) return;
    if (which == kLoginLines.size()) return say(std::string("535 not ") + kSecret + "\r\n");
    const size_t kept = in_.ConsumeIntegralInRange<size_t>(0, receiver_.last.size());
    say("500 what: \"" + receiver_.last.substr(0, kept) + "\"\r\n");
  }

  void write(size_t max) {
    std::array<OutSlice, 4> slices;
    const size_t n = client_.gather(slices, max);
    size_t bytes = 0;
    for (size_t i = 0; i < n; ++i) {
      receiver_.read(slices[i]);
      bytes += slices[i].size();
    }
    require(bytes <= max);
    written_ += bytes;
    require(written_ <= (next_ + 4) * (kBodyCap + (kRcpts + 3) * kCommandCap));
    client_.consume(bytes, now_);
  }

  void submit() {
    if (!client_.can_submit()) return;
    Transaction t;
    t.id = next_++;
    t.mail_from = "t" + std::to_string(t.id) + "@example.com";
    Sent& sent = sent_[t.id];
    sent.rcpts = in_.ConsumeIntegralInRange<uint32_t>(1, kRcpts);
    for (uint32_t i = 0; i < sent.rcpts; ++i) {
      t.rcpts.push_back("r" + std::to_string(i) + "@" + (i % 2 ? "b" : "a") + ".example.net");
    }
    static constexpr const char* kBodies[] = {
        "Hi\r\n", ".\r\n", "", "a\r\n.\r\n..b\r\nc", "x\n.\r\n", "\r\n", "RSET\r\nBDAT 4 LAST\r\n"};
    t.body = std::make_shared<const std::string>(kBodies[in_.ConsumeIntegralInRange(0, 6)]);
    if (in_.ConsumeBool()) {
      t.ret = DsnReturn::kHeaders;
      t.dsn.resize(1);
      t.dsn[0].notify = kNotifyNever;
    }
    client_.submit(std::move(t), now_);
    require(client_.in_flight() <= std::max(kWindow, 2u));
  }

  void step() {
    switch (in_.ConsumeIntegralInRange(0, 11)) {
      case 0:
      case 1:
      case 2:
      case 3:
        say_something();
        break;
      case 4:
        say(in_.ConsumeRandomLengthString(80));
        break;
      case 5:
      case 6:
        write(1 << 20);
        break;
      case 7:
        write(in_.ConsumeIntegralInRange<size_t>(1, 40));
        break;
      case 8:
        submit();
        break;
      case 9:
        now_ += std::chrono::seconds(in_.ConsumeIntegralInRange(0, 700));
        client_.timeout(now_);
        break;
      case 10:
        if (in_.ConsumeIntegralInRange(0, 7) == 0) client_.quit(now_);
        break;
      case 11:
        if (tls_asked_) {
          tls_asked_ = false;
          if (in_.ConsumeBool()) {
            receiver_.line.clear();
            client_.tls_established(now_);
          } else {
            client_.tls_failed("no", now_);
          }
        }
        break;
    }
  }

  void drain() {
    while (auto event = client_.next_event()) {
      require(!closed_);
      if (options_.credentials) check_words(*event);
      if (std::holds_alternative<Ready>(*event)) ready_ = true;
      if (std::holds_alternative<NeedTls>(*event)) tls_asked_ = !client_.closed();
      if (const auto* rcpt = std::get_if<RcptResult>(&*event)) {
        Sent& sent = sent_.at(rcpt->txn);
        require(!sent.ended && rcpt->rcpt < sent.rcpts);
        require(sent.refused.insert(rcpt->rcpt).second);
        require(rcpt->outcome.kind == Outcome::Kind::kRetry ||
                rcpt->outcome.kind == Outcome::Kind::kFailed);
      }
      if (const auto* result = std::get_if<TxnResult>(&*event)) ended(*result);
      if (const auto* closed = std::get_if<Closed>(&*event)) {
        closed_ = true;
        for (const auto& [id, sent] : sent_) require(sent.ended);
        require(closed->delivered == delivered_);
      }
    }
  }

  void ended(const TxnResult& result) {
    Sent& sent = sent_.at(result.txn);
    require(!sent.ended);
    sent.ended = true;
    if (result.outcome.kind != Outcome::Kind::kDelivered) return;
    ++delivered_;
    require(sent.refused.size() < sent.rcpts && result.accepted > 0);
    require(receiver_.took(Slot::Kind::kEnd, result.txn));
    for (uint32_t i = 0; i < sent.rcpts; ++i) {
      require(sent.refused.contains(i) || receiver_.took(Slot::Kind::kRcpt, result.txn, i));
    }
  }

  static void check_words(const ClientEvent& event) {
    const Outcome* outcome = nullptr;
    if (const auto* rcpt = std::get_if<RcptResult>(&event)) outcome = &rcpt->outcome;
    if (const auto* result = std::get_if<TxnResult>(&event)) outcome = &result->outcome;
    if (const auto* closed = std::get_if<Closed>(&event)) outcome = &closed->outcome;
    if (outcome) require(!tells(outcome->error) && !tells(outcome->reply.text));
  }

  FuzzedDataProvider& in_;
  const ClientOptions options_;
  TimePoint now_{};
  Client client_;
  Receiver receiver_;
  std::map<TxnId, Sent> sent_;
  uint32_t delivered_ = 0;
  size_t written_ = 0;
  TxnId next_ = 1;
  bool closed_ = false;
  bool tls_asked_ = false;
  bool ready_ = false;
};

}  // namespace
}  // namespace volley::smtp

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  FuzzedDataProvider in(data, size);
  volley::smtp::Session(in).run();
  return 0;
}
