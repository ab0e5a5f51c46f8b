// The SMTP client core: bytes, answers and the time go in; bytes, events and one deadline come out.
//
// Purpose    Drives one connection: greeting, EHLO (or HELO), STARTTLS, AUTH, then transactions with DATA, pipelined across
//            messages (body k, its dot, MAIL RCPT DATA k+1 in one write: one round trip per message) where the EHLO in
//            force offers PIPELINING, else strictly command by command.
// Driver     start(); then after each call of feed/tls_established/eof/timeout/submit/quit: pull next_event() until it is
//            empty, gather() and write, set one timer to deadline(). The driver may destroy the client between any two
//            calls. Nothing is called back. consume(n) once the transport has taken n bytes.
// Ownership  A transaction's body is shared until its end; slices from gather() live until consumed or destruction.
// Thread     One owner.
// Errors     No peer input asserts. A transaction that was submitted ends exactly once, with one TxnResult, before or
//            together with Closed; recipients refused on their own get a RcptResult just before it, and all others have
//            the TxnResult's outcome. When every recipient was refused the TxnResult repeats the last refusal.
// Closed     The last event. Flush what gather() still gives (a QUIT, or nothing after an abort), then close.
// Guard      Replies are matched by count (RFC 2920). A reply that cannot belong to its slot, a reply to a command not yet
//            handed to the transport, a line that is no reply, or any byte when nothing is outstanding (421 apart)
//            closes the session: transactions whose end of data may have left, and that no sync mark (a 354 in the next
//            DATA slot, or a 2xx to NOOP or QUIT) has proven, are InDoubt; the others Retry. A Delivered can still
//            turn while the feed() that brought it is running; with `hold_until_mark` it waits for the mark itself.
// Login      With `credentials` there is no transaction before a 235, and without TLS (or `auth_in_clear`) not even an
//            attempt at one. No event carries the secret, whatever the server repeats. A deadline() that is already there
//            stands for work that is waiting (SCRAM): let others have their turn, then call timeout().
// RFC        5321, 2920, 3207, 1870, 6152, 6531, 2034, 4954; timeouts of 5321 4.5.3.2 as absolute deadlines per reply.
// Not for    choosing hosts, certificates (the driver), or what a refusal means (classify.h).
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/time.h"
#include "engine/smtp/caps.h"
#include "engine/smtp/outcome.h"
#include "engine/smtp/output.h"
#include "engine/smtp/reply.h"
#include "engine/smtp/sasl.h"

namespace volley::smtp {

using TxnId = uint64_t;
inline constexpr TxnId kNoTxn = ~TxnId{0};  // never a transaction's id

struct Transaction {
  TxnId id = 0;
  std::string mail_from;           // empty for <>
  std::vector<std::string> rcpts;  // at least one, each canonical
  Body body;                       // un-stuffed, canonical CRLF; a missing last CRLF is added
  bool body_is_8bit = false;       // needs 8BITMIME
  bool smtputf8 = false;           // needs SMTPUTF8
};

enum class TlsMode : uint8_t {
  kNever,
  kOpportunistic,  // use it when offered, go on without when refused
  kRequired,       // STARTTLS or nothing
  kImplicit,       // the transport is TLS before start()
};

struct Timeouts {
  Duration greeting = std::chrono::minutes(5);
  Duration ehlo = std::chrono::minutes(5);
  Duration starttls = std::chrono::minutes(5);  // its reply, and then the handshake
  Duration auth = std::chrono::minutes(5);      // each reply of it
  Duration mail = std::chrono::minutes(5);
  Duration rcpt = std::chrono::minutes(5);
  Duration data = std::chrono::minutes(2);
  Duration block = std::chrono::minutes(3);  // without progress while a body is written
  Duration end_of_data = std::chrono::minutes(10);
  Duration rset = std::chrono::seconds(20);
  Duration quit = std::chrono::seconds(5);
};

struct ClientOptions {
  std::string ehlo_name;  // FQDN or address literal
  TlsMode tls = TlsMode::kOpportunistic;
  bool pipelining = true;     // false: never, whatever is offered
  bool cross_message = true;  // false: pipeline within a message only
  bool helo_only = false;
  bool rset_between = false;      // RSET before each transaction but the first
  bool mail_parameters = true;    // SIZE=, BODY=; SMTPUTF8 goes out whenever it is needed
  bool hold_until_mark = false;   // hosts not yet proven: see Guard
  bool refuse_own_name = false;   // a greeting with our own name is a mail loop
  uint64_t min_body_rate = 1024;  // bytes/s below which a body is given up
  std::shared_ptr<const Credentials> credentials;  // log in with these, or do not send
  std::string sasl_nonce;                          // see sasl.h
  bool auth_in_clear = false;                      // log in without TLS, too
  Timeouts timeouts;
};

struct Ready {
  Capabilities caps;
  bool tls = false;
};
struct NeedTls {
};  // start the handshake, then tls_established() or tls_failed(); hand in no plain bytes meanwhile
struct RcptResult {
  TxnId txn = 0;
  uint32_t rcpt = 0;
  Outcome outcome;
};
struct TxnResult {
  TxnId txn = 0;
  Outcome outcome;
  uint32_t accepted = 0;    // recipients with a 2xx to their RCPT
  uint32_t rcpt_limit = 0;  // "too many recipients" came after this many; 0: it did not
};
enum class CloseReason : uint8_t {
  kQuit,           // we asked for it
  kRefused,        // greeting, EHLO, HELO, AUTH or RSET was 4xx or 5xx; also: no AUTH fits
  kServerClosing,  // 421
  kPeerClosed,     // end of stream or reset
  kTimeout,
  kDesync,    // replies and commands no longer match
  kProtocol,  // not SMTP, or over the caps; also AUTH that is given up
  kTls,       // STARTTLS not offered or refused though required, injection, failed handshake
  kLoop,      // the greeting carries our own name
};
const char* to_string(CloseReason reason);
struct Closed {
  CloseReason reason = CloseReason::kQuit;
  Outcome outcome;         // stage, reply, our words; kFailed for a 5xx, else kRetry
  uint32_t delivered = 0;  // transactions answered with 2xx in this session
};
using ClientEvent = std::variant<Ready, NeedTls, RcptResult, TxnResult, Closed>;

class Client {
 public:
  explicit Client(ClientOptions options);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void start(TimePoint now);  // connected: waits for the greeting
  void feed(std::string_view bytes, TimePoint now);
  void tls_established(TimePoint now);
  void tls_failed(std::string_view why, TimePoint now);
  void eof(TimePoint now,
           std::string_view why = {});  // after everything read was fed; `why`: "connection reset"
  void timeout(TimePoint now);          // the timer went off; early calls do nothing
  void quit(TimePoint now);             // finish what was submitted, then QUIT

  // True when a transaction can be taken: at most one message ahead, so 2 with cross-message pipelining, else 1.
  bool can_submit() const;
  void submit(Transaction transaction, TimePoint now);  // only when can_submit()

  std::optional<ClientEvent> next_event();
  size_t gather(std::span<OutSlice> slices, size_t max_bytes = 1 << 20);
  void consume(size_t bytes, TimePoint now);
  TimePoint deadline() const { return deadline_; }

  bool closed() const { return state_ == State::kClosed; }
  bool idle() const { return state_ == State::kReady && txns_.empty() && fifo_.empty(); }
  bool tls() const { return tls_; }
  bool pipelining() const;
  const Capabilities& caps() const { return caps_; }
  // Everything learned about the host in this session so far.
  Quirks quirks() const { return quirks_; }
  // Transactions taken and not yet ended.
  size_t in_flight() const { return txns_.size(); }

 private:
  enum class State : uint8_t { kNew, kHandshake, kTlsHandshake, kReady, kClosed };
  enum class Verb : uint8_t {
    kGreeting,
    kEhlo,
    kHelo,
    kStartTls,
    kAuth,
    kRset,
    kMail,
    kRcpt,
    kData,
    kDot,
    kLoneDot,
    kNoop,
    kQuit
  };
  struct Pending {
    Verb verb = Verb::kGreeting;
    TxnId txn = kNoTxn;
    uint32_t rcpt = 0;
    uint64_t end = 0;  // position in the output after which the command is complete
  };
  enum class Step : uint8_t { kRset, kMail, kRcpt, kData, kWaitData, kSent, kAbandoned };
  struct Txn {
    Transaction what;
    BodyScan scan;
    Step step = Step::kRset;
    uint32_t next_rcpt = 0;
    uint32_t pending = 0;  // replies outstanding
    uint32_t accepted = 0;
    uint32_t rcpt_limit = 0;
    uint64_t begin = 0;    // output position of its first byte
    uint64_t dot_end = 0;  // output position after its end of data
    bool begun = false;
    bool with_parameters = false;
    bool mail_ok = false;
    bool reset = false;  // an RSET went before it
    bool last_rcpt_ok = false;
    std::optional<Outcome> refusal;  // of MAIL, or what decided against the whole
    std::vector<std::pair<uint32_t, Outcome>> refused;  // recipients
  };

  struct Held {
    TxnResult result;
    std::vector<RcptResult> refusals;
    bool dot_sent = false;
  };

  struct Auth {
    std::unique_ptr<Sasl> sasl;       // under way
    uint16_t tried = 0;               // AuthMechanism bits
    bool initial_due = false;         // its first message did not fit into the command
    bool asked = false;               // a challenge came
    bool counting = false;            // sasl needs another resume()
    bool done = false;                // 235
    std::optional<Outcome> given_up;  // `*` was sent because of this
    std::string sent;                 // what a reply must not repeat
  };

  // client.cc
  void feed_bytes(std::string_view bytes, TimePoint now);
  bool unsolicited(std::string_view bytes);
  void on_reply(Reply reply, std::string_view rest, TimePoint now);
  void dispatch(const Pending& entry, Reply reply, std::string_view rest, TimePoint now);
  void push(Verb verb, TxnId txn = kNoTxn, uint32_t rcpt = 0);
  void rearm(TimePoint now);
  Duration timeout_of(Verb verb) const;
  static Stage stage_of(Verb verb);
  Stage stage_now() const;
  // client_close.cc
  void close(CloseReason reason, Outcome outcome, bool send_quit);
  void desync(Stage stage, Reply reply, std::string why);
  void protocol_error(Stage stage, std::string why);
  void doubt(Held& held, const Outcome& cause);
  void end_on_close(Txn& txn, CloseReason reason, const Outcome& cause);
  // client_handshake.cc
  void on_greeting(Reply reply);
  void on_ehlo(Reply reply);
  void on_helo(Reply reply);
  void on_starttls(Reply reply, std::string_view rest, TimePoint now);
  void send_ehlo();
  void send_helo();
  void after_hello();
  void become_ready();
  // client_auth.cc
  void begin_auth();
  void next_mechanism();
  void on_auth(Reply reply, TimePoint now);
  void on_challenge(TimePoint now);
  void go_on_with_auth(Sasl::Answer answer, TimePoint now);
  void resume_auth(TimePoint now);
  void send_auth(std::string line, std::string encoded);
  void give_up_auth(std::string why);
  void auth_refused(Reply reply);
  void withhold_login(Reply& reply) const;
  void forget_login();
  void explain_missing_login(Outcome& outcome) const;
  // client_transaction.cc
  void pump();
  bool pump_one(Txn& txn);
  void send_mail(Txn& txn);
  void send_body(Txn& txn);
  void send_quit_or_noop();
  const char* unfit(const Txn& txn, EnhancedCode& code) const;
  bool pipelining_refused(const Pending& entry, const Reply& reply);
  void on_rset(Reply reply);
  void on_mail(Txn& txn, Reply reply);
  void on_rcpt(Txn& txn, uint32_t rcpt, Reply reply);
  void on_data(Txn& txn, Reply reply);
  void on_dot(Txn& txn, Reply reply);
  void conclude_if_drained(Txn& txn);
  void finish(TxnId id, Outcome outcome);
  void release_held(bool proven);
  Txn* find(TxnId id);

  const ClientOptions options_;
  State state_ = State::kNew;
  ReplyParser parser_;
  Output out_;
  Capabilities caps_;
  std::deque<Pending> fifo_;
  std::deque<Txn> txns_;
  std::deque<Held> held_;  // answered, not yet past a sync mark
  std::deque<ClientEvent> events_;
  TimePoint deadline_ = kNever;
  TimePoint
      head_since_{};      // when the oldest outstanding command became the oldest and was complete
  TimePoint progress_{};  // last time the transport took bytes
  TimePoint body_limit_ = kNever;  // for the whole body being written
  bool head_armed_ = false;
  bool writing_ = false;
  Auth auth_;
  Quirks quirks_ = 0;
  uint32_t delivered_ = 0;
  uint32_t begun_ = 0;  // transactions begun in this session
  bool tls_ = false;
  bool no_parameters_ = false;
  bool rset_between_ = false;
  bool rset_due_ = false;  // the last transaction did not end with its end of data
  bool blocked_ = false;   // a command that must be last in its group is outstanding
  bool quitting_ = false;
  bool quit_sent_ = false;
  bool group_error_ = false;      // a refusal since nothing was outstanding
  bool pipelining_lost_ = false;  // the server refused it in this session
};

}  // namespace volley::smtp
