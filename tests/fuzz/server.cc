// The server core against a client that says anything, with a driver that accepts, refuses, asks or holds; against a client
// that means well, whose content has to arrive as it was sent and only when all of it was; and the dot decoder against
// itself: the same content however the bytes are cut.
#include "engine/smtp/server.h"

#include <fuzzer/FuzzedDataProvider.h>

#include <array>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

namespace volley::smtp {
namespace {

using Type = Server::Event::Type;

void require(bool condition) {
  if (!condition) std::abort();
}

std::string decode(std::string_view wire, size_t step, bool& end) {
  DotDecoder decoder;
  std::string out;
  end = false;
  for (size_t at = 0; at < wire.size() && !end; at += step) {
    const std::string copy(wire.substr(at, step));
    std::string_view piece = copy;
    while (!piece.empty() && !end) {
      size_t used = 0;
      std::string_view content;
      end = decoder.feed(piece, used, content) == DotDecoder::Step::kEnd;
      require(used <= piece.size());
      out += content;
      piece.remove_prefix(used);
    }
  }
  return out + (decoder.bare_newline() ? "!" : "") + (decoder.nul() ? "0" : "");
}

void flush(Server& server) {
  std::array<OutSlice, 4> slices;
  while (const size_t n = server.gather(slices)) {
    for (size_t i = 0; i < n; ++i) server.consume(slices[i].size());
  }
}

// Says anything.
class Session {
 public:
  explicit Session(FuzzedDataProvider& in) : in_(in), options_(options(in)), server_(options_) {}

  void run() {
    tls_ = in_.ConsumeBool();
    server_.start(now_, tls_);
    pump();
    flush(server_);
    while (in_.remaining_bytes() > 0 && !closed_) {
      say(words());
      if (in_.ConsumeBool()) flush(server_);
    }
    server_.eof();
    if (server_.held()) server_.respond(451, "4.3.0", "no");
    pump();
    require(closed_ && server_.deadline() == kNever);
    server_.feed("NOOP\r\n", now_);
    require(!server_.next_event());
  }

 private:
  static ServerOptions options(FuzzedDataProvider& in) {
    ServerOptions o;
    o.pipelining = in.ConsumeBool();
    o.smtputf8 = in.ConsumeBool();
    o.enhanced_codes = in.ConsumeBool();
    o.starttls = in.ConsumeBool();
    o.dsn = in.ConsumeBool();
    o.chunking = in.ConsumeBool();
    o.require_tls = in.ConsumeBool();
    if (in.ConsumeBool()) o.auth = "PLAIN LOGIN";
    o.auth_in_clear = in.ConsumeBool();
    o.auth_required = in.ConsumeBool();
    o.max_size = in.ConsumeIntegralInRange<uint64_t>(0, 300);
    o.max_rcpts = 3;
    return o;
  }

  std::string words() {
    static constexpr const char* kLines[] = {"EHLO c.example.com\r\n",
                                             "HELO c\r\n",
                                             "MAIL FROM:<a@example.com>",
                                             " SIZE=10",
                                             " BODY=8BITMIME",
                                             " RET=HDRS ENVID=a+2Bb",
                                             " NOTIFY=SUCCESS,DELAY ORCPT=rfc822;a",
                                             " REQUIRETLS",
                                             "\r\n",
                                             "RCPT TO:<b@example.net>\r\n",
                                             "DATA\r\n",
                                             ".\r\n",
                                             "\r\n.\r\n",
                                             "BDAT 3\r\n",
                                             "BDAT 5 LAST\r\n",
                                             "BDAT 0 LAST\r\n",
                                             "abc",
                                             "x\r\ny\n",
                                             "AUTH PLAIN\r\n",
                                             "AUTH LOGIN YQ==\r\n",
                                             "YQ==\r\n",
                                             "*\r\n",
                                             "STARTTLS\r\n",
                                             "RSET\r\n",
                                             "NOOP\r\n",
                                             "QUIT\r\n",
                                             "MAIL FROM:<a@example.com>\r\n"};
    if (in_.ConsumeIntegralInRange(0, 3) == 0) return in_.ConsumeRandomLengthString(100);
    return kLines[in_.ConsumeIntegralInRange<size_t>(0, std::size(kLines) - 1)];
  }

  void say(const std::string& bytes) {
    fed_ += bytes.size();
    auto piece = std::make_unique<std::string>(bytes);
    server_.feed(*piece, now_);
    pump();
  }

  void pump() {
    if (server_.held() && in_.ConsumeBool()) {
      const bool ok = in_.ConsumeBool();
      server_.respond(ok ? 250 : 450, "", "later");
      settle(held_, ok);
    }
    while (auto event = server_.next_event()) {
      require(!closed_);
      check(*event);
      answer(*event);
    }
  }

  // What may come when.
  void check(const Server::Event& event) {
    switch (event.type) {
      case Type::kMail:
        return require(!mail_ && !asking_ && (authenticated_ || !options_.auth_required));
      case Type::kRcpt:
        return require(mail_ && !bdat_ && !event.text.empty());
      case Type::kDataStart:
        return require(mail_ && rcpt_ && !bdat_ && (options_.chunking || !event.chunking));
      case Type::kDataChunk:
        taken_ += event.text.size();
        return require(data_ && !event.text.empty() && taken_ <= fed_);
      case Type::kChunkEnd:
        return require(data_ && bdat_);
      case Type::kDataEnd:
        return require(data_ && event.chunking == bdat_);
      case Type::kAuth:
        return require(!asking_ && !mail_ && !authenticated_ && (tls_ || options_.auth_in_clear));
      case Type::kAuthResponse:
        return require(asking_);
      case Type::kAuthEnd:
        require(asking_);
        asking_ = false;
        return;
      case Type::kStartTls:
        return require(options_.starttls && !tls_);
      case Type::kNeedTls:
        flush(server_);
        server_.tls_established(now_);
        mail_ = rcpt_ = bdat_ = authenticated_ = false;
        tls_ = true;
        return;
      case Type::kClose:
        closed_ = true;
        return;
      default:
        return;
    }
  }

  void answer(const Server::Event& event) {
    const Type type = event.type;
    const int choice = in_.ConsumeIntegralInRange(0, 9);
    if (type == Type::kAuth || type == Type::kAuthResponse) {
      asking_ = choice > 4;
      if (asking_) return server_.challenge("ask");
      authenticated_ = choice > 2;
      if (choice > 1) server_.respond(authenticated_ ? 235 : 535, "", "so be it");
      return;
    }
    const bool decision = type != Type::kDataChunk && type != Type::kAuthEnd &&
                          type != Type::kNeedTls && type != Type::kClose;
    if (!decision) return;
    held_ = type;
    if (type == Type::kDataStart) bdat_ = event.chunking;
    if (choice == 8) return server_.hold();
    if (choice == 9) server_.respond(550, "5.7.1", "no");
    if (choice == 7) server_.accept();
    settle(type, choice != 9);
  }

  void settle(Type type, bool ok) {
    if (type == Type::kMail) mail_ = ok;
    if (type == Type::kRcpt && ok) rcpt_ = true;
    if (type == Type::kDataStart) data_ = ok;
    if (type == Type::kChunkEnd && !ok) data_ = false;
    if (type == Type::kDataEnd || type == Type::kEhlo || (type == Type::kReset && ok)) {
      data_ = mail_ = false;
    }
    if (!mail_) rcpt_ = bdat_ = false;
  }

  FuzzedDataProvider& in_;
  const ServerOptions options_;
  TimePoint now_{};
  Server server_;
  Type held_ = Type::kConnected;
  size_t fed_ = 0, taken_ = 0;
  bool closed_ = false, mail_ = false, rcpt_ = false, data_ = false, bdat_ = false;
  bool tls_ = false, asking_ = false, authenticated_ = false;
};

// Means well: messages by DATA and BDAT, cut anywhere, broken off anywhere.
class Sender {
 public:
  explicit Sender(FuzzedDataProvider& in) : in_(in) {}

  void run() {
    groups_.emplace_back("EHLO c.example.com\r\n");
    groups_.emplace_back();
    for (int n = in_.ConsumeIntegralInRange(1, 4); n > 0; --n) add_message();
    size_t left = in_.ConsumeIntegralInRange<size_t>(0, size_);
    const size_t sent = left;
    ServerOptions options;
    options.chunking = true;
    options.max_idle_commands = 100'000;  // empty chunks are cheap here
    Server server(options);
    server.start({});
    pump(server);
    flush(server);
    for (const std::string& group : groups_) {
      std::string_view rest = std::string_view(group).substr(0, left);
      left -= rest.size();
      while (!rest.empty()) {
        const size_t step = in_.ConsumeIntegralInRange<size_t>(1, 40);
        const auto piece = std::make_unique<std::string>(rest.substr(0, step));
        rest.remove_prefix(piece->size());
        server.feed(*piece, {});
        pump(server);
      }
      flush(server);
    }
    server.eof();
    pump(server);
    size_t i = 0;
    for (const Message& message : messages_) {
      if (message.good && message.end <= sent)
        require(i < taken_.size() && taken_[i++] == message.content);
    }
    require(i == taken_.size());
  }

 private:
  struct Message {
    std::string content;
    bool good;   // nothing but CRLF ends its lines, no NUL
    size_t end;  // the byte after its last, counted from the EHLO
  };

  void append(std::string_view bytes) {
    groups_.back().append(bytes);
    size_ = 0;
    for (const std::string& group : groups_) size_ += group.size();
  }

  // Mostly lines, so that much of it is fit to send by DATA.
  std::string make_content() {
    static constexpr std::string_view kPieces[] = {"a\r\n", ".\r\n", "..b\r\n", "\r\n", "\r\n.\r\n",
                                                   "c",     ".",     "\r",      "\n"};
    std::string out;
    while (in_.ConsumeBool()) {
      const auto choice = in_.ConsumeIntegralInRange<size_t>(0, 3 * std::size(kPieces));
      out += choice < std::size(kPieces) ? kPieces[choice] : kPieces[choice % 5];
    }
    return in_.ConsumeIntegralInRange(0, 7) == 0 ? in_.ConsumeRandomLengthString(60) : out;
  }

  void add_message() {
    const std::string content = make_content();
    append("RSET\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.net>\r\n");
    const BodyScan scan = scan_body(content);
    if (scan.ends_crlf && !scan.bare_cr && !scan.bare_lf && !scan.nul && in_.ConsumeBool()) {
      append("DATA\r\n");
      groups_.emplace_back();
      DotStuffer stuffer(content);
      while (!stuffer.done()) append(stuffer.next(7));
      append(".\r\n");
    } else {
      std::string_view rest = content;
      while (in_.ConsumeBool()) {
        const std::string_view chunk = rest.substr(0, in_.ConsumeIntegralInRange<size_t>(0, 30));
        append("BDAT " + std::to_string(chunk.size()) + "\r\n");
        append(chunk);
        rest.remove_prefix(chunk.size());
      }
      append("BDAT " + std::to_string(rest.size()) + " LAST\r\n");
      append(rest);
    }
    messages_.push_back({content, !scan.bare_cr && !scan.bare_lf && !scan.nul, size_});
  }

  void pump(Server& server) {
    while (auto event = server.next_event()) {
      if (event->type == Type::kDataStart) content_.clear();
      if (event->type == Type::kDataChunk) content_ += event->text;
      if (event->type == Type::kDataEnd && !event->refused) taken_.push_back(content_);
    }
  }

  FuzzedDataProvider& in_;
  std::vector<std::string> groups_;  // what may be written at once: DATA ends one
  std::vector<Message> messages_;
  std::vector<std::string> taken_;
  std::string content_;
  size_t size_ = 0;
};

}  // namespace
}  // namespace volley::smtp

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace volley::smtp;
  if (size < 2) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  bool end_whole = false, end_cut = false;
  const std::string whole = decode(bytes, bytes.size(), end_whole);
  require(whole == decode(bytes, data[0] % 9 + 1, end_cut) && end_whole == end_cut);
  FuzzedDataProvider for_sender(data, size), for_session(data, size);
  Sender(for_sender).run();
  Session(for_session).run();
  return 0;
}
