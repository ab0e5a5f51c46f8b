// The SMTP server core: commands in, replies out, decisions by the driver. For the sink and for mail intake.
//
// Purpose    Reads commands and data strictly (only CRLF.CRLF ends data, no bare CR or LF in commands, nothing may follow
//            EHLO, DATA, AUTH or STARTTLS in one group), keeps the order of RFC 5321 section 4.1.4, and asks the driver.
// Driver     feed(bytes), then next_event() until it is empty, then gather() and write. `bytes` must live until
//            next_event() has returned empty (data is handed out as views of it); after that the server has its own copy
//            of what is left. Events marked (d) want a decision: accept(), respond() with another reply, challenge()
//            where AUTH goes on, or hold() to answer later (next_event() stays empty until one of the others); doing none
//            and pulling on accepts, except that a login is refused.
// BDAT       Content comes as with DATA; kChunkEnd asks about each chunk but the last. What a decision refuses at kDataStart
//            is answered once the octets of the chunk are read. After an error BDAT is read, dropped and refused until
//            RSET; when the content was at fault, a kDataEnd with `refused` says that this message is over.
// AUTH       The core keeps the order, the lines and base64; mechanisms and passwords are the driver's. What was said in an
//            exchange is overwritten once it is decided.
// kClose     The last event: flush what gather() gives, then close.
// Thread     One owner; the clock is an argument.
// Errors     Peer input never asserts; buffers are bounded: a command line by 2,048 octets (12,288 in AUTH), unread input
//            of a held decision by what the driver feeds (stop reading while held()).
// RFC        5321, 2920, 1870, 6152, 6531, 3207, 2034, 3030 (without BINARYMIME), 3461, 4954, 8689, 9422.
// Not for    who may send what to whom: that is the driver's decision.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/time.h"
#include "engine/smtp/dotstuff.h"
#include "engine/smtp/output.h"
#include "engine/smtp/server_content.h"

namespace volley::smtp {

// LIMITS as announced; 0: not this one. Keeping to them is the driver's, but for max_rcpts.
struct AnnouncedLimits {
  uint32_t mail_max = 0;
  uint32_t rcpt_max = 0;
  uint32_t rcpt_domain_max = 0;
};

struct ServerOptions {
  std::string name = "sink.example.org";
  bool pipelining = true;
  bool eight_bit = true;
  bool smtputf8 = true;
  bool enhanced_codes = true;  // false: not in our own replies either
  bool size = true;
  bool starttls = false;
  bool dsn = false;
  bool chunking = false;
  bool require_tls = false;  // offered inside TLS
  AnnouncedLimits limits{};
  std::string auth{};               // mechanisms in upper case, a space between; empty: no AUTH
  bool auth_in_clear = false;       // offered outside TLS as well
  bool auth_required = false;       // 530 to MAIL without
  int max_auth_failures = 3;        // 421 to AUTH after that
  uint64_t max_size = 64u << 20;    // 0: no limit
  uint32_t max_rcpts = 1000;        // 452 4.5.3 after that
  bool refuse_bare_newline = true;  // 554 5.6.11 for content with a lone CR or LF
  int max_errors = 10;              // unknown commands and bad syntax before 421
  int max_idle_commands = 100;      // RSET, NOOP, VRFY, HELP since the last message before 421
  Duration idle = std::chrono::minutes(5);
};

class Server {
 public:
  struct Event {
    enum class Type : uint8_t {
      kConnected,  // (d) 220
      kEhlo,       // (d) text: the client's name; esmtp
      kStartTls,   // (d) 220, then kNeedTls
      kAuth,  // (d) text: mechanism, in the spelling of `auth`; initial: its response, decoded. Default 535
      kAuthResponse,  // (d) text: decoded. Default 535
      kAuthEnd,       //     the exchange was cancelled or broken: forget it
      kMail,          // (d) text: address or empty; size, body_8bit, smtputf8, require_tls; dsn()
      kRcpt,          // (d) text: address; dsn()
      kDataStart,     // (d) 354; chunking: nothing
      kDataChunk,     //     text: content, un-stuffed
      kChunkEnd,      // (d) 250
      kDataEnd,       // (d) the default is 250, or 552/554 when `refused`; chunking
      kReset,         // (d) 250; what was begun is void (as it is after kEhlo)
      kQuit,          // (d) 221, then kClose
      kNeedTls,       //     flush, then hand-shake, then tls_established()
      kClose,         //     text: why
    };
    Type type = Type::kConnected;
    std::string_view text;
    bool esmtp = false;
    std::optional<uint64_t> size;
    bool body_8bit = false;
    bool smtputf8 = false;
    bool require_tls = false;
    bool chunking = false;          // kDataStart, kDataEnd: by BDAT
    const char* refused = nullptr;  // kDataEnd: why the content cannot be taken
    std::optional<std::string_view> initial;
  };
  // As they were sent, checked; empty: not given. ENVID and the address in ORCPT are xtext.
  struct Dsn {
    std::string_view ret, envid;     // kMail
    std::string_view notify, orcpt;  // kRcpt
  };

  explicit Server(ServerOptions options);

  void start(TimePoint now, bool tls = false);  // tls: the stream is encrypted already
  void feed(std::string_view bytes, TimePoint now);
  std::optional<Event> next_event();
  const Dsn& dsn() const { return dsn_; }  // of the event at hand, and no longer than it
  // Answer the last (d) event. `enhanced` may be empty; text must be one line.
  void respond(int code, std::string_view enhanced, std::string_view text);
  void accept();
  void challenge(std::string_view bytes);  // kAuth and kAuthResponse: 334, encoded here
  void hold();
  bool held() const { return held_; }
  void tls_established(TimePoint now);
  void eof();
  void timeout(TimePoint now);
  void shutdown();  // 421 4.3.2 once the current command or message is done

  size_t gather(std::span<OutSlice> slices, size_t max_bytes = 1 << 20);
  void consume(size_t bytes);
  TimePoint deadline() const { return deadline_; }
  bool in_data() const { return state_ == State::kData || state_ == State::kChunk; }
  bool closed() const { return state_ == State::kClosed; }
  bool tls() const { return tls_; }

 private:
  enum class State : uint8_t {
    kNew,
    kGreeting,
    kCommand,
    kAuth,  // the next line belongs to the exchange
    kData,
    kChunk,
    kTlsHandshake,
    kClosed
  };
  enum class Decision : uint8_t {
    kNone,
    kConnected,
    kEhlo,
    kStartTls,
    kAuth,
    kMail,
    kRcpt,
    kDataStart,
    kChunkStart,
    kChunkEnd,
    kDataEnd,
    kReset,
    kQuit
  };

  std::optional<Event> step();
  std::optional<Event> read_command();
  std::optional<Event> read_data();
  std::optional<Event> read_chunk();
  std::optional<Event> end_chunk();
  std::optional<Event> on_line(std::string_view line);
  std::optional<Event> on_hello(std::string_view argument, bool esmtp);
  std::optional<Event> on_mail(std::string_view argument);
  std::optional<Event> on_rcpt(std::string_view argument);
  std::optional<Event> on_data(std::string_view argument);
  std::optional<Event> on_bdat(std::string_view argument);
  std::optional<Event> on_starttls(std::string_view argument);
  std::optional<Event> on_auth(std::string_view argument);
  std::optional<Event> on_auth_response(std::string_view line);
  std::optional<Event> on_long_line();
  std::optional<Event> on_rset();
  std::optional<Event> on_other(std::string_view verb);
  const char* parse_mail_parameters(std::string_view rest, Event& event);
  const char* parse_rcpt_parameters(std::string_view rest);
  std::string chunk_refusal(uint64_t size) const;
  const char* auth_refusal() const;
  std::string_view offered_mechanism(std::string_view name) const;
  Event auth_over(std::string_view line);
  size_t line_limit() const;
  bool far_too_much(uint64_t size) const;
  Event decide(Decision decision, const Event& event);
  void decided(int code);
  void content_decided(Decision decision, int code);
  void bad(std::string_view line);
  bool count_idle();
  void idle_command(std::string_view line);
  void close(std::string_view line, std::string_view why);
  void reply(std::string_view line);
  void end_transaction();
  void append_ehlo_reply();
  void keep_rest();

  const ServerOptions options_;
  State state_ = State::kNew;
  Decision decision_ = Decision::kNone;
  std::string_view input_;  // what is left to read: of the fed bytes, or of kept_
  std::string kept_;
  Output out_;
  DotDecoder decoder_;
  ContentCheck content_;  // of BDAT
  std::string
      chunk_refusal_;  // the reply once the chunk at hand is read; empty: its content is taken
  std::string auth_text_;
  Dsn dsn_;
  std::string_view close_why_;
  TimePoint deadline_ = kNever;
  uint64_t data_size_ = 0;
  uint64_t chunk_left_ = 0;
  uint32_t rcpts_ = 0;
  int errors_ = 0;
  int idle_commands_ = 0;
  int long_lines_ = 0;
  int auth_failures_ = 0;
  bool hello_ = false, esmtp_ = false, mail_ = false, smtputf8_ = false, tls_ = false,
       auth_ = false;
  bool bdat_ = false;         // the message at hand comes by BDAT
  bool bdat_failed_ = false;  // nothing more of it until RSET
  bool chunk_last_ = false;
  bool need_tls_ = false;  // kNeedTls is due
  bool held_ = false;
  bool closing_ = false;   // kClose is due
  bool skipping_ = false;  // inside an over-long command line
  bool shutdown_ = false;
  const char* refused_ = nullptr;  // the reply to content that cannot be taken
};

}  // namespace volley::smtp
