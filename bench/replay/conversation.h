// Conversation: the SMTP client core over recorded replies, as engine/delivery/session.cc drives it over a socket.
//
// Purpose    send() hands messages over as fast as the core takes them, "writes" what it gathers, and feeds the replies to what
//            was written, all of a burst at once. Connections have 100 messages, then a QUIT.
// Ownership  Owns core and receiver; bodies are the core's until their transaction ends.
// Thread     One. No clock: time stands still.
// Errors     Any outcome but delivered ends the program.
#pragma once

#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "engine/smtp/client.h"

namespace volley::bench {

class Conversation {
 public:
  static constexpr uint32_t kMessages = 100;  // of a connection

  explicit Conversation(bool bdat) : bdat_(bdat) {}

  using Next = std::function<void(smtp::Transaction&)>;  // fills in sender, recipients and body
  void send(uint64_t count, const Next& next);           // returns when all of them are delivered

  uint64_t bytes_out() const { return bytes_out_; }
  uint64_t bytes_in() const { return bytes_in_; }
  uint64_t writes() const { return writes_; }

 private:
  void open();
  void take_events();
  void fill(uint64_t count, const Next& next);
  void write();
  bool in_body(std::string_view slice) const;
  void answer(std::string_view text);

  const bool bdat_;
  std::optional<smtp::Client> client_;
  std::deque<smtp::Body> bodies_;  // of what is in flight
  std::string replies_;
  uint32_t submitted_ = 0;  // on this connection
  uint64_t begun_ = 0, done_ = 0;
  uint64_t bytes_out_ = 0, bytes_in_ = 0, writes_ = 0;
};

}  // namespace volley::bench
