// A driver for the server core: accepts everything unless told otherwise, and writes down what happened.
//
// Purpose  say() feeds bytes, in pieces whose memory dies at once, and returns what the server said.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "engine/smtp/server.h"

namespace volley::smtp::testing {

class Driver {
 public:
  explicit Driver(ServerOptions options = {}, bool tls = false) : server(std::move(options)) {
    server.start(now, tls);
    pump();
    greeting = said();
  }

  void pump() {
    while (auto event = server.next_event()) on_event(*event);
  }

  std::string say(std::string_view bytes, size_t step = 1 << 20) {
    for (size_t at = 0; at < bytes.size(); at += step) {
      auto piece = std::make_unique<std::string>(bytes.substr(at, step));
      server.feed(*piece, now);
      pump();
    }
    return said();
  }

  std::string said() {
    std::string out;
    std::array<OutSlice, 4> slices;
    while (const size_t n = server.gather(slices)) {
      size_t bytes = 0;
      for (size_t i = 0; i < n; ++i) {
        out += slices[i];
        bytes += slices[i].size();
      }
      server.consume(bytes);
    }
    return out;
  }

  TimePoint now{};
  Server server;
  std::string greeting, log, content;
  std::string refuse;  // this recipient, or the step of this name in `log`
  std::string challenge =
      "more";  // to AUTH without an initial response; the answer has to be "yes"

 private:
  void on_event(const Server::Event& event) {
    using Type = Server::Event::Type;
    const size_t before = log.size();
    switch (event.type) {
      case Type::kMail:
        log += "mail(" + std::string(event.text) + words() + ") ";
        break;
      case Type::kRcpt:
        log += "rcpt(" + std::string(event.text) + words() + ") ";
        if (event.text == refuse) server.respond(550, "5.1.1", "no such user");
        return;
      case Type::kStartTls:
        log += "starttls ";
        break;
      case Type::kAuth:
        log += "auth(" + std::string(event.text) + ") ";
        if (event.initial) return judge(*event.initial);
        return server.challenge(challenge);
      case Type::kAuthResponse:
        return judge(event.text);
      case Type::kAuthEnd:
        log += "authend ";
        break;
      case Type::kDataStart:
        if (event.chunking) log += "bdat ";
        break;
      case Type::kDataChunk:
        content += event.text;
        break;
      case Type::kChunkEnd:
        log += "chunk ";
        break;
      case Type::kDataEnd:
        log += event.refused ? "refused " : "end ";
        break;
      case Type::kReset:
        log += "reset ";
        break;
      case Type::kQuit:
        log += "quit ";
        break;
      case Type::kClose:
        log += "close";
        break;
      case Type::kNeedTls:
        log += "tls ";
        break;
      default:
        break;
    }
    if (!refuse.empty() && log.substr(before) == refuse) server.respond(450, "4.3.0", "not now");
  }

  std::string words() const {
    const Server::Dsn& dsn = server.dsn();
    std::string out;
    for (const auto& word : {dsn.ret, dsn.envid, dsn.notify, dsn.orcpt}) {
      if (!word.empty()) out.append(" ").append(word);
    }
    return out;
  }

  void judge(std::string_view response) {
    log += "said(" + std::string(response) + ") ";
    if (response == "yes") server.respond(235, "2.7.0", "welcome");
  }
};

}  // namespace volley::smtp::testing
