// The SMTP client core: bytes, answers and the time go in; bytes, events and one deadline come out.
//
// Purpose    Drives one connection: greeting, EHLO (or HELO), STARTTLS, AUTH, then transactions with DATA, pipelined across
//            messages (body k, its dot, MAIL RCPT DATA k+1 in one write: one round trip per message) or with BDAT (whole
//            messages, streamed) where the EHLO in force offers PIPELINING, else strictly command by command.
// Driver     start(); then after each call of feed/tls_established/eof/timeout/submit/quit: pull next_event() until it is
//            empty, gather() and write, set one timer to deadline(). The driver may destroy the client between any two
//            calls. Nothing is called back. consume(n) once the transport has taken n bytes.
// Ownership  A transaction's body is shared until its end; slices from gather() live until consumed or destruction.
// Thread     One owner.
// Errors     No peer input asserts. A transaction that was submitted ends exactly once, with one TxnResult, before or
//            together with Closed; recipients refused on their own, or for which LIMITS or "too many recipients" left no room
//            (retry_now), get a RcptResult just before it, and all others have the TxnResult's outcome. When no recipient
//            is left for it, the TxnResult repeats the last refusal.
// Closed     The last event. Flush what gather() still gives (a QUIT, or nothing after an abort), then close. It also comes by
//            itself, after a QUIT, when the server's LIMITS allow no further MAIL.
// BDAT       With `chunking`, when CHUNKING is offered: MAIL RCPT.. BDAT n LAST and its octets in one group, one chunk a
//            message. kStream keeps up to `bdat_window` messages on the wire once one was taken in this session; a body over
//            `bdat_bytes` waits for its recipients' replies first. RSET (6 bytes, no round trip) goes before a transaction unless
//            the one before it is known to have been taken: a failed BDAT leaves the state indeterminate (RFC 3030
//            section 2). BDAT answered with 500 to 504: Retry at once, by DATA; the next RSET then goes alone, because
//            its reply shows whether the octets were read as commands.
// Guard      Replies are matched by count (RFC 2920). A reply that cannot belong to its slot, a reply to a command not yet
//            handed to the transport, a line that is no reply, or any byte when nothing is outstanding (421 apart)
//            closes the session: transactions whose last octet may have left, and that no sync mark (a 354 in the next
//            DATA slot, or a 2xx to NOOP or QUIT) has proven, are InDoubt; the others Retry. A Delivered can still
//            turn while the feed() that brought it is running; with `hold_until_mark` it waits for the mark itself.
//            The replies to BDAT transactions have no mark: all are 2xx, that to RSET too, and surplus ones shift them
//            unseen until one is early or left over. Therefore `hold_until_mark` means DATA: hosts stream only after they have
//            proven themselves with it. What can be seen is: a 2xx to BDAT waits for the reply to an RSET sent behind it,
//            and a refused RSET there is a desync: shifted by one, replies would put a refused BDAT's own in its place.
//            A session that breaks leaves up to a window of messages in doubt.
// Login      With `credentials` there is no transaction before a 235, and without TLS (or `auth_in_clear`) not even an
//            attempt at one. No event carries the secret, whatever the server repeats. A deadline() that is already there
//            stands for work that is waiting (SCRAM): let others have their turn, then call timeout().
// RFC        5321, 2920, 3030, 3207, 1870, 3461, 4954, 6152, 6531, 8689, 9422, 2034; timeouts of 5321 4.5.3.2 as absolute deadlines
//            per reply, and as much again for the transport to take the command.
// Not for    choosing hosts, certificates (the driver), or what a refusal means (classify.h).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/fifo.h"
#include "base/time.h"
#include "engine/smtp/caps.h"
#include "engine/smtp/client_types.h"
#include "engine/smtp/dotstuff.h"
#include "engine/smtp/outcome.h"
#include "engine/smtp/output.h"
#include "engine/smtp/reply.h"
#include "engine/smtp/sasl.h"

namespace volley::smtp {

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

  // How many transactions are taken at once: 2 with cross-message pipelining (at most one message ahead), the window when
  // streaming, else 1.
  size_t depth() const;
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
  bool chunking() const;  // the next transaction goes by BDAT
  // Replies are waited for with nothing to send that could carry our acknowledgements: the driver may set TCP_QUICKACK.
  bool wants_quickack() const;
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
    kBdat,
    kLoneDot,
    kNoop,
    kQuit
  };
  struct Pending {
    Verb verb = Verb::kGreeting;
    bool last = false;  // of its group: nothing goes out before its reply
    uint32_t rcpt = 0;
    TxnId txn = kNoTxn;
    uint64_t asked = 0;  // output position after which a reply may come (to a body: a refusal)
    uint64_t end = 0;    // and after which the command, with its body, is complete
  };
  enum class Step : uint8_t { kRset, kMail, kRcpt, kData, kWaitData, kSent, kAbandoned };
  struct Txn {
    Transaction what;
    BodyScan scan;
    Step step = Step::kRset;
    uint64_t size = 0;    // of the body, as SIZE and BDAT count it
    uint32_t number = 0;  // of its MAIL in this session, from 1; 0: not begun
    uint32_t next_rcpt = 0;
    uint32_t asked_rcpts = 0;  // RCPTs sent
    uint32_t pending = 0;      // replies outstanding
    uint32_t accepted = 0;
    uint32_t rcpt_limit = 0;
    uint32_t rcpt_replies = 0;
    std::optional<TimePoint> mail_since;  // when its MAIL was the oldest command unanswered
    Duration rcpt_time{};
    uint64_t begin = 0;  // output position of its first byte
    uint64_t end = 0;    // output position after its end of data
    bool chunked = false;
    bool dsn = false;                                // offered, and taken so far
    bool with_parameters = false, with_dsn = false;  // in its MAIL
    bool after_pause = false;
    bool crossed = false;  // its MAIL went out before the end of data ahead of it was answered
    bool mail_ok = false;
    bool reset = false;  // an RSET went before it
    bool last_rcpt_ok = false;
    std::optional<Outcome> refusal;  // of MAIL, or what decided against the whole
    std::vector<std::pair<uint32_t, Outcome>> refused;  // recipients
    std::vector<uint32_t> domains;  // RCPTDOMAINMAX: a recipient of each domain asked for

    bool begun() const { return number > 0; }
    bool all_refused() const { return refused.size() == what.rcpts.size(); }
  };

  struct Held {
    TxnResult result;
    std::vector<RcptResult> refusals;
    bool sent = false;  // its last octet may have left
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
  void take_time(const Pending& entry, TimePoint now);
  void push(Verb verb, TxnId txn = kNoTxn, uint32_t rcpt = 0);
  void push_body(Verb verb, Txn& txn, uint64_t asked);
  bool blocked() const { return !fifo_.empty() && fifo_.back().last; }
  void rearm(TimePoint now);
  Duration timeout_of(Verb verb) const;
  Duration patience(const Pending& head) const;
  static Stage stage_of(Verb verb);
  static bool is_body(Verb verb) { return verb == Verb::kDot || verb == Verb::kBdat; }
  Stage stage_now() const;
  // client_close.cc
  void close(CloseReason reason, Outcome outcome, bool send_quit);
  void desync(Stage stage, Reply reply, std::string why);
  void protocol_error(Stage stage, std::string why);
  void doubt(Held& held, const Outcome& cause);
  void end_on_close(Txn& txn, CloseReason reason, const Outcome& cause);
  void note_message_limit(const Txn& txn);
  bool lost_behind_data() const;
  void blame_pipelining();
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
  void pump(TimePoint now);
  bool pump_one(Txn& txn, TimePoint now);
  void begin(Txn& txn, TimePoint now);
  void send_mail(Txn& txn);
  void send_body(Txn& txn);
  void send_quit_or_noop();
  std::optional<Outcome> unfit(const Txn& txn) const;
  bool pipelining_refused(const Pending& entry, const Reply& reply);
  void on_rset(Reply reply);
  void on_mail(Txn& txn, Reply reply);
  void on_data(Txn& txn, Reply reply);
  void on_end_of_data(Txn& txn, Reply reply);
  void on_noop(const Reply& reply);
  void on_quit(Reply reply);
  void conclude_if_drained(Txn& txn);
  void finish(TxnId id, Outcome outcome);
  void release_held(bool proven);
  Txn* find(TxnId id);
  const Txn* find(TxnId id) const;
  // client_rcpt.cc
  void send_rcpt(Txn& txn);
  bool has_room(Txn& txn, uint32_t rcpt) const;
  static bool sends_dsn(const Txn& txn, uint32_t rcpt);
  void on_rcpt(Txn& txn, uint32_t rcpt, Reply reply);
  // client_bdat.cc
  bool streaming() const;
  void send_bdat(Txn& txn);
  void bdat_taken(const Txn& txn);
  void bdat_refused(const Txn& txn, Outcome& outcome);

  const ClientOptions options_;
  State state_ = State::kNew;
  ReplyParser parser_;
  Output out_;
  Capabilities caps_;
  Fifo<Pending> fifo_;
  Fifo<Txn> txns_;
  Fifo<Held> held_;  // answered, not yet past a sync mark
  Fifo<ClientEvent> events_;
  TimePoint deadline_ = kNever;
  TimePoint
      head_since_{};  // when the oldest outstanding command became the oldest; once it is out, since then
  TimePoint progress_{};           // last time the transport took bytes
  TimePoint quiet_since_{};        // the last reply came, and nothing was outstanding
  TimePoint body_limit_ = kNever;  // for the whole body being written
  bool head_armed_ = false, head_out_ = false;
  bool writing_ = false;
  Auth auth_;
  Quirks quirks_ = 0;
  uint32_t delivered_ = 0;
  uint32_t begun_ = 0;  // transactions begun in this session
  uint32_t message_limit_ = 0;
  bool tls_ = false;
  bool no_parameters_ = false, no_dsn_ = false;
  bool rset_between_ = false;
  bool rset_due_ = false;    // the last transaction is not known to be closed
  bool bdat_used_ = false;   // in this session
  bool bdat_taken_ = false;  // and answered with 2xx
  bool quitting_ = false;
  bool quit_sent_ = false;
  bool group_error_ = false;      // a refusal since nothing was outstanding
  bool pipelining_lost_ = false;  // the server refused it in this session
};

}  // namespace volley::smtp
