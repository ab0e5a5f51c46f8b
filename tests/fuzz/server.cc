// The server core against a client that says anything, with a driver that accepts, refuses or holds; and the dot decoder
// against itself: the same content however the bytes are cut.
#include "engine/smtp/server.h"

#include <fuzzer/FuzzedDataProvider.h>

#include <array>
#include <cstdlib>
#include <string>

namespace volley::smtp {
namespace {

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

class Session {
 public:
  explicit Session(FuzzedDataProvider& in) : in_(in), server_(options(in)) {}

  void run() {
    server_.start(now_);
    pump();
    flush();
    while (in_.remaining_bytes() > 0 && !closed_) {
      say(words());
      pump();
      if (in_.ConsumeBool()) flush();
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
    o.starttls = in.ConsumeBool();
    o.dsn = in.ConsumeBool();
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
                                             "\r\n",
                                             "RCPT TO:<b@example.net>\r\n",
                                             "DATA\r\n",
                                             ".\r\n",
                                             "\r\n.\r\n",
                                             "STARTTLS\r\n",
                                             "RSET\r\n",
                                             "NOOP\r\n",
                                             "QUIT\r\n",
                                             "MAIL FROM:<a@example.com>\r\n"};
    if (in_.ConsumeIntegralInRange(0, 3) == 0) return in_.ConsumeRandomLengthString(100);
    return kLines[in_.ConsumeIntegralInRange(0, 14)];
  }

  void say(const std::string& bytes) {
    auto piece = std::make_unique<std::string>(bytes);
    server_.feed(*piece, now_);
    pump();
  }

  void flush() {
    std::array<OutSlice, 4> slices;
    while (const size_t n = server_.gather(slices)) {
      for (size_t i = 0; i < n; ++i) server_.consume(slices[i].size());
    }
  }

  void pump() {
    using Type = Server::Event::Type;
    if (server_.held() && in_.ConsumeBool())
      server_.respond(in_.ConsumeBool() ? 250 : 450, "", "later");
    while (auto event = server_.next_event()) {
      require(!closed_);
      const Type type = event->type;
      if (type == Type::kClose) closed_ = true;
      if (type == Type::kMail) require(!mail_), mail_ = true;
      if (type == Type::kEhlo || type == Type::kReset) mail_ = false;
      if (type == Type::kRcpt) require(mail_ && !event->text.empty());
      if (type == Type::kDataStart) require(mail_ && rcpt_);
      if (type == Type::kDataChunk) require(data_ && !event->text.empty());
      if (type == Type::kDataEnd) {
        require(data_);
        data_ = mail_ = false;
      }
      if (type == Type::kEhlo || type == Type::kReset || type == Type::kDataEnd ||
          type == Type::kMail)
        rcpt_ = false;
      if (type == Type::kNeedTls) {
        flush();
        server_.tls_established(now_);
        mail_ = rcpt_ = false;
      }
      answer(type);
    }
  }

  void answer(Server::Event::Type type) {
    using Type = Server::Event::Type;
    const int choice = in_.ConsumeIntegralInRange(0, 9);
    const bool asks = type == Type::kMail || type == Type::kRcpt || type == Type::kDataStart;
    if (asks && choice == 9) {
      server_.respond(550, "5.7.1", "no");
      if (type == Type::kMail) mail_ = false;
      return;
    }
    if (type == Type::kRcpt) rcpt_ = true;
    if (type == Type::kDataStart) data_ = true;
    if (type == Type::kDataEnd && choice == 8) server_.hold();
  }

  FuzzedDataProvider& in_;
  TimePoint now_{};
  Server server_;
  bool closed_ = false, mail_ = false, rcpt_ = false, data_ = false;
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
  FuzzedDataProvider in(data, size);
  Session(in).run();
  return 0;
}
