// The client core against a receiver that says anything at any time.
//
// Invariants  Each submitted transaction ends exactly once, before Closed. Delivered only if the receiver, counting its own
//             replies against what it read, gave a 2xx to that transaction's own end of data. Nothing after Closed.
//             Where a login is configured: no MAIL before a 235, no AUTH without TLS unless that is allowed, and neither
//             the secret nor what encodes it anywhere but in the answers to AUTH, whatever the receiver repeats.
#include "engine/smtp/client.h"

#include <fuzzer/FuzzedDataProvider.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "base/base64.h"

namespace volley::smtp {
namespace {

constexpr const char* kSecret = "zebra-crossing-7";

void require(bool condition) {
  if (!condition) std::abort();
}

// Twelve octets in a row of the secret, or of a line that says it.
bool tells(std::string_view text) {
  static const std::array<std::string, 4> kForms = {
      kSecret, to_base64(kSecret), to_base64(std::string("\0user\0", 6) + kSecret),
      to_base64(std::string("user=user\1auth=Bearer ") + kSecret + "\1\1").substr(28)};
  constexpr size_t kRun = 12;
  for (const std::string& form : kForms) {
    for (size_t at = 0; at + kRun <= form.size(); ++at) {
      if (text.find(form.substr(at, kRun)) != std::string_view::npos) return true;
    }
  }
  return false;
}

// The receiver's books: what it read, cut into things to answer; and what it answered, in order.
struct Receiver {
  std::string unread;
  std::string line;  // of a reply being said
  std::vector<TxnId> slots{
      kNoTxn};               // the greeting, then one per command; an end of data carries its id
  std::vector<int> replies;  // codes
  TxnId current = kNoTxn;
  size_t data_slot = 0;  // of the DATA that was read last
  bool after_data = false;
  bool login_wanted = false;
  bool login_seen = false;
  std::string last;  // line read

  void read(std::string_view bytes) {
    unread += bytes;
    while (true) {
      if (after_data && replies.size() > data_slot && !unread.empty()) {
        const bool body = replies[data_slot] / 100 == 3;
        if (!body) {
          after_data = false;
          continue;
        }
        size_t end = unread.starts_with(".\r\n") ? 3 : std::string::npos;
        if (end == std::string::npos) {
          const size_t at = unread.find("\r\n.\r\n");
          if (at == std::string::npos) return;
          end = at + 5;
        }
        unread.erase(0, end);
        slots.push_back(current);
        after_data = false;
        continue;
      }
      const size_t lf = unread.find("\r\n");
      if (lf == std::string::npos) return;
      const std::string command = unread.substr(0, lf);
      unread.erase(0, lf + 2);
      require(command.find('\n') == std::string::npos);
      if (login_wanted) check_login(command);
      last = command;
      if (command.starts_with("MAIL FROM:<t")) current = std::stoull(command.substr(12));
      if (command == "DATA") {
        after_data = true;
        data_slot = slots.size();
      }
      slots.push_back(kNoTxn);
    }
  }

  void check_login(std::string_view command) {
    const bool asked = replies.size() >= slots.size() && replies[slots.size() - 1] == 334;
    login_seen = login_seen || command.starts_with("AUTH ");
    if (!asked && !command.starts_with("AUTH ")) require(!tells(command));
    if (command.starts_with("MAIL")) {
      require(std::find(replies.begin(), replies.end(), 235) != replies.end());
    }
  }

  void say(std::string_view bytes) {
    for (const char c : bytes) {
      if (c != '\n') {
        line += c;
        continue;
      }
      if (!line.empty() && line.back() == '\r') line.pop_back();
      if (line.size() >= 3 && (line.size() == 3 || line[3] == ' ')) {
        replies.push_back((line[0] - '0') * 100 + (line[1] - '0') * 10 + line[2] - '0');
      }
      line.clear();
    }
  }

  bool took(TxnId id) const {
    for (size_t i = 0; i < slots.size() && i < replies.size(); ++i) {
      if (slots[i] == id && replies[i] / 100 == 2) return true;
    }
    return false;
  }
};

constexpr std::array<const char*, 22> kLines = {"220 mx\r\n",
                                                "250 ok\r\n",
                                                "250-mx\r\n250-PIPELINING\r\n250 SIZE 100000\r\n",
                                                "354 go\r\n",
                                                "354 go\r\n",
                                                "250 ok\r\n250 ok\r\n354 go\r\n",
                                                "250 ok\r\n",
                                                "421 bye\r\n",
                                                "550 5.1.1 no\r\n",
                                                "451 later\r\n",
                                                "452 4.5.3 too many recipients\r\n",
                                                "503 bad sequence\r\n",
                                                "554 protocol synchronization error\r\n",
                                                "250-a\r\n550 b\r\n",
                                                "garbage\r\n",
                                                "250",
                                                "\r\n",
                                                "250-STARTTLS\r\n250 PIPELINING\r\n",
                                                "555 parameter\r\n",
                                                "250 ok 250 ok\r\n",
                                                "250 done\r\n250 ok\r\n250 ok\r\n354 go\r\n",
                                                "221 bye\r\n"};

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
    for (const auto& [id, times] : ended_) require(times == 1);
  }

 private:
  static ClientOptions options(FuzzedDataProvider& in) {
    ClientOptions o;
    o.ehlo_name = "client.example.com";
    o.tls = in.ConsumeBool() ? TlsMode::kNever : TlsMode::kOpportunistic;
    o.cross_message = in.ConsumeIntegralInRange(0, 3) != 0;
    o.hold_until_mark = in.ConsumeBool();
    o.rset_between = in.ConsumeBool();
    const int draw = in.ConsumeIntegralInRange(0, 255);
    o.pipelining = draw % 4 != 0;
    if (draw < 160) return o;
    auto credentials = std::make_shared<Credentials>();
    credentials->user = "user";
    credentials->secret = kSecret;
    credentials->is_token = draw / 4 % 3 == 0;
    o.credentials = std::move(credentials);
    o.sasl_nonce = "rOprNGfwEbeRWgbNEkqO";
    o.auth_in_clear = draw / 4 % 4 != 0;
    return o;
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
      const bool clear = !client_.tls() && !options_.auth_in_clear;
      require(!clear || slices[i].find("AUTH ") == std::string_view::npos);
      receiver_.read(slices[i]);
      bytes += slices[i].size();
    }
    require(bytes <= max);
    client_.consume(bytes, now_);
  }

  void submit() {
    if (!client_.can_submit()) return;
    Transaction t;
    t.id = next_++;
    t.mail_from = "t" + std::to_string(t.id) + "@example.com";
    for (int n = in_.ConsumeIntegralInRange(1, 3); n > 0; --n) t.rcpts.push_back("r@example.net");
    static constexpr const char* kBodies[] = {"Hi\r\n",   ".\r\n", "", "a\r\n.\r\n..b\r\nc",
                                              "x\n.\r\n", "\r\n"};
    t.body = std::make_shared<const std::string>(kBodies[in_.ConsumeIntegralInRange(0, 5)]);
    ended_[t.id] = 0;
    client_.submit(std::move(t), now_);
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
        require(ended_.at(rcpt->txn) == 0);
        require(rcpt->outcome.kind != Outcome::Kind::kDelivered);
      }
      if (const auto* result = std::get_if<TxnResult>(&*event)) {
        require(++ended_.at(result->txn) == 1);
        if (result->outcome.kind == Outcome::Kind::kDelivered) require(receiver_.took(result->txn));
      }
      if (std::holds_alternative<Closed>(*event)) {
        closed_ = true;
        for (const auto& [id, times] : ended_) require(times == 1);
      }
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
  std::map<TxnId, int> ended_;
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
