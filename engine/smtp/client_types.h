// What goes into the client core and what comes out of it: transactions, options, events.
//
// Purpose    The vocabulary between smtp::Client and its driver.
// Ownership  Values. A body is shared until its transaction ends.
// Thread     Values.
// Extensions Each is used only when the EHLO reply in force offers it. What a message cannot do without (SMTPUTF8, 8BITMIME,
//            REQUIRETLS, SIZE) and this server lacks fails the transaction with `here_only`: another host may take it. What it
//            can do without (SIZE=, BODY=, the DSN parameters) is left out, as are an ENVID over 100 and an ORCPT over 500
//            octets: a shortened id would be a wrong one.
// Not for    deciding anything.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "base/time.h"
#include "engine/smtp/caps.h"
#include "engine/smtp/outcome.h"
#include "engine/smtp/output.h"
#include "engine/smtp/sasl.h"

namespace volley::smtp {

using TxnId = uint64_t;
inline constexpr TxnId kNoTxn = ~TxnId{0};  // never a transaction's id

enum class DsnReturn : uint8_t { kNone, kHeaders, kFull };  // RET=

enum Notify : uint8_t {  // NOTIFY=; none of them: not given. kNotifyNever stands alone.
  kNotifyNever = 1 << 0,
  kNotifySuccess = 1 << 1,
  kNotifyFailure = 1 << 2,
  kNotifyDelay = 1 << 3,
};

struct RcptDsn {
  uint8_t notify = 0;  // Notify bits
  std::string orcpt;   // plain address, empty: not given
};

struct Transaction {
  TxnId id = 0;
  std::string mail_from;           // empty for <>
  std::vector<std::string> rcpts;  // at least one, each canonical
  Body body;                       // un-stuffed, canonical CRLF; a missing last CRLF is added
  bool body_is_8bit = false;       // needs 8BITMIME
  bool smtputf8 = false;           // needs SMTPUTF8; an address outside ASCII does in any case
  bool require_tls = false;        // RFC 8689: needs TLS and REQUIRETLS
  DsnReturn ret = DsnReturn::kNone;
  std::string envid;         // plain, empty: not given
  std::vector<RcptDsn> dsn;  // by recipient; may be shorter than `rcpts`
};

enum class TlsMode : uint8_t {
  kNever,
  kOpportunistic,  // use it when offered, go on without when refused
  kRequired,       // STARTTLS or nothing
  kImplicit,       // the transport is TLS before start()
};

enum class Chunking : uint8_t {
  kNever,
  kOneAtATime,  // BDAT, the next message after its reply
  kStream,      // several whole messages on the wire; for receivers known to take it
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
  Chunking chunking = Chunking::kNever;
  uint32_t bdat_window = 8;        // kStream: messages on the wire
  uint64_t bdat_bytes = 1u << 20;  // kStream: bodies unanswered, before no further message goes
  bool helo_only = false;
  bool rset_between = false;      // RSET before each transaction but the first
  bool mail_parameters = true;    // SIZE=, BODY=; SMTPUTF8 goes out whenever it is needed
  bool dsn_parameters = true;     // RET=, ENVID=, NOTIFY=, ORCPT=
  bool hold_until_mark = false;   // hosts not yet proven: see Guard in client.h
  bool refuse_own_name = false;   // a greeting with our own name is a mail loop
  uint64_t min_body_rate = 1024;  // bytes/s below which a body is given up
  std::shared_ptr<const Credentials> credentials;  // log in with these, or do not send
  std::string sasl_nonce;                          // see sasl.h
  bool auth_in_clear = false;                      // log in without TLS, too
  Timeouts timeouts;
};

struct Ready {
  Capabilities caps;  // with the server's LIMITS
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
  uint32_t accepted = 0;  // recipients with a 2xx to their RCPT
  uint32_t rcpt_limit =
      0;  // no more recipients than this in one transaction; 0: that was not shown
  // From the turn of its MAIL to the last reply to a RCPT, and how many that were; 0: that could not be told.
  Duration rcpt_time{};
  uint32_t rcpt_replies = 0;
};
enum class CloseReason : uint8_t {
  kQuit,           // we asked for it, or MAILMAX is reached
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
  // The server ended the session between messages, and not after a pause, when it had answered so many MAILs; 0: it did not.
  uint32_t message_limit = 0;
};
using ClientEvent = std::variant<Ready, NeedTls, RcptResult, TxnResult, Closed>;

}  // namespace volley::smtp
