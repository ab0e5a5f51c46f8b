// The SMTP server core: commands in, replies out, decisions by the driver. For the sink and for mail intake.
//
// Purpose    Reads commands and data strictly (only CRLF.CRLF ends data, no bare CR or LF in commands, nothing may follow
//            EHLO, DATA or STARTTLS in one group), keeps the order of RFC 5321 section 4.1.4, and asks the driver.
// Driver     feed(bytes), then next_event() until it is empty, then gather() and write. `bytes` must live until
//            next_event() has returned empty (data is handed out as views of it); after that the server has its own copy
//            of what is left. Events marked (d) want a decision: respond() with another reply, or hold() to answer later
//            (next_event() stays empty until respond()); doing neither and pulling on accepts.
// kClose     The last event: flush what gather() gives, then close.
// Thread     One owner; the clock is an argument.
// Errors     Peer input never asserts; buffers are bounded: a command line by 2,048 octets, unread input of a held
//            decision by what the driver feeds (stop reading while held()).
// RFC        5321, 2920, 1870, 6152, 6531, 3207, 2034.
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

namespace volley::smtp {

struct ServerOptions {
  std::string name = "sink.example.org";
  bool pipelining = true;
  bool eight_bit = true;
  bool smtputf8 = true;
  bool enhanced_codes = true;
  bool starttls = false;
  bool dsn = false;
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
      kMail,       // (d) text: address or empty; size, body_8bit, smtputf8
      kRcpt,       // (d) text: address
      kDataStart,  // (d) 354
      kDataChunk,  //     text: content, un-stuffed
      kDataEnd,    // (d) the default is 250, or 552/554 when `refused`
      kReset,      //     RSET: what was begun is void (as it is after kEhlo)
      kNeedTls,    //     flush, then hand-shake, then tls_established()
      kClose,      //     text: why
    };
    Type type = Type::kConnected;
    std::string_view text;
    bool esmtp = false;
    std::optional<uint64_t> size;
    bool body_8bit = false;
    bool smtputf8 = false;
    const char* refused = nullptr;  // kDataEnd: why the content cannot be taken
  };

  explicit Server(ServerOptions options);

  void start(TimePoint now);
  void feed(std::string_view bytes, TimePoint now);
  std::optional<Event> next_event();
  // Answers the last (d) event. `enhanced` may be empty; text must be one line.
  void respond(int code, std::string_view enhanced, std::string_view text);
  void hold();
  bool held() const { return held_; }
  void tls_established(TimePoint now);
  void eof();
  void timeout(TimePoint now);
  void shutdown();  // 421 4.3.2 once the current command or message is done

  size_t gather(std::span<OutSlice> slices, size_t max_bytes = 1 << 20);
  void consume(size_t bytes);
  TimePoint deadline() const { return deadline_; }
  bool in_data() const { return state_ == State::kData; }
  bool closed() const { return state_ == State::kClosed; }
  bool tls() const { return tls_; }

 private:
  enum class State : uint8_t { kNew, kGreeting, kCommand, kData, kTlsHandshake, kClosed };
  enum class Decision : uint8_t { kNone, kConnected, kEhlo, kMail, kRcpt, kDataStart, kDataEnd };

  std::optional<Event> step();
  std::optional<Event> read_command();
  std::optional<Event> read_data();
  std::optional<Event> on_line(std::string_view line);
  std::optional<Event> on_hello(std::string_view argument, bool esmtp);
  std::optional<Event> on_mail(std::string_view argument);
  std::optional<Event> on_rcpt(std::string_view argument);
  std::optional<Event> on_data(std::string_view argument);
  std::optional<Event> on_starttls(std::string_view argument);
  std::optional<Event> on_rset();
  std::optional<Event> on_other(std::string_view verb);
  const char* parse_mail_parameters(std::string_view rest, Event& event) const;
  const char* parse_rcpt_parameters(std::string_view rest) const;
  Event decide(Decision decision, const Event& event);
  void decided(int code);
  void accept();
  void bad(std::string_view line);
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
  std::string_view close_why_;
  TimePoint deadline_ = kNever;
  uint64_t data_size_ = 0;
  uint32_t rcpts_ = 0;
  int errors_ = 0;
  int idle_commands_ = 0;
  int long_lines_ = 0;
  bool hello_ = false, esmtp_ = false, mail_ = false, smtputf8_ = false, tls_ = false;
  bool held_ = false;
  bool closing_ = false;   // kClose is due
  bool skipping_ = false;  // inside an over-long command line
  bool shutdown_ = false;
  const char* refused_ = nullptr;  // the reply to content that cannot be taken
};

}  // namespace volley::smtp
