// Script: the server's side of a dialogue file, and a player of it for one connection.
//
// Purpose   Users and tests play tests/dialog/*.dlg to a real client. The file says everything the server says, byte for byte,
//           and what the client answers in the test it was written for; a real client has other names, addresses and
//           content, so its lines are matched by what they are:
//             > LINE       a line with the same first word (EHLO, MAIL, RCPT...), case apart
//             > lines of content, after DATA and a 354: whatever comes, until the line with the dot; `> .` is that end
//             > LINE       after a 334: any line
//             >bdat N      a BDAT line and as many octets as it says
//             >part N      something has come that was not read yet
//             < LINE, <raw TEXT   said; consecutive ones together
//             tls          hand-shake as a server; tlsfail: noise in answer to the client's
//             eof          close
//           `ready KEYWORD...` is the greeting and EHLO. row, option, submit, quit, wait, timeout, >none and what begins
//           with `?` are the client's business and passed over; `timeout` is therefore a silence that the client ends.
//           A client that has had all its answers may say NOOP in between, which gets 250, and QUIT, which gets 221 and the
//           end; any other wrong word gets 503 and the end. After the last line nothing else is said, and nothing at all
//           where the client's words were the last: that is a server that never answers.
// Ownership A ScriptPlayer refers to its Script.
// Thread    Script: any, it does not change. ScriptPlayer: one owner. No clock.
// Errors    parse: kData with the line. The player: peer input never asserts, and it keeps at most 64 KiB of it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "engine/smtp/dotstuff.h"

namespace volley::sink {

class Script {
 public:
  enum class Kind : uint8_t { kSay, kVerb, kLine, kContent, kChunk, kSome, kTls, kNoise, kClose };
  struct Step {
    Kind kind;
    std::string text;  // kSay: the bytes; kVerb: the word, in upper case
    int line = 0;
  };

  static Result<Script> parse(std::string_view text);
  const std::vector<Step>& steps() const { return steps_; }

 private:
  std::vector<Step> steps_;
};

class ScriptPlayer {
 public:
  enum class Kind : uint8_t { kWait, kSay, kTls, kNoise, kClose };
  struct Move {
    Kind kind = Kind::kWait;
    std::string_view text;  // kSay: valid until the next call
  };

  explicit ScriptPlayer(const Script& script) : script_(script) {}
  void feed(std::string_view bytes);
  Move next();  // after kTls: once tls_established() was called
  void tls_established() { hand_shaking_ = false; }
  const std::string& complaint() const {
    return complaint_;
  }  // why it ended early; empty: it did not

 private:
  // kStays: the step is still to come, or the dialogue is over.
  enum class Progress : uint8_t { kWaits, kDone, kStays };
  bool take_line(std::string& line);
  bool all_answered() const;  // the server spoke last
  Progress step(const Script::Step& step, Move& move);
  Progress verb(const Script::Step& step, std::string_view line, Move& move);
  Progress chunk();
  Progress content();
  Move stop(std::string_view line, std::string complaint);

  const Script& script_;
  size_t at_ = 0;
  std::string input_;
  std::string complaint_;
  smtp::DotDecoder decoder_;
  uint64_t chunk_left_ = 0;
  bool in_chunk_ = false;
  bool hand_shaking_ = false;
  bool stopped_ = false;  // kClose comes next
  bool closed_ = false;   // or came
};

}  // namespace volley::sink
