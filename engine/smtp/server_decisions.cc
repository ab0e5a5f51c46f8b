// The driver's decisions in the server core: what is answered, and what follows from the answer.
#include <cassert>
#include <string>
#include <utility>

#include "base/hmac.h"
#include "engine/smtp/server.h"
#include "engine/smtp/server_words.h"

namespace volley::smtp {

void Server::hold() {
  assert(decision_ != Decision::kNone);
  held_ = true;
}

void Server::accept() {
  switch (decision_) {
    case Decision::kNone:
      return;
    case Decision::kConnected:
      out_.append("220 ");
      out_.append(options_.name);
      reply(" ESMTP");
      return decided(220);
    case Decision::kEhlo:
      append_ehlo_reply();
      return decided(250);
    case Decision::kStartTls:
      reply("220 2.0.0 Ready to start TLS");
      return decided(220);
    case Decision::kAuth:
      reply("535 5.7.8 Error: authentication failed");
      return decided(535);
    case Decision::kMail:
      reply("250 2.1.0 Ok");
      return decided(250);
    case Decision::kRcpt:
      reply("250 2.1.5 Ok");
      return decided(250);
    case Decision::kDataStart:
      if (!input_.empty()) return close(kSync, "data before the 354");
      reply("354 End data with <CR><LF>.<CR><LF>");
      return decided(354);
    case Decision::kChunkStart:
      return decided(250);
    case Decision::kChunkEnd:
    case Decision::kReset:
      reply("250 2.0.0 Ok");
      return decided(250);
    case Decision::kDataEnd:
      reply(refused_ ? refused_ : "250 2.0.0 Ok");
      return decided(refused_ ? 550 : 250);
    case Decision::kQuit:
      reply("221 2.0.0 Bye");
      return decided(221);
  }
}

void Server::respond(int code, std::string_view enhanced, std::string_view text) {
  if (state_ == State::kClosed || closing_) return;
  assert(decision_ != Decision::kNone && code >= 200 && code < 600);
  assert(text.find_first_of("\r\n") == std::string_view::npos);
  if (decision_ == Decision::kEhlo && code == 250) return accept();
  if (decision_ == Decision::kDataStart && code == 354 && !input_.empty()) return accept();
  if (decision_ == Decision::kChunkStart && code / 100 == 2) return decided(code);
  std::string line = std::to_string(code);
  if (!enhanced.empty() && options_.enhanced_codes) line.append(" ").append(enhanced);
  if (!text.empty()) line.append(" ").append(text);
  line.append("\r\n");
  if (decision_ == Decision::kChunkStart && code != 421) {
    chunk_refusal_ = std::move(line);
  } else {
    out_.append(line);
  }
  decided(code);
}

// The reply is out: its effects.
void Server::decided(int code) {
  const Decision decision = std::exchange(decision_, Decision::kNone);
  held_ = false;
  if (code == 421) {
    closing_ = true;
    close_why_ = "421";
    return;
  }
  const bool ok = code / 100 == 2;
  switch (decision) {
    case Decision::kNone:
      break;
    case Decision::kConnected:
      state_ = State::kCommand;
      if (!ok) {
        closing_ = true;
        close_why_ = "refused at the greeting";
      }
      break;
    case Decision::kEhlo:
      if (ok) hello_ = true;
      break;
    case Decision::kStartTls:
      if (!ok) break;
      state_ = State::kTlsHandshake;
      need_tls_ = true;
      break;
    case Decision::kAuth:
      state_ = State::kCommand;
      wipe(auth_text_);
      if (ok) auth_ = true;
      if (code / 100 == 5) ++auth_failures_;
      break;
    case Decision::kMail:
      mail_ = ok;
      break;
    case Decision::kRcpt:
      if (ok) ++rcpts_;
      break;
    case Decision::kDataStart:
    case Decision::kChunkStart:
    case Decision::kChunkEnd:
    case Decision::kDataEnd:
      content_decided(decision, code);
      break;
    case Decision::kReset:
      if (ok) end_transaction();
      break;
    case Decision::kQuit:
      if (!ok) break;
      closing_ = true;
      close_why_ = "quit";
      input_ = {};
      break;
  }
}

void Server::content_decided(Decision decision, int code) {
  if (decision == Decision::kDataStart) {
    if (code / 100 != 3) return;
    state_ = State::kData;
    decoder_.reset();
    data_size_ = 0;
    refused_ = nullptr;
  } else if (decision == Decision::kChunkEnd) {
    if (code / 100 != 2) bdat_failed_ = true;
  } else if (decision == Decision::kDataEnd) {
    if (bdat_ && !chunk_last_) {
      bdat_failed_ = true;
      return;
    }
    state_ = State::kCommand;
    idle_commands_ = 0;
    end_transaction();
  }  // what a refused kChunkStart says is in chunk_refusal_
}

}  // namespace volley::smtp
